"""What a run has done, one JSON line per file, so that the next run goes on where this one ended."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from runir.errors import RunirError
from runir.images.messages import line, reason

MANIFEST = ".runir-manifest.jsonl"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `input` (a hash of the picture's bytes) and `work` (model and options) are the key; the rest tells.

    root: the folder that was read; path, output: below it, and below the output folder. size (bytes), hash and
    mtime_ns are those of the result. It is written *before* the result appears under its name, so that a run killed
    in between finds either nothing or what the record describes. error: the line of a failed one.
    """

    status: Literal["ok", "failed"]
    root: str
    path: str
    output: str
    work: str
    input: str = ""
    hash: str = ""
    size: int = 0
    mtime_ns: int = 0
    pixels: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""


def digest(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """BLAKE2b (160 bits, hexadecimal) of a file's bytes. `check` is called now and then and may raise to give up."""
    state = hashlib.blake2b(digest_size=20)
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            check()
            state.update(block)
    return state.hexdigest()


class Manifest:
    """The manifest of one output folder. Made for one process at a time (see FolderLock) and many threads."""

    def __init__(self, folder: Path) -> None:
        """Read what is there and open it for appending. Raises RunirError naming the file."""
        self._path, self._folder = folder / MANIFEST, folder
        self._done: dict[str, list[Record]] = {}
        self._lock = threading.Lock()
        self._torn = False
        try:
            if self._path.exists():
                self._read()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file: int | None = os.open(self._path, flags, 0o666)
        except OSError as fault:
            what = f"cannot be opened ({reason(fault)})"
            raise RunirError(line(self._path, what, "choose another folder")) from fault

    def _read(self) -> None:
        with self._path.open("rb") as file:
            for text in file:
                self._torn = not text.endswith(b"\n")
                record = _parse(text)
                if record is not None:
                    self._remember(record)

    def _remember(self, record: Record) -> None:
        if record.status == "ok":
            self._done.setdefault(record.output, []).append(record)

    def append(self, record: Record) -> None:
        """Add one line and flush it to disk. Raises OSError (full disk)."""
        text = json.dumps({k: v for k, v in asdict(record).items() if v not in ("", ())})  # ASCII: any name survives
        data = text.encode("ascii") + b"\n"
        with self._lock:
            if self._file is None:
                raise ValueError("the manifest is closed")
            if self._torn:  # a line that a kill or a full disk cut off must not spoil this one
                data = b"\n" + data
            self._torn = True
            while data:  # a short write says nothing of the reason; the next one does
                data = data[os.write(self._file, data) :]
            self._torn = False
            os.fsync(self._file)
            self._remember(record)

    def is_done(self, output: str, key: tuple[str, str]) -> bool:
        """Whether the result with this key (input hash, work) is there, as it was written."""
        return any((r.input, r.work) == key and self._intact(r) for r in self._done.get(output, ()))

    def is_ours(self, root: str, output: str) -> bool:
        """Whether what stands at `output` is a result that was made from this folder, not changed since.

        Of whichever picture: when one is added whose result takes that name, the other's gets a longer one.
        """
        return any(r.root == root and self._intact(r) for r in self._done.get(output, ()))

    def _intact(self, record: Record) -> bool:
        path = self._folder / record.output
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
                return False
            # A copied folder has other times; then the content decides.
            return status.st_mtime_ns == record.mtime_ns or digest(path) == record.hash
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def __enter__(self) -> Manifest:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _parse(text: bytes) -> Record | None:
    """The record of a line; None for one that was cut off."""
    try:
        fields: Any = json.loads(text)
        known = {k: v for k, v in fields.items() if k in Record.__slots__}
        return Record(**known | {"notes": tuple(known.get("notes", ()))})
    except (ValueError, TypeError, AttributeError):
        return None
