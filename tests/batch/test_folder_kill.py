"""Runs that are killed, interrupted or doubled: what the output folder holds is whole, and the next run goes on."""

import errno
import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runir.batch.folder import LOCK, WORK, held_folder, move_into_place
from runir.batch.manifest import MANIFEST
from runir.errors import RunirError
from standin import fill, results, run, turned

SCRIPT = Path(__file__).with_name("standin.py")


def start(tmp_path: Path, pause: float, **options: Any) -> "subprocess.Popen[str]":
    words = [sys.executable, str(SCRIPT), str(tmp_path / "in"), str(tmp_path / "out"), str(pause), "-r"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def lines(tmp_path: Path) -> int:
    path = tmp_path / "out" / MANIFEST
    return path.read_bytes().count(b"\n") if path.exists() else 0


def visible(folder: Path) -> dict[str, bytes]:
    files = [p for p in folder.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.parts[-2:])]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_and_resumed(tmp_path: Path, kills: int) -> None:
    fill(tmp_path / "in", 20 * kills)
    expected = {
        p.relative_to(tmp_path / "in").as_posix(): p.read_bytes()[::-1] for p in (tmp_path / "in").rglob("*.jpg")
    }
    rng = random.Random(kills)
    finished: dict[str, int] = {}
    for _ in range(kills):
        before = lines(tmp_path)
        process = start(tmp_path, 0.004)
        wait_for(lambda: lines(tmp_path) > before + 1)  # noqa: B023 - called here and now
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.communicate()
        there = visible(tmp_path / "out")
        assert there == {name: expected[name] for name in there}  # each is whole
        times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in there}
        assert finished.items() <= times.items()  # what was finished is left as it was
        assert len(times) > len(finished)
        finished = times
    assert len(finished) < len(expected)
    process = start(tmp_path, 0)
    summary = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    assert summary["skipped"] == len(finished)
    assert results(tmp_path / "out") == expected
    assert finished.items() <= {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in expected}.items()
    assert not (tmp_path / "out" / WORK).exists()


KILLED = """
import os, sys
from pathlib import Path
from runir.batch import manifest, restore_folder, steps
from standin import Turner

append, move = manifest.Manifest.append, steps.move_into_place

def append_or_die(self, record):
    if sys.argv[2] == "before the record" and record.path == sys.argv[3]:
        os._exit(9)
    append(self, record)
    if sys.argv[2] == "inside the record" and record.path == sys.argv[3]:
        os.truncate(self._path, self._path.stat().st_size - 9)
        os._exit(9)

def move_or_die(temporary, target, replace):
    if sys.argv[2] == "before the name" and target.name == sys.argv[3]:
        os._exit(9)
    move(temporary, target, replace)
    if sys.argv[2] == "after the name" and target.name == sys.argv[3]:
        os._exit(9)

manifest.Manifest.append, steps.move_into_place = append_or_die, move_or_die
folder = Path(sys.argv[1])
restore_folder(folder / "in", folder / "out", Turner(), recursive=True)
"""


@pytest.mark.parametrize(
    ("place", "there"),
    [("before the record", 0), ("inside the record", 0), ("before the name", 0), ("after the name", 1)],
)
def test_killed_around_the_record_and_the_name(tmp_path: Path, place: str, there: int) -> None:
    """The places where a kill could make a lie of the manifest, hit exactly."""
    names = fill(tmp_path / "in", 5)
    words = [sys.executable, "-c", KILLED, str(tmp_path), place, names[2]]
    assert subprocess.run(words, cwd=SCRIPT.parent, check=False).returncode == 9
    done = visible(tmp_path / "out")
    assert (names[2] in done) == there
    summary = run(tmp_path)
    assert (summary.restored, summary.skipped, summary.failed) == (5 - len(done), len(done), 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")


def test_interrupted_it_leaves_nothing_half_done(tmp_path: Path) -> None:
    fill(tmp_path / "in", 100)
    process = start(tmp_path, 0.01)
    wait_for(lambda: lines(tmp_path) > 3)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert time.monotonic() - sent < 5
    assert error.rstrip().endswith("KeyboardInterrupt")
    done = results(tmp_path / "out")  # no work folder, no temporary file
    assert 3 < len(done) < 100
    assert len(done) == lines(tmp_path)  # what was being written has been finished
    process = start(tmp_path, 0)
    assert json.loads(process.communicate(timeout=60)[0])["skipped"] == len(done)


def test_interrupted_twice_it_ends_at_once(tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    process = start(tmp_path, 30)  # every step would take half a minute
    wait_for((tmp_path / "out" / WORK).exists)
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None  # waits for the end of the step
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert time.monotonic() - sent < 5
    assert visible(tmp_path / "out") == {}


def test_two_runs_on_one_output_folder(tmp_path: Path) -> None:
    fill(tmp_path / "in", 40)
    first = start(tmp_path, 10)
    wait_for((tmp_path / "out" / WORK).exists)
    second = start(tmp_path, 0)
    error = second.communicate(timeout=60)[1].splitlines()[-1]
    assert second.returncode == 1
    assert f"{tmp_path}/out: another run is writing into this folder (process {first.pid}); wait for it" in error
    assert first.poll() is None
    assert (tmp_path / "out" / WORK).exists()  # the second has touched nothing
    first.kill()
    first.communicate()
    third = start(tmp_path, 0)  # the dead one's lock is gone with it
    assert json.loads(third.communicate(timeout=60)[0])["restored"] == 40


def test_the_lock_holds_within_one_process_too_and_is_given_back(tmp_path: Path) -> None:
    with held_folder(tmp_path), pytest.raises(RunirError, match="another run is writing"), held_folder(tmp_path):
        pass
    with held_folder(tmp_path) as work:
        (work / "left.jpg").touch()
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "left behind by a kill.jpg").touch()
    with held_folder(tmp_path) as work:
        assert list(work.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == [LOCK]


def test_files_larger_than_allowed_fail_alone(tmp_path: Path) -> None:
    fill(tmp_path / "in", 6)
    (tmp_path / "in" / "00001.jpg").write_bytes(b"large " * 4000)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    process = start(tmp_path, 0, preexec_fn=limit)
    summary = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 1
    assert (summary["restored"], summary["failed"]) == (5, 1)
    assert "File too large" in summary["failures"][0]["error"]
    assert len(results(tmp_path / "out")) == 5


def test_a_name_taken_at_the_last_moment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepared() -> Path:
        (tmp_path / "new.jpg").write_bytes(b"new")
        return tmp_path / "new.jpg"

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    taken = tmp_path / "a.jpg"
    taken.write_bytes(b"theirs")
    for _ in range(2):  # with hard links, then as on a disk without them
        with pytest.raises(RunirError, match="exists and is not an unchanged result"):
            move_into_place(prepared(), taken, replace=False)
        assert taken.read_bytes() == b"theirs"
        move_into_place(prepared(), tmp_path / "sub" / "b.jpg", replace=False)
        assert (tmp_path / "sub" / "b.jpg").read_bytes() == b"new"
        (tmp_path / "sub" / "b.jpg").unlink()
        monkeypatch.setattr(Path, "hardlink_to", no_links)
