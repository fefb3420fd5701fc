"""Processors: affinity, and the limits of the control groups that this process is in."""

import os
from pathlib import Path

import pytest

from runir.inference import threads


def test_threads_follow_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "cgroup_quota", lambda: None)
    assert threads.available_threads() == 8
    monkeypatch.setattr(threads, "cgroup_quota", lambda: 2.0)
    assert threads.available_threads() == 2


def test_the_quota_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("0::/\n")
    assert threads.cgroup_quota(tmp_path, tmp_path / "own") is None
    for text, expected in (("150000 100000\n", 1.5), ("max 100000\n", None), ("nonsense", None)):
        (tmp_path / "cpu.max").write_text(text)
        assert threads.cgroup_quota(tmp_path, tmp_path / "own") == expected
    assert threads.cgroup_quota(tmp_path / "nowhere", tmp_path / "nowhere") is None


def test_the_smallest_limit_of_the_own_group_and_those_above_counts(tmp_path: Path) -> None:
    """As systemd-run -p CPUQuota and job queues set it."""
    own, group = tmp_path / "own", tmp_path / "user.slice" / "job.scope"
    group.mkdir(parents=True)
    own.write_text("0::/user.slice/job.scope\n")
    (group / "cpu.max").write_text("200000 100000\n")
    assert threads.cgroup_quota(tmp_path, own) == 2.0
    (group.parent / "cpu.max").write_text("100000 100000\n")
    assert threads.cgroup_quota(tmp_path, own) == 1.0


def test_the_first_version_of_control_groups(tmp_path: Path) -> None:
    own, group = tmp_path / "own", tmp_path / "cpu" / "docker" / "1f"
    group.mkdir(parents=True)
    own.write_text("5:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n")
    (group / "cpu.cfs_quota_us").write_text("50000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert threads.cgroup_quota(tmp_path, own) == 0.5
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.cgroup_quota(tmp_path, own) is None
