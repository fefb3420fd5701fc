"""Steps that overlap: tasks pass from one to the next, each step in threads of its own, few in flight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runir.errors import UsageError

Task = TypeVar("Task")
Step = Callable[[Task], bool]
"""Does its part and says whether the task goes on to the next step."""


class Stopped(Exception):  # noqa: N818 - not an error: the run was stopped
    """Raised inside a step when the run is being stopped; the task is dropped."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """Threads for each of the three steps."""

    load: int = 1
    compute: int = 1
    save: int = 1

    @staticmethod
    def parse(text: str) -> Jobs:
        """From "load:compute:save", such as "2:1:2". Raises UsageError."""
        parts = text.split(":")
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() and 1 <= int(p) <= 64 for p in parts):
            raise UsageError(f"{text!r}: three numbers from 1 to 64 are needed, load:compute:save, such as 2:1:2")
        return Jobs(*map(int, parts))


class Budget:
    """A number of pixels that may be held at once. First come, first served, so a huge picture is not passed for ever;
    one that is larger than the whole budget goes alone."""

    def __init__(self, limit: int) -> None:
        """limit: pixels."""
        self._limit, self._used, self._closed = limit, 0, False
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def acquire(self, amount: int) -> None:
        """Wait until `amount` fits. Raises Stopped once the budget is closed."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: self._closed or (self._queue[0] is ticket and self._fits(amount)))
            if self._closed:
                raise Stopped
            self._queue.popleft()
            self._used += amount
            self._changed.notify_all()

    def _fits(self, amount: int) -> bool:
        return self._used == 0 or self._used + amount <= self._limit

    def release(self, amount: int) -> None:
        """Give back what was acquired."""
        with self._changed:
            self._used -= amount
            self._changed.notify_all()

    def close(self) -> None:
        """Let all that wait, and all that come, give up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Pipeline(Generic[Task]):
    """Runs tasks through steps. `finish` is called, in a step's thread, with each task that ends and what it raised.

    At most one task more than a step has threads waits before it.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        steps: Sequence[tuple[Step[Task], int]],
        finish: Callable[[Task, Exception | None], None],
    ) -> None:
        """steps: (step, threads) in order. Nothing runs before `start`."""
        self._tasks = iter(tasks)
        self._steps = [step for step, _ in steps]
        self._finish = finish
        self._waiting: list[deque[Task]] = [deque() for _ in steps]
        self._room = [threads + 1 for _, threads in steps]
        self._changed = threading.Condition()
        self._stopping = False
        # Daemons: a second Ctrl-C ends the process at once instead of waiting for them.
        self._threads = [
            threading.Thread(target=self._serve, args=(index,), daemon=True, name=f"runir-step-{index}")
            for index, (_, threads) in enumerate(steps)
            for _ in range(threads)
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Drop what waits, let what runs come to the end of its step, and wait for that."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.2)  # in slices: Windows takes no Ctrl-C while it waits

    def _serve(self, index: int) -> None:
        try:
            while True:
                task = self._take(index)
                fault: Exception | None = None
                goes_on = False
                try:
                    goes_on = self._steps[index](task)
                except Stopped:
                    raise
                except Exception as error:  # noqa: BLE001 - handed to `finish`: one bad picture stops nobody
                    fault = error
                if goes_on:
                    self._push(index + 1, task)
                else:
                    self._finish(task, fault)
        except (Stopped, StopIteration):
            return

    def _take(self, index: int) -> Task:
        with self._changed:
            if index == 0:
                if self._stopping:
                    raise Stopped
                return next(self._tasks)
            self._changed.wait_for(lambda: self._stopping or self._waiting[index])
            if self._stopping:
                raise Stopped
            task = self._waiting[index].popleft()
            self._changed.notify_all()
            return task

    def _push(self, index: int, task: Task) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or len(self._waiting[index]) < self._room[index])
            if self._stopping:
                raise Stopped
            self._waiting[index].append(task)
            self._changed.notify_all()
