"""The run: each method is timed in a process of its own, then scored in another."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from runir.benchmark.methods import Method
from runir.benchmark.worker import Job
from runir.errors import RunirError
from runir.images import open_picture
from runir.inference.foreign import TILE

QUIET = 0.5  # processors of other programs that do not matter
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True, slots=True)
class Setting:
    """What all methods share. files: clean pictures. degradation, protocol: names. threads: processors to use. busy:
    processors that other programs keep busy as the run begins; None: unknown."""

    files: tuple[Path, ...]
    degradation: str
    protocol: str
    seed: int
    threads: int
    busy: float | None = None

    @property
    def disturbed(self) -> str:
        """What that does to the times, in words; nothing on a quiet machine."""
        if self.busy is None or self.busy <= QUIET:
            return ""
        return f"other programs kept {self.busy:.1f} processors busy; the times are too long and do not compare"


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one method; None: not, or not yet.

    seconds: per megapixel, of each run that counts. peak_bytes: of its process, Python and libraries included.
    psnr (dB), ssim, input_psnr, input_ssim: means over the pictures. told_sigma: the noise that a network of others is
    told of, whatever the pictures have, see `runir.inference.foreign.told_sigma`. error: why it failed, or empty.
    """

    method: Method
    engine: str = ""
    parameters: int = 0
    seconds: tuple[float, ...] = ()
    peak_bytes: int | None = None
    psnr: float | None = None
    ssim: float | None = None
    input_psnr: float | None = None
    input_ssim: float | None = None
    told_sigma: float | None = None
    error: str = ""

    @property
    def median(self) -> float | None:
        """Seconds per megapixel."""
        return statistics.median(self.seconds) if self.seconds else None


@dataclass(frozen=True, slots=True)
class Moment:
    """How far the run is. index: of the method, from 1. step: the worker's counts, empty at the start of a method.
    seconds: the estimate for all that is left, if there is one. ended: the method's result so far."""

    what: Literal["convert", "time", "score"]
    method: Method
    index: int
    count: int
    step: dict[str, int]
    seconds: float | None = None
    ended: Result | None = None


Watch = Callable[[Moment], None]
Event = dict[str, Any]


def compare_methods(methods: Sequence[Method], setting: Setting, watch: Watch = lambda moment: None) -> list[Result]:
    """Time and score all methods, one after the other; one that fails keeps its error and stops no other.

    Args:
        methods: see `choose_methods`.
        setting: the pictures, and what is done to them.
        watch: told of every step.

    Raises:
        UsageError, RunirError: a picture that cannot be read.
    """
    megapixels = sum(max(TILE**2, _pixels(file)) for file in setting.files) / 1e6  # at least one tile each
    with tempfile.TemporaryDirectory() as folder:
        run = _Run(setting, watch, Path(folder))
        results = [run.timed(Moment("time", m, k, len(methods), {})) for k, m in enumerate(methods, 1)]
        waiting = [result for result in results if result.method.scored and not result.error]
        left = [(result.median or 0.0) * megapixels for result in waiting]
        scored = {}
        for index, result in enumerate(waiting):
            moment = Moment("score", result.method, index + 1, len(waiting), {}, sum(left[index:]))
            scored[result.method] = run.scored(moment, result)
        return [scored.get(result.method, result) for result in results]


def _pixels(file: Path) -> int:
    with open_picture(file) as reader:
        return reader.info.height * reader.info.width


class _Run:
    def __init__(self, setting: Setting, watch: Watch, folder: Path) -> None:
        self._setting, self._watch, self._folder = setting, watch, folder
        self._from: dict[Method, tuple[str, str]] = {}  # kind and source for the worker

    def timed(self, moment: Moment) -> Result:
        method = moment.method
        result = Result(method)
        try:
            self._from[method] = method.kind, method.source
            if method.kind in ("checkpoint", "random"):
                self._convert(replace(moment, what="convert"))
            told = self._work(moment)
            seconds = tuple(told["seconds_per_megapixel"])
            result = Result(
                method, told["engine"], told["parameters"], seconds, told["peak_bytes"], told_sigma=told["told_sigma"]
            )
        except RunirError as error:
            result = replace(result, error=str(error))
        self._watch(replace(moment, ended=result))
        return result

    def scored(self, moment: Moment, result: Result) -> Result:
        try:
            told = self._work(moment)
            result = replace(result, **{key: told[key] for key in ("psnr", "ssim", "input_psnr", "input_ssim")})
        except RunirError as error:
            result = replace(result, error=str(error))
        self._watch(replace(moment, ended=result))
        return result

    def _convert(self, moment: Moment) -> None:
        into = self._folder / str(moment.index)
        into.mkdir()
        if self._work(moment, str(into))["done"]:
            self._from[moment.method] = "converted", str(into)

    def _work(self, moment: Moment, into: str = "") -> Event:
        kind, source = self._from[moment.method]
        setting = self._setting
        job = Job(
            what=moment.what,
            kind=kind,
            source=source,
            threads=setting.threads,
            degradation=setting.degradation,
            seed=setting.seed,
            protocol=setting.protocol,
            files=tuple(str(file.absolute()) for file in setting.files),
            into=into,
        )
        self._watch(moment)
        return work_off(job, moment.method.name, lambda step: self._watch(replace(moment, step=step)))


def work_off(job: Job, name: str, step: Callable[[dict[str, int]], None]) -> Event:
    """Have a worker do the job. Returns its last event; `name` stands in errors; step: told of what it counts.

    Raises RunirError when it fails.
    """
    last: Event = {}
    environment = os.environ | dict.fromkeys(THREADS, str(job.threads)) | {"RUNIR_CACHE": ""}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-m", "runir.benchmark.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", env=environment,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(job.to_json())
            process.stdin.close()
            for text in process.stdout:
                last = json.loads(text)
                if last["event"] == "step":
                    step({key: n for key, n in last.items() if key != "event"})
            code = process.wait()
        except BrokenPipeError:  # it ended before it had read its job
            code = process.wait()
        finally:
            process.kill()
        if code:
            errors.seek(0)
            raise RunirError(_failure(name, code, errors.read().decode("utf-8", "replace")))
    return last


def _failure(name: str, code: int, told: str) -> str:
    """One line: the last thing that the worker said, or how it was ended."""
    if code < 0:
        ended = signal.Signals(-code).name
        why = "probably not enough memory" if ended == "SIGKILL" else "a library crashed"
        return f"{name}: ended by {ended} ({why})"
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return f"{name}: {lines[-1][:200] if lines else f'ended with exit code {code}'}"
