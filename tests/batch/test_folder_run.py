"""A folder run: what is done, skipped, refused, recorded; with a worker that only turns bytes round."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from runir.batch import Done, Jobs, State, Tick, restore_folder
from runir.batch.manifest import MANIFEST
from runir.errors import RunirError
from standin import Item, Turner, counts, fill, results, run, turned


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in results(folder)}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / MANIFEST).read_text("ascii").splitlines()]


def test_the_tree_is_mirrored_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "in", 20)
    summary = run(tmp_path, jobs=Jobs(2, 2, 2))
    assert counts(summary) == (20, 0, 0, 0)
    assert summary.exit_code == 0
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert summary.megapixels == round(sum(map(len, results(tmp_path / "out").values())) / 1e6, 3)
    before = times(tmp_path / "out")
    worker = Turner()
    assert counts(run(tmp_path, worker)) == (0, 20, 0, 0)
    assert worker.computed == 0
    assert times(tmp_path / "out") == before
    assert len(records(tmp_path / "out")) == 20


def test_what_changed_is_done_again_and_only_that(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 6)
    run(tmp_path)
    before = times(tmp_path / "out")
    (tmp_path / "in" / names[1]).write_bytes(b"another picture")
    (tmp_path / "out" / names[2]).unlink()
    assert counts(run(tmp_path)) == (2, 4, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    after = times(tmp_path / "out")
    assert {name for name in names if before[name] != after[name]} == {names[1], names[2]}
    # Another model or option: everything again, over our own results.
    assert counts(run(tmp_path, Turner(work="turn, strength 0.5"))) == (6, 0, 0, 0)
    # Back to the first: what is there now is not its result.
    assert counts(run(tmp_path)) == (6, 0, 0, 0)


def test_a_copied_folder_with_new_times_is_still_finished(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 3)
    run(tmp_path)
    for name in names:
        os.utime(tmp_path / "out" / name, (1, 1))
        os.utime(tmp_path / "in" / name, (1, 1))
    (tmp_path / "in").rename(tmp_path / "moved")
    summary = restore_folder(tmp_path / "moved", tmp_path / "out", Turner(), recursive=True)
    assert counts(summary) == (0, 3, 0, 0)


def test_unreadable_files_are_recorded_and_tried_again(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 5)
    (tmp_path / "in" / names[2]).write_bytes(b"BAD")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (tmp_path / "in" / "nowhere.jpg").symlink_to("gone.jpg")
    for restored, skipped in ((4, 0), (0, 4)):
        summary = run(tmp_path)
        assert counts(summary) == (restored, skipped, 3, 0)
        assert summary.exit_code == 1
        errors = dict(summary.failures)
        assert errors[names[2]] == f"{tmp_path}/in/{names[2]}: is damaged; get another"
        assert "is not an ordinary file" in errors["pipe.jpg"]
        assert "is a link that leads nowhere" in errors["nowhere.jpg"]
    failed = [r for r in records(tmp_path / "out") if r["status"] == "failed"]
    assert len(failed) == 6
    assert {r["error"] for r in failed} == {error for _, error in summary.failures}
    (tmp_path / "in" / names[2]).write_bytes(b"mended")
    assert counts(run(tmp_path)) == (1, 4, 2, 0)


def test_a_fault_of_the_worker_is_one_failure(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 3)

    def trip(path: Path) -> None:
        if path.name == names[1]:
            raise IndexError("list index out of range")

    summary = run(tmp_path, Turner(before_load=trip))
    assert counts(summary) == (2, 0, 1, 0)
    assert "unexpected IndexError" in summary.failures[0][1]


def test_max_failures(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 30)
    for name in names[::3]:
        (tmp_path / "in" / name).write_bytes(b"BAD")
    worker = Turner(0.01)
    summary = run(tmp_path, worker, max_failures=2)
    assert worker.loaded == worker.saved + worker.dropped
    assert summary.stopped == "2 failed, as many as --max-failures allows"
    assert summary.failed >= 2
    assert summary.left > 0
    assert summary.exit_code == 1
    assert sum(counts(summary)) == 30
    assert counts(run(tmp_path))[1] == summary.restored


@pytest.mark.parametrize("step", ["before_load", "before_save"])
@pytest.mark.parametrize("what", ["vanish", "change"])
def test_files_that_vanish_or_change_in_between(tmp_path: Path, step: str, what: str) -> None:
    names = fill(tmp_path / "in", 4)
    hurt = tmp_path / "in" / names[1]
    trigger = hurt.name if step == "before_load" else "0.jpg"  # results are written aside under a number
    times = 0

    def hit(path: Path) -> None:
        nonlocal times
        if path.name == trigger:
            times += 1
            hurt.unlink()
            if what == "change":
                hurt.write_bytes(b"something else")

    worker = Turner()
    setattr(worker, step, hit)
    summary = run(tmp_path, worker)
    assert times == 1
    assert counts(summary) == (3, 0, 1, 0)
    [(name, error)] = summary.failures
    words = "is gone since the folder was listed" if what == "vanish" else "was changed while it was being restored"
    assert (name, error) == (names[1], f"{hurt}: {words}; run the same command again")
    assert set(results(tmp_path / "out")) == {names[0], names[2], names[3]}


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_ends_the_run(tmp_path: Path, wrapped: bool) -> None:
    names = fill(tmp_path / "in", 200)
    tried = 0

    def full(path: Path) -> None:
        nonlocal tried
        tried += 1
        if tried > 5:
            fault = OSError(errno.ENOSPC, "No space left on device", str(path))
            if wrapped:
                raise RunirError(f"{path}: disk full; free some space") from fault
            raise fault

    worker = Turner(0.005, before_save=full)
    summary = run(tmp_path, worker)
    assert worker.loaded == worker.saved + worker.dropped > worker.saved
    assert summary.stopped == "the disk is full: free some space, then run the same command again"
    assert summary.restored == 5
    assert 1 <= summary.failed < 50
    assert tried < 50
    name, error = summary.failures[0]
    assert error.startswith(f"{tmp_path}/out/{name}: ")  # not the name it had while it was written
    assert summary.exit_code == 1
    assert len(results(tmp_path / "out")) == 5
    assert counts(run(tmp_path)) == (len(names) - 5, 5, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")


def test_a_full_disk_met_by_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "in", 50)
    write, room = os.write, 2000

    def short(handle: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(handle, data[:room])
        room -= done
        return done

    monkeypatch.setattr(os, "write", short)
    summary = run(tmp_path, Turner(0.001))
    assert "disk is full" in summary.stopped
    assert 0 < summary.restored == len(results(tmp_path / "out"))
    monkeypatch.undo()
    assert not (tmp_path / "out" / MANIFEST).read_bytes().endswith(b"\n")
    assert counts(run(tmp_path)) == (50 - summary.restored, summary.restored, 0, 0)
    assert counts(run(tmp_path)) == (0, 50, 0, 0)  # the torn line has spoilt none after it


class Counting(Turner):
    """Keeps count of what is held between load and save."""

    def __init__(self) -> None:
        super().__init__(0.001, work="as it is")
        self.lock, self.held, self.most, self.alone = threading.Lock(), 0, 0, True

    def cost(self, path: Path) -> int:
        return int(path.stem) + 1

    def load(self, source: Path, result: Path) -> Item:
        with self.lock:
            self.held += self.cost(source)
            self.most = max(self.most, self.held)
            self.alone &= self.held <= 20 or self.held == self.cost(source)
        return result, b"%d" % self.cost(source)

    def save(self, item: Item) -> Done:
        with self.lock:
            self.held -= int(item[1])
        return super().save(item)


def test_few_pixels_are_in_flight_and_a_huge_picture_goes_alone(tmp_path: Path) -> None:
    fill(tmp_path / "in", 40)
    worker = Counting()
    assert counts(run(tmp_path, worker, jobs=Jobs(4, 3, 3), in_flight=20)) == (40, 0, 0, 0)
    assert worker.most == 40  # the largest
    assert worker.alone


def test_the_steps_overlap(tmp_path: Path) -> None:
    """Three pictures meet at a barrier, one in each step; one after the other they never would."""
    fill(tmp_path / "in", 3)
    meeting = threading.Barrier(3)

    class Meeting(Turner):
        def compute(self, item: Item, tick: Tick) -> Item:
            if item[0].name == "1.jpg":  # the second in the plan
                meeting.wait(30)
            return super().compute(item, tick)

    def loading(path: Path) -> None:
        if path.name == "00000.jpg":  # the third: in a subfolder
            meeting.wait(30)

    def saving(path: Path) -> None:
        if path.name == "0.jpg":
            meeting.wait(30)

    assert counts(run(tmp_path, Meeting(before_load=loading, before_save=saving))) == (3, 0, 0, 0)


def test_watch_sees_everything_in_order(tmp_path: Path) -> None:
    fill(tmp_path / "in", 5)
    seen: list[tuple[int, bool]] = []
    lefts: list[float | None] = []

    def watch(state: State) -> None:
        seen.append((state.done, state.ended))
        lefts.append(state.seconds_left)

    run(tmp_path, Turner(0.005), watch=watch)
    assert seen == sorted(seen)
    assert seen[-1] == (5, True)
    assert lefts[0] is None
    assert max(left for left in lefts if left is not None) > 0
    assert lefts[-1] == 0


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_tiny_files(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "in", count)
    assert counts(run(tmp_path)) == (count, 0, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert counts(run(tmp_path)) == (0, count, 0, 0)
