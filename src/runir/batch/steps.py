"""The three steps of one picture, with what guards them: nothing foreign replaced, nothing recorded that is not so."""

from __future__ import annotations

import contextlib
import errno
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Generic

from runir.batch.folder import check_target, move_into_place, taken
from runir.batch.manifest import Manifest, Record, digest
from runir.batch.pipeline import Budget, Stopped
from runir.batch.plan import Job
from runir.batch.state import Status
from runir.batch.text import printable
from runir.batch.worker import Item, Worker
from runir.errors import RunirError
from runir.images.messages import line, reason

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_AGAIN = "run the same command again"


@dataclass(slots=True)
class Task(Generic[Item]):
    """One picture on its way. stamp: size, time and number of the file when it was first looked at; input: hash of its
    bytes; held: pixels of the budget; replace: whether the result may replace what stands there."""

    number: int
    job: Job
    status: Status = "failed"
    item: Item | None = None
    stamp: tuple[int, int, int] | None = None
    input: str = ""
    held: int = 0
    replace: bool = False
    pixels: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """source: read; output: for results; work: inside output, for unfinished files."""

    source: Path
    output: Path
    work: Path


class Steps(Generic[Item]):
    """Load, compute and save, for the pipeline."""

    def __init__(
        self,
        folders: Folders,
        manifest: Manifest,
        worker: Worker[Item],
        budget: Budget,
        overwrite: bool,
        told: Callable[[Job, int, int], None],
    ) -> None:
        """told: called with (job, parts done, parts in all) while a picture is computed."""
        self._folders, self._manifest, self._worker = folders, manifest, worker
        self._budget, self._overwrite, self._told = budget, overwrite, told
        self._root = str(folders.source.resolve())
        self._stop = threading.Event()
        self._held: dict[int, Item] = {}  # loaded, and neither saved nor dropped

    def stop(self) -> None:
        """Let running loads and computations give up soon."""
        self._stop.set()
        self._budget.close()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def load(self, task: Task[Item]) -> bool:
        """Skip what is finished, refuse what would do harm, read the rest."""
        begun = time.perf_counter()
        job = task.job
        task.stamp = _stamp(job.source)
        task.input = digest(job.source, self._check)
        if self._manifest.is_done(job.output, (task.input, self._worker.work)):
            task.status = "skipped"
            return False
        task.replace = self._may_replace(job)
        cost = self._worker.cost(job.source)
        self._budget.acquire(cost)
        task.held = cost
        task.item = self._held[task.number] = self._worker.load(job.source, self._aside(task))
        task.seconds = time.perf_counter() - begun
        return True

    def _aside(self, task: Task[Item]) -> Path:
        """Where its result is written before it gets its name; short, whatever that name is."""
        return self._folders.work / f"{task.number}{PurePosixPath(task.job.output).suffix}"

    def _may_replace(self, job: Job) -> bool:
        target = self._folders.output / job.output
        check_target(target, self._folders.source, self._folders.output)
        try:
            target.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return self._overwrite
        if target.is_dir() or not (self._overwrite or self._manifest.is_ours(self._root, job.output)):
            raise taken(target)
        return True

    def compute(self, task: Task[Item]) -> bool:
        """Restore it."""
        begun = time.perf_counter()

        def tick(done: int, total: int) -> None:
            self._check()
            self._told(task.job, done, total)

        tick(0, 1)
        assert task.item is not None
        task.item = self._held[task.number] = self._worker.compute(task.item, tick)
        task.seconds += time.perf_counter() - begun
        return True

    def save(self, task: Task[Item]) -> bool:
        """Write the result aside, record it, give it its name: in this order, see Record."""
        begun = time.perf_counter()
        job, aside = task.job, self._aside(task)
        assert task.item is not None
        done = self._worker.save(task.item)
        del self._held[task.number]
        if _stamp(job.source) != task.stamp:
            raise _changed(job.source)
        task.pixels, task.notes = done.pixels, done.notes
        task.seconds += time.perf_counter() - begun
        self._manifest.append(self.record(task, aside))
        move_into_place(aside, self._folders.output / job.output, task.replace)
        task.status = "restored"
        return False

    def finish(self, task: Task[Item], fault: Exception | None) -> None:
        """Give back what a task held, and keep what it raised."""
        task.fault, task.item = fault, None
        self._drop(task.number)
        with contextlib.suppress(OSError):  # the work folder goes in the end anyway
            self._aside(task).unlink(missing_ok=True)
        if task.held:
            self._budget.release(task.held)

    def drop_all(self) -> None:
        """Let go of the pictures that were on their way when the run was stopped; after all threads have ended."""
        for number in list(self._held):
            self._drop(number)

    def _drop(self, number: int) -> None:
        if number in self._held:
            self._worker.drop(self._held.pop(number))

    def record(self, task: Task[Item], result: Path | None = None, error: str = "") -> Record:
        """The manifest's line for a finished result, or for a failure."""
        known = Record(
            "failed" if result is None else "ok", self._root, task.job.name, task.job.output, self._worker.work,
            task.input, seconds=round(task.seconds, 3), error=error,
        )  # fmt: skip
        if result is None:
            return known
        status = result.stat()
        return replace(
            known, hash=digest(result), size=status.st_size, mtime_ns=status.st_mtime_ns, pixels=task.pixels,
            notes=task.notes,
        )  # fmt: skip

    def explain(self, task: Task[Item]) -> str:
        """One line on why a task failed."""
        text = _explain(task.job.source, task.stamp, task.fault)
        return text.replace(str(self._aside(task)), printable(str(self._folders.output / task.job.output)))


def is_full(fault: BaseException | None) -> bool:
    """Whether a full disk is behind an exception."""
    while fault is not None:
        if isinstance(fault, OSError) and fault.errno in _FULL:
            return True
        fault = fault.__cause__
    return False


def _explain(source: Path, stamp: tuple[int, int, int] | None, fault: Exception | None) -> str:
    try:
        if stamp is not None and _stamp(source) != stamp:
            return str(_changed(source))  # the likelier reason for whatever was found wrong in it
    except RunirError as gone:
        return str(gone)
    if isinstance(fault, RunirError):
        return str(fault)
    if isinstance(fault, MemoryError):
        return line(source, "too large for the memory of this machine", "cut it up, or use --jobs 1:1:1")
    if isinstance(fault, OSError):
        return line(fault.filename or source, reason(fault), "check the disk and the permissions")
    return line(source, f"unexpected {type(fault).__name__}: {reason(fault or Exception())}", "report this as a fault")


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does. Raises RunirError when it is no ordinary file."""
    try:
        status = path.stat()
    except FileNotFoundError as fault:
        if path.is_symlink():
            raise RunirError(line(path, "is a link that leads nowhere", "remove it")) from fault
        raise RunirError(line(path, "is gone since the folder was listed", _AGAIN)) from fault
    except OSError as fault:
        raise RunirError(line(path, f"cannot be read ({reason(fault)})", "check the disk")) from fault
    if not stat.S_ISREG(status.st_mode):
        raise RunirError(line(path, "is not an ordinary file", "remove it, or give it another ending"))
    return status.st_size, status.st_mtime_ns, status.st_ino


def _changed(path: Path) -> RunirError:
    return RunirError(line(path, "was changed while it was being restored", _AGAIN))
