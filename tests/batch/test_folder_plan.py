"""What counts as a picture, in which order, and what its result is called."""

import os
import sys
from pathlib import Path

import pytest

from runir.batch.plan import Plan, make_plan
from runir.errors import UsageError

SAME = {".jpg": ".jpg", ".png": ".png", ".heic": ".png"}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(plan: Plan) -> list[str]:
    return [job.name for job in plan.jobs]


def test_pictures_are_told_by_their_ending_and_sorted(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.JPG", "a.png", "notes.txt", "jpg", ".hidden.jpg", ".git/c.jpg", "z/y.jpg", "a/x.jpg", "a/b/w.jpg"
    )
    assert names(make_plan(tmp_path, tmp_path / "out", SAME)) == ["a.png", "b.JPG"]
    plan = make_plan(tmp_path, tmp_path / "out", SAME, recursive=True)
    assert names(plan) == ["a.png", "b.JPG", "a/x.jpg", "a/b/w.jpg", "z/y.jpg"]
    assert [job.output for job in plan.jobs] == names(plan)
    assert [job.source for job in plan.jobs] == [tmp_path / name for name in names(plan)]
    assert [job.size for job in plan.jobs] == [1] * 5


def test_results_are_never_read_again(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "out/a.jpg", "earlier/a.jpg", "earlier/.runir-manifest.jsonl")
    plan = make_plan(tmp_path, tmp_path / "out", SAME, recursive=True)
    assert names(plan) == ["a.jpg"]
    assert plan.notes == ("1 folders of earlier results left out",)
    assert names(make_plan(tmp_path / "earlier", tmp_path / "out", SAME)) == ["a.jpg"]  # asked for by name
    with pytest.raises(UsageError, match=r"is the folder that is read; choose another one"):
        make_plan(tmp_path, tmp_path / "out" / "..", SAME)


def test_links_cannot_lead_round_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.jpg", "photos/sub/b.jpg", "elsewhere/c.jpg")
    photos = tmp_path / "photos"
    (photos / "sub" / "up").symlink_to(photos, target_is_directory=True)
    (photos / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (photos / "self.jpg").symlink_to("self.jpg")
    (photos / "nowhere.jpg").symlink_to("gone.jpg")
    (photos / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "c.jpg")
    plan = make_plan(photos, tmp_path / "out", SAME, recursive=True)
    assert names(plan) == ["a.jpg", "linked.jpg", "nowhere.jpg", "self.jpg", "sub/b.jpg"]
    assert plan.notes == ("2 linked folders were not followed",)


def test_a_tree_deeper_than_pythons_stack(tmp_path: Path) -> None:
    depth, home = sys.getrecursionlimit() + 100, Path.cwd()
    touch(tmp_path, "a.jpg")
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        Path("b.jpg").touch()
        plan = make_plan(tmp_path, tmp_path / "out", SAME, recursive=True)
        assert names(plan) == ["a.jpg", "d/" * depth + "b.jpg"]
    finally:  # pytest's own cleaning is recursive, and would fail
        Path("b.jpg").unlink()
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")  # noqa: PTH106
        os.chdir(home)


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg", "open/c.jpg")
    scandir = os.scandir

    def guarded(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    plan = make_plan(tmp_path, tmp_path / "out", SAME, recursive=True)
    assert names(plan) == ["a.jpg", "open/c.jpg"]
    [(name, error)] = plan.unread
    assert name == "locked"
    assert error == f"{tmp_path}/locked: cannot be listed (Permission denied); check the disk and the permissions"


def test_nothing_to_do_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        make_plan(tmp_path / "none", tmp_path / "out", SAME)
    with pytest.raises(UsageError, match=r"holds no pictures; endings that count: \.jpg \.png"):
        make_plan(tmp_path, tmp_path / "out", SAME)
    touch(tmp_path, "sub/a.jpg")
    with pytest.raises(UsageError, match="holds no pictures; use --recursive"):
        make_plan(tmp_path, tmp_path / "out", SAME)


def test_other_endings_and_names_that_would_meet(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "b.JPG", "c.heic", "d.png")
    to_png = {".jpg": ".png", ".png": ".png", ".heic": ".png"}
    plan = make_plan(tmp_path, tmp_path / "out", to_png)
    assert {job.name: job.output for job in plan.jobs} == {
        "a.jpg": "a.jpg.png",
        "a.png": "a.png",
        "b.JPG": "b.png",
        "c.heic": "c.png",
        "d.png": "d.png",
    }
    touch(tmp_path, "a.jpg.png")
    with pytest.raises(UsageError, match=r"a\.jpg\.png: would be the result of two pictures"):
        make_plan(tmp_path, tmp_path / "out", to_png)


def test_results_of_single_pictures_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.png", "a.restored.png", "a.preview.jpg", "alone.restored.png"):
        (source / name).write_bytes(b"x")
    plan = make_plan(source, tmp_path / "out", {".png": ".png", ".jpg": ".jpg"})
    assert [job.name for job in plan.jobs] == ["a.png", "alone.restored.png"]
    assert any("2 results of single pictures" in note for note in plan.notes)
