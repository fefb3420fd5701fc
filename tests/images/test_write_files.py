"""Files appear whole or not at all: overwriting, blocked folders, full disks, interruptions."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runir.errors
from runir.errors import RunirError, UsageError
from runir.images import Picture, read_picture, write_picture

SOURCES = Path(runir.errors.__file__).parents[1]
NOISE = Picture(np.random.default_rng(1).random((40, 50, 3), np.float32))


def everything(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.parametrize("name", ["фото.jpg", "写真 1.webp", "été – naïve.tif", "x" * 251 + ".png"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    write_picture(NOISE, tmp_path / name)
    assert read_picture(tmp_path / name).pixels.shape == (40, 50, 3)
    assert everything(tmp_path) == {name}


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"a\.png: exists; use --overwrite$"):
        write_picture(NOISE, path)
    assert path.read_bytes() == b"precious"
    write_picture(NOISE, path, overwrite=True)
    assert read_picture(path).pixels.shape == (40, 50, 3)
    assert everything(tmp_path) == {"a.png"}


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    sync = os.fsync

    def appear(handle: int) -> None:
        path.write_bytes(b"precious")
        sync(handle)

    monkeypatch.setattr(os, "fsync", appear)
    with pytest.raises(UsageError, match="exists"):
        write_picture(NOISE, path)
    assert path.read_bytes() == b"precious"
    assert everything(tmp_path) == {"a.png"}


def test_where_links_are_unknown_a_rename_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_picture(NOISE, tmp_path / "a.png")
    assert everything(tmp_path) == {"a.png"}


def test_links_are_followed_only_to_overwrite(tmp_path: Path) -> None:
    target, link, dead = tmp_path / "target.png", tmp_path / "link.png", tmp_path / "dead.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    dead.symlink_to(tmp_path / "gone.png")
    for taken in (link, dead):
        with pytest.raises(UsageError, match="exists"):
            write_picture(NOISE, taken)
    write_picture(NOISE, link, overwrite=True)
    assert link.is_symlink()
    assert read_picture(target).pixels.shape == (40, 50, 3)


def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    before = os.umask(0o027)
    try:
        write_picture(NOISE, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        write_picture(NOISE, path, overwrite=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_parent_folders_are_made(tmp_path: Path) -> None:
    write_picture(NOISE, tmp_path / "a" / "b" / "c.png")
    assert read_picture(tmp_path / "a" / "b" / "c.png").pixels.shape == (40, 50, 3)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("inner", ["file/a.png", "file/deeper/a.png"])
def test_a_file_where_a_folder_should_be(tmp_path: Path, inner: str, overwrite: bool) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(RunirError, match="a file is in the way; choose another folder") as caught:
        write_picture(NOISE, tmp_path / inner, overwrite=overwrite)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == {"file"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_where_the_file_should_be(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_picture(NOISE, tmp_path / "a.png", overwrite=overwrite)


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 300 + ".png"])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunirError):
        write_picture(NOISE, tmp_path / name)
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
@pytest.mark.parametrize("overwrite", [False, True])
def test_failing_disk_leaves_things_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, overwrite: bool
) -> None:
    path = tmp_path / "a.png"
    if overwrite:
        path.write_bytes(b"old")
    before = everything(tmp_path)

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunirError) as caught:
        write_picture(NOISE, path, overwrite=overwrite)
    assert ("disk full" in str(caught.value)) == (number != errno.EIO)
    assert os.strerror(number) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == before
    assert not overwrite or path.read_bytes() == b"old"


FULL_DISK = """
import resource, sys
import numpy as np
from runir.errors import RunirError
from runir.images import Picture, write_picture
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
picture = Picture(np.random.default_rng(1).random((100, 100, 3), np.float32))
for path in sys.argv[1:]:
    try:
        write_picture(picture, path, overwrite=True)
    except RunirError as fault:
        print(fault)
"""


def test_real_write_limit(tmp_path: Path) -> None:
    names = ["a.png", "a.jpg", "a.webp", "a.tif", "a.avif"]
    (tmp_path / "a.png").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *(str(tmp_path / n) for n in names)],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = done.stdout.splitlines()
    assert [s.split(": ")[0] for s in said] == [str(tmp_path / n) for n in names]
    assert all("disk full" in s for s in said)
    assert done.stderr == ""
    assert everything(tmp_path) == {"a.png"}
    assert (tmp_path / "a.png").read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_picture(NOISE, tmp_path / "a.png")
    assert everything(tmp_path) == set()


def test_reading_and_writing_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_picture(NOISE, path)
    picture = read_picture(path)
    write_picture(picture.with_pixels(1 - picture.pixels), path, overwrite=True)
    np.testing.assert_allclose(read_picture(path).pixels, 1 - picture.pixels, atol=1e-6)


def test_importing_the_room_is_light() -> None:
    code = "import sys, runir.images; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert {"numpy", "runir"} <= loaded
    assert not loaded & {"PIL", "pyvips", "rawpy", "pi_heif", "torch", "openvino", "scipy", "skimage", "onnxruntime"}
