"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def available_threads() -> int:
    """Processors that this process may use: affinity, then the container's quota (cgroup v2 or v1), at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, min(count, int(quota + 0.5))) if quota else max(1, count)


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Processors that this process may keep busy, by cgroup v2 or v1: the smallest limit of its group (which `own`
    names) and of those above it. None: no limit, or unknown."""
    try:
        named = dict(line.split(":", 2)[1:] for line in own.read_text().splitlines())
    except (OSError, ValueError):
        named = {}
    first = next((path for controllers, path in named.items() if "cpu" in controllers.split(",")), "/")
    # In a container the path may be the host's, which is not there; the root is then the container's own group.
    limits = [_limit(root / group, v2=True) for group in _upwards(named.get("", "/"))]
    limits += [_limit(root / "cpu" / group, v2=False) for group in _upwards(first)]
    return min((limit for limit in limits if limit), default=None)


def _upwards(group: str) -> list[str]:
    """A group and all above it, relative to the root."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _limit(folder: Path, *, v2: bool) -> float | None:
    try:
        if v2:
            limit, period = (folder / "cpu.max").read_text().split()
        else:
            limit, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(limit) / int(period) if limit != "max" and int(limit) > 0 else None
    except (OSError, ValueError):
        return None
