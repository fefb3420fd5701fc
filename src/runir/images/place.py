"""Bytes put where they belong in one step: the file is complete, or it is not there."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from runir.errors import RunirError, UsageError
from runir.images.messages import line, reason

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def check_free(path: Path, overwrite: bool) -> None:
    """Raise UsageError when nothing may be written at `path`: a folder, or a file unless `overwrite`.

    Raises RunirError when a file stands where one of its folders should be.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except NotADirectoryError as fault:
        raise _failed(path, fault) from fault
    except (OSError, ValueError) as fault:
        raise UsageError(line(path, f"cannot be written ({reason(fault)})", "give another name")) from fault
    if path.is_dir():
        raise UsageError(line(path, "is a folder", "give a file name"))
    if not overwrite:
        raise _taken(path)


def place(data: bytes, path: Path, overwrite: bool) -> None:
    """Write `data` to `path` by way of a temporary file beside it; make the parent folder if it is missing.

    A link that is overwritten stays a link, and the file it leads to keeps its permissions. Raises UsageError
    when the file exists and may not be overwritten, RunirError when it cannot be written. Either way, and
    when interrupted, nothing half-written stays behind.
    """
    target = Path(os.path.realpath(path)) if overwrite else path
    temporary = target.parent / f".runir-{secrets.token_hex(8)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(data, temporary)
        if overwrite and target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        _move(temporary, target, overwrite)
    except FileExistsError as fault:
        if path.exists():
            raise _taken(path) from fault
        raise _failed(path, fault) from fault
    except OSError as fault:
        raise _failed(path, fault) from fault
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(data: bytes, temporary: Path) -> None:
    # Mode 0o666 less the umask, as for any new file; the tempfile module would make it private.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _move(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            # Unlike a rename, a link fails when another process has made the file in the meantime.
            target.hardlink_to(temporary)
            return
        except OSError as fault:
            if fault.errno not in _NO_LINKS:
                raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
    temporary.replace(target)


def _taken(path: Path) -> UsageError:
    return UsageError(line(path, "exists", "use --overwrite"))


def _failed(path: Path, fault: OSError) -> RunirError:
    if fault.errno in _FULL:
        what, remedy = f"disk full ({reason(fault)})", "free some space or choose another folder"
    elif isinstance(fault, FileExistsError | NotADirectoryError):
        what, remedy = "its folder cannot be made: a file is in the way", "choose another folder"
    else:
        what, remedy = f"cannot be written ({reason(fault)})", "choose another folder"
    return RunirError(line(path, what, remedy))
