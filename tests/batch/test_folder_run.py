"""A folder run: what is done, skipped, refused, recorded; with a worker that only turns bytes round."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from runir.batch import Done, Jobs, State, Summary, Tick, restore_folder
from runir.batch.manifest import MANIFEST
from runir.errors import RunirError
from standin import Item, Turner, fill, results


def run(tmp_path: Path, worker: Turner | None = None, **options: Any) -> Summary:
    return restore_folder(tmp_path / "in", tmp_path / "out", worker or Turner(), recursive=True, **options)


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.restored, summary.skipped, summary.failed, summary.left


def turned(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes()[::-1] for p in folder.rglob("*.*") if p.is_file()}


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


def test_nothing_foreign_is_replaced(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / names[1]).write_bytes(b"mine")
    (tmp_path / "out" / names[2]).mkdir()
    summary = run(tmp_path)
    assert counts(summary) == (2, 0, 2, 0)
    assert summary.exit_code == 1
    assert [error.split(": ", 1)[1] for _, error in summary.failures] == [
        "exists and is not an unchanged result of this folder; rename it or --overwrite",
        "is a folder; rename it",
    ]
    assert (tmp_path / "out" / names[1]).read_bytes() == b"mine"
    (tmp_path / "out" / names[2]).rmdir()
    assert counts(run(tmp_path, overwrite=True)) == (2, 2, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    # A result that a person has worked on since is theirs.
    (tmp_path / "out" / names[3]).write_bytes(b"retouched")
    (tmp_path / "in" / names[3]).write_bytes(b"another picture")
    assert counts(run(tmp_path)) == (0, 3, 1, 0)
    assert (tmp_path / "out" / names[3]).read_bytes() == b"retouched"


def test_another_folder_with_the_same_names_does_not_replace_results(tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    run(tmp_path)
    before = results(tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "00001.jpg").write_bytes(b"of another camera")
    summary = restore_folder(tmp_path / "other", tmp_path / "out", Turner())
    assert counts(summary) == (0, 0, 1, 0)
    assert results(tmp_path / "out") == before


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
    summary = run(tmp_path, Turner(0.002), max_failures=2)
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

    summary = run(tmp_path, Turner(**{step: hit}))
    assert times == 1
    assert counts(summary) == (3, 0, 1, 0)
    [(name, error)] = summary.failures
    words = "is gone since the folder was listed" if what == "vanish" else "was changed while it was being restored"
    assert (name, error) == (names[1], f"{hurt}: {words}; run the same command again")
    assert set(results(tmp_path / "out")) == {names[0], names[2], names[3]}


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 200)
    tried = 0

    def full(path: Path) -> None:
        nonlocal tried
        tried += 1
        if tried > 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    summary = run(tmp_path, Turner(0.001, before_save=full))
    assert summary.stopped == "the disk is full: free some space, then run the same command again"
    assert summary.restored == 5
    assert 1 <= summary.failed <= 5
    assert tried <= 12
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


def test_an_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    fill(tmp_path / "in", 4)
    (tmp_path / "out").write_bytes(b"in the way")
    with pytest.raises(RunirError, match="this folder cannot be made: a file is in the way"):
        run(tmp_path)
    with pytest.raises(RunirError, match="this folder cannot be made: a file is in the way"):
        restore_folder(tmp_path / "in", tmp_path / "out" / "below", Turner())
    (tmp_path / "out").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_bytes(b"in the way")
    summary = run(tmp_path)
    assert counts(summary) == (2, 0, 2, 0)
    assert all("its folder cannot be made: a file is in the way" in error for _, error in summary.failures)


def test_results_never_land_among_the_originals_or_outside(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)  # in/deep/er/00000.jpg
    (tmp_path / "in" / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "in" / "deep" / "x.jpg").write_bytes(b"would be in/deep/x.jpg")
    (tmp_path / "in" / "deep" / "x.jpg").write_bytes(b"an original")
    summary = restore_folder(tmp_path / "in", tmp_path, Turner(), recursive=True, overwrite=True)
    assert counts(summary) == (2, 0, 1, 0)
    assert "would be written among the originals" in summary.failures[0][1]
    assert (tmp_path / "in" / "deep" / "x.jpg").read_bytes() == b"an original"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "in", target_is_directory=True)
    summary = run(tmp_path, overwrite=True)
    assert counts(summary) == (1, 0, 2, 0)
    assert all("a link leads out of the output folder" in error for _, error in summary.failures)


def test_a_link_that_is_overwritten_leaves_the_other_end_alone(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / names[1]).symlink_to(tmp_path / "in" / names[1])
    assert counts(run(tmp_path)) == (1, 0, 1, 0)
    assert counts(run(tmp_path, overwrite=True)) == (1, 1, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert not (tmp_path / "out" / names[1]).is_symlink()


def test_unicode_and_long_names(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "été 写真"
    folder.mkdir(parents=True)
    names = ["🌄 сад.jpg", "e\u0301.jpg", "é.jpg", "a\nb.jpg", "x" * 251 + ".jpg", "ü" * 125 + ".png", "'\"\\ %s.jpg"]
    for name in names:
        (folder / name).write_bytes(name.encode())
    undecodable = os.fsdecode(b"\xff\xfe.jpg")
    (folder / undecodable).write_bytes(b"no text")
    assert counts(run(tmp_path)) == (8, 0, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert counts(run(tmp_path)) == (0, 8, 0, 0)
    # One ending more would make it too long: a failure of that picture only.
    (folder / ("x" * 251 + ".png")).write_bytes(b"same name")
    summary = run(tmp_path, Turner(work="to jpg", endings={".jpg": ".jpg", ".png": ".jpg"}), overwrite=True)
    assert counts(summary) == (8, 0, 1, 0)
    assert "File name too long" in summary.failures[0][1]


def test_a_manifest_of_rubbish_is_survived(tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    run(tmp_path)
    with (tmp_path / "out" / MANIFEST).open("ab") as file:
        file.write(b'\xff\x00\n[1]\n"ok"\n{}\n{"status": "ok"}\nnull\n{"status": "ok", "output": "00001.j')
    assert counts(run(tmp_path)) == (0, 3, 0, 0)
    (tmp_path / "in" / "new.jpg").write_bytes(b"new")
    assert counts(run(tmp_path)) == (1, 3, 0, 0)
    assert counts(run(tmp_path)) == (0, 4, 0, 0)


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
