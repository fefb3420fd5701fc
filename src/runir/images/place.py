"""Bytes put where they belong in one step: the file is complete, or it is not there."""

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

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


class Draft:
    """A new file beside the one it is to become: open for writing (`file`), then put in place, or thrown away.

    A missing parent folder is made. Whatever happens to it ends with `commit` or `discard`.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        """Create the temporary file. Raises UsageError or RunirError as `place` does."""
        self.path, self._overwrite = path, overwrite
        try:
            target = Path(os.path.realpath(path)) if overwrite else path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._target = target
            self._temporary = target.parent / f".runir-{secrets.token_hex(8)}.tmp"
            # Mode 0o666 less the umask, as for any new file; the tempfile module would make it private.
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self.file: BinaryIO = os.fdopen(os.open(self._temporary, flags, 0o666), "w+b")
        except (OSError, ValueError) as fault:
            raise self.failed(fault) from fault

    def commit(self) -> None:
        """Make the file appear, whole. Raises UsageError or RunirError as `place` does; nothing stays then."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            if self._overwrite and self._target.exists():
                self._temporary.chmod(self._target.stat().st_mode & 0o7777)
            _move(self._temporary, self._target, self._overwrite)
        except OSError as fault:
            raise self.failed(fault) from fault
        finally:
            self.discard()

    def discard(self) -> None:
        """Throw the temporary file away, if it is still there."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def failed(self, fault: OSError | ValueError) -> RunirError:
        """The error to raise for something that went wrong while the file was made or written."""
        if isinstance(fault, FileExistsError) and self.path.exists():
            return _taken(self.path)
        return _failed(self.path, fault)


def place(data: bytes, path: Path, overwrite: bool) -> None:
    """Write `data` to `path` by way of a temporary file beside it; make the parent folder if it is missing.

    A link that is overwritten stays a link, and the file it leads to keeps its permissions. Raises UsageError
    when the file exists and may not be overwritten, RunirError when it cannot be written. Either way, and
    when interrupted, nothing half-written stays behind.
    """
    draft = Draft(path, overwrite)
    try:
        draft.file.write(data)
        draft.commit()
    except OSError as fault:
        raise draft.failed(fault) from fault
    finally:
        draft.discard()


def copy_file(source: Path, path: Path, overwrite: bool) -> None:
    """Copy a file, byte for byte, as `place` writes one. Raises what `place` raises, and OSError for `source`."""
    with source.open("rb") as file:
        draft = Draft(path, overwrite)
        try:
            shutil.copyfileobj(file, draft.file, 1 << 20)
            draft.commit()
        except OSError as fault:
            raise draft.failed(fault) from fault
        finally:
            draft.discard()


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


def _failed(path: Path, fault: OSError | ValueError) -> RunirError:
    if isinstance(fault, OSError) and fault.errno in _FULL:
        what, remedy = f"disk full ({reason(fault)})", "free some space or choose another folder"
    elif isinstance(fault, FileExistsError | NotADirectoryError):
        what, remedy = "its folder cannot be made: a file is in the way", "choose another folder"
    else:
        what, remedy = f"cannot be written ({reason(fault)})", "choose another folder"
    return RunirError(line(path, what, remedy))
