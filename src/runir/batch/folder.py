"""The output folder of a run: held by one process, with a place for unfinished files, filled in single steps."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runir.errors import RunirError
from runir.images.messages import line, reason

LOCK, WORK = ".runir-lock", ".runir-work"
_BUSY = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 1 << 30, os.SEEK_SET)  # far behind the text, which stays readable
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held_folder(folder: Path) -> Iterator[Path]:
    """Make the folder, keep other runs out of it, and yield an empty work folder inside it.

    The lock is the system's: it ends with the process, however that ends. What a killed run left in the work folder
    is removed. Raises RunirError: the folder cannot be made or written, or another run holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except (FileExistsError, NotADirectoryError) as fault:
        what = "this folder cannot be made: a file is in the way"
        raise RunirError(line(folder, what, "choose another one with -o")) from fault
    except OSError as fault:
        what = f"cannot be written ({reason(fault)})"
        raise RunirError(line(folder, what, "choose another folder with -o")) from fault
    with os.fdopen(handle, "r+b", buffering=0) as file:
        try:
            _lock(file.fileno())
        except OSError as fault:
            raise _refused(folder, fault) from fault
        file.truncate(0)
        file.write(str(os.getpid()).encode("ascii"))
        work = folder / WORK
        try:
            _clear(work)
            work.mkdir()
        except OSError as fault:
            raise RunirError(line(work, f"cannot be made anew ({reason(fault)})", "remove it")) from fault
        try:
            yield work
        finally:
            with contextlib.suppress(OSError):
                _clear(work)


def _refused(folder: Path, fault: OSError) -> RunirError:
    if fault.errno not in _BUSY:
        what = f"cannot be locked ({reason(fault)})"
        return RunirError(line(folder, what, "choose a folder on another disk"))
    holder = (folder / LOCK).read_bytes()[:20].decode("ascii", "replace")
    what = f"another run is writing into this folder (process {holder})"
    return RunirError(line(folder, what, "wait for it, or choose another folder"))


def _clear(work: Path) -> None:
    if work.is_dir() and not work.is_symlink():
        shutil.rmtree(work)


def check_target(target: Path, source: Path, folder: Path) -> None:
    """Refuse a result that would land outside `folder`, or among the pictures of `source`. Raises RunirError."""
    parent, root, originals = target.parent.resolve(), folder.resolve(), source.resolve()
    if not parent.is_relative_to(root):
        raise RunirError(line(target, "a link leads out of the output folder", "remove the link"))
    if parent.is_relative_to(originals) and not root.is_relative_to(originals):
        what = "would be written among the originals"
        raise RunirError(line(target, what, "choose another output folder"))


def move_into_place(temporary: Path, target: Path, replace: bool) -> None:
    """Give a finished file its name, making the folders above it.

    Raises RunirError: something stands there already (unless `replace`), or it cannot be done.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if replace:
            temporary.replace(target)
        else:
            _move_to_free(temporary, target)
    except OSError as fault:
        if os.path.lexists(target) and isinstance(fault, FileExistsError | IsADirectoryError | PermissionError):
            raise taken(target) from fault
        if isinstance(fault, FileExistsError | NotADirectoryError):
            what = "its folder cannot be made: a file is in the way"
        else:
            what = f"cannot be written ({reason(fault)})"
        raise RunirError(line(target, what, "choose another output folder")) from fault


def taken(target: Path) -> RunirError:
    """The error for a target where something stands that is not a result of an earlier run."""
    if target.is_dir():
        return RunirError(line(target, "is a folder", "rename it"))
    return RunirError(line(target, "exists and is not an unchanged result of this folder", "rename it or --overwrite"))


def _move_to_free(temporary: Path, target: Path) -> None:
    try:
        target.hardlink_to(temporary)  # unlike a rename, this fails when the name has been taken meanwhile
        temporary.unlink()
        return
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "File exists", str(target))
    temporary.rename(target)
