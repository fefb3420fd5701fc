"""A folder of pictures: planned, restored in overlapping steps, recorded, resumed."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic

from runir.batch.folder import held_folder
from runir.batch.manifest import Manifest
from runir.batch.pipeline import Budget, Jobs, Pipeline
from runir.batch.plan import Job, Plan, make_plan
from runir.batch.state import State, Summary
from runir.batch.steps import Folders, Steps, Task, is_full
from runir.batch.worker import Item, Worker
from runir.images.messages import reason

IN_FLIGHT = 40_000_000
"""Pixels of all pictures that are being read, restored and written at once: three of 12 megapixels."""

Watch = Callable[[State], None]
"""Called in the caller's thread after each event, and some times a second, with the state of the run."""

_WAIT_SECONDS = 0.2
_Event = tuple[Job, int, int]


def restore_folder(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    worker: Worker[Item],
    *,
    recursive: bool = False,
    overwrite: bool = False,
    jobs: Jobs = Jobs(),  # noqa: B008 - frozen
    max_failures: int | None = None,
    in_flight: int = IN_FLIGHT,
    watch: Watch = lambda state: None,
) -> Summary:
    """Restore the pictures of a folder into another one, going on where an earlier run of the same work ended.

    Args:
        source: folder that is read, and never written.
        output: folder for the results, in the same tree and under the same names; made when it is missing.
        worker: what is done to each picture.
        recursive: subfolders too.
        overwrite: whether files in `output` that are not results of this folder may be replaced.
        jobs: threads that load, compute and save.
        max_failures: stop after so many; None: never.
        in_flight: pixels held at once; a larger picture goes alone.
        watch: see Watch.

    Returns:
        What came of it. A picture that fails is in there and in the manifest, and is tried again by the next run.

    Raises:
        UsageError: see make_plan.
        RunirError: the output folder cannot be made, or another run holds it.
        KeyboardInterrupt: after what was being written has been finished and the rest dropped.
    """
    source, output = Path(source), Path(output)
    plan = make_plan(source, output, worker.endings, recursive=recursive)
    with held_folder(output) as work, Manifest(output) as manifest:
        run = _Run(plan, Folders(source, output, work), manifest, worker, Budget(in_flight), overwrite)
        return run.go(jobs, max_failures, watch)


class _Run(Generic[Item]):
    """The caller's thread: starts the steps, takes in what they tell, decides when to stop."""

    def __init__(
        self, plan: Plan, folders: Folders, manifest: Manifest, worker: Worker[Item], budget: Budget, overwrite: bool
    ) -> None:
        self._plan, self._folders, self._manifest = plan, folders, manifest
        self._events: queue.SimpleQueue[Task[Item] | _Event] = queue.SimpleQueue()
        self._steps = Steps(folders, manifest, worker, budget, overwrite, lambda *event: self._events.put(event))
        self._state = State(len(plan.jobs), sum(job.size for job in plan.jobs))
        self._state.notes += [("", note) for note in plan.notes]

    def go(self, jobs: Jobs, max_failures: int | None, watch: Watch) -> Summary:
        begun, state, steps = time.perf_counter(), self._state, self._steps
        tasks = [Task[Item](number, job) for number, job in enumerate(self._plan.jobs)]
        threads = ((steps.load, jobs.load), (steps.compute, jobs.compute), (steps.save, jobs.save))
        pipeline = Pipeline(tasks, threads, self._finish)
        stopped = ""
        try:
            pipeline.start()
            while state.done < state.total and not stopped:
                stopped = self._next_event(max_failures)
                watch(state)
        finally:
            steps.stop()
            pipeline.stop()
            steps.drop_all()
            state.ended = True
            watch(state)
        while not self._events.empty():  # what ended while the run was being stopped
            self._next_event(None)
        return self._summary(time.perf_counter() - begun, stopped)

    def _finish(self, task: Task[Item], fault: Exception | None) -> None:
        self._steps.finish(task, fault)
        self._events.put(task)

    def _next_event(self, max_failures: int | None) -> str:
        """Wait a little for an event and take it in. Returns why the run has to stop, or ""."""
        try:
            event = self._events.get(timeout=_WAIT_SECONDS)
        except queue.Empty:
            return ""
        if isinstance(event, tuple):
            self._state.working(*event)
            return ""
        self._state.through(event.job, event.status, event.pixels)
        if event.status != "failed":
            self._state.notes += [(event.job.name, note) for note in event.notes]
            return ""
        return self._failed(event, max_failures)

    def _failed(self, task: Task[Item], max_failures: int | None) -> str:
        error = self._steps.explain(task)
        self._state.failures.append((task.job.name, error))
        full = is_full(task.fault)
        try:
            self._manifest.append(self._steps.record(task, error=error))
        except OSError as fault:  # the next run tries this picture again all the same
            full = full or is_full(fault)
            if not full:
                return f"the manifest cannot be written ({reason(fault)})"
        if full:
            return "the disk is full: free some space, then run the same command again"
        return (
            f"{self._state.failed} failed, as many as --max-failures allows"
            if self._state.failed == max_failures
            else ""
        )

    def _summary(self, seconds: float, stopped: str) -> Summary:
        state = self._state
        order = {job.name: number for number, job in enumerate(self._plan.jobs)}
        for told in (state.failures, state.notes):  # as they are in the folder, not as they happened to end
            told.sort(key=lambda entry: order.get(entry[0], -1))
        failures = (*self._plan.unread, *state.failures)
        return Summary(
            str(self._folders.output), state.restored, state.skipped, len(failures), state.total - state.done,
            round(state.pixels / 1e6, 3), round(seconds, 3), stopped, failures, tuple(state.notes),
        )  # fmt: skip
