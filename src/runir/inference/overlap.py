"""Reading, computing and writing at the same time: a thread before and a thread behind the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.1  # how often a blocked thread looks whether it shall stop


def ahead(items: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items, made by a thread up to `depth` ahead; what it raises is raised here. Close to stop the thread."""
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(depth)
    stop = threading.Event()

    def offer(entry: tuple[T | None, BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                queue.put(entry, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer((item, None)):
                    return
            offer((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for the item
            offer((None, error))

    thread = threading.Thread(target=work, name="runir-read", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


class _End:
    """Stands behind the last item."""


class Behind(Generic[T]):
    """Takes items and hands them to `consume` in a thread, in order; what it raises is raised by put() or at the end.

    Use as a context manager: on a clean exit all items have been consumed, on an exception the rest is dropped.
    """

    def __init__(self, consume: Callable[[T], None], depth: int = 2) -> None:
        """Depth: items that may wait."""
        self._consume, self._queue = consume, Queue[T | _End](depth)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runir-write", daemon=True)

    def put(self, item: T) -> None:
        """Hand over an item; waits while `depth` items are waiting."""
        self._put(item)
        if self._error is not None:
            raise self._error

    def _put(self, item: T | _End) -> None:
        while self._error is None:
            try:
                self._queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except Empty:
                continue
            if isinstance(item, _End):
                return
            try:
                self._consume(item)
            except BaseException as error:  # noqa: BLE001  handed to the thread that puts
                self._error = error
                return

    def __enter__(self) -> Behind[T]:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        """Wait for what was handed over, or drop it."""
        try:
            if kind is None:
                self._put(_End())
                self._thread.join()
        finally:  # also where the wait is interrupted
            self._stop.set()
            self._thread.join()
        if kind is None and self._error is not None:
            raise self._error
