"""One method in a process of its own, so that its memory is its own: timed on one picture, or scored on many.

`python -m runir.benchmark.worker` reads a Job as JSON on standard input and writes a line of JSON per event: `step`
while it works, then `converted`, `timed` or `scored`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from runir.benchmark.classical import CLASSICAL
from runir.benchmark.peers import random_network
from runir.config import build
from runir.degradations import parse_degradation
from runir.degradations.spec import Awgn
from runir.errors import RunirError, UsageError
from runir.evaluation import evaluate, get_protocol
from runir.evaluation.pairs import read_pixels
from runir.inference import Restorer
from runir.inference.foreign import ForeignModel, open_model, told_sigma
from runir.weights import Model
from runir.weights.card import read_card, write_card
from runir.weights.registry import CARD

SIDE = 992  # pixels of the timed picture's sides: four tiles of 512 that share 32, as larger pictures have them
WARM_ENOUGH_S = 60.0  # a first run that takes longer counts, and is the only one
NETWORK = "network.xml"  # of a conversion
BUDGET_S, MOST, LEAST = 30.0, 7, 3  # runs of the others, after the first one, which does not count

Array = NDArray[np.float32]
Restore = Callable[[Array], Array]
Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Job:
    """What to do. kind, source: as of Method; or "converted" and the folder of a conversion. threads: processors to
    use. files: clean pictures, degraded here. into: an empty folder, for a conversion."""

    what: Literal["convert", "time", "score"]
    kind: str
    source: str
    threads: int
    degradation: str
    seed: int
    protocol: str
    files: tuple[str, ...]
    into: str = ""

    def to_json(self) -> str:
        """For the worker's standard input."""
        return json.dumps(asdict(self))


def build_method(job: Job, tell: Tell) -> tuple[Restore, dict[str, Any]]:
    """The method as a function of a picture, and what to say of it."""
    if job.kind == "classical":
        degradation = parse_degradation(job.degradation)
        assert isinstance(degradation, Awgn)  # choose_methods saw to it
        restore = CLASSICAL[job.source].build(degradation.sigma, job.threads)
        return restore, {"engine": CLASSICAL[job.source].package, "parameters": 0, "told_sigma": None}
    model = _model(job)
    # All networks in OpenVINO, so that it is they that are compared; PyTorch for those that it could not convert.
    converted = isinstance(model, Model) or model.converted is not None
    restorer = Restorer(model, engine="openvino" if converted else "torch", device="cpu", threads=job.threads)

    def tiles(done: int, total: int) -> None:
        tell("step", tile=done, tiles=total)

    def restore_tiles(picture: Array) -> Array:
        return restorer(picture, progress=tiles)

    card = restorer.card
    sigma = told_sigma(card.network)
    return restore_tiles, {"engine": restorer.engine, "parameters": card.parameters, "told_sigma": sigma}


def _model(job: Job) -> Model | ForeignModel:
    if job.kind == "converted":
        return ForeignModel(read_card(Path(job.source) / CARD), None, converted=Path(job.source) / NETWORK)
    return random_network(job.source) if job.kind == "random" else open_model(job.source)


def convert(model: Model | ForeignModel, folder: Path) -> bool:
    """Save another network as OpenVINO reads it, with its card; False where it cannot be converted."""
    import openvino as ov

    if isinstance(model, Model):
        return False
    try:
        ov.save_model(model.for_openvino(), folder / NETWORK, compress_to_fp16=False)
    except UsageError:
        return False
    write_card(model.card, folder / CARD)
    return True


def timed_picture(file: Path, side: int = SIDE) -> Array:
    """The middle of a picture, mirrored at its edges until it is side x side pixels large."""
    pixels = read_pixels(file)
    for axis in (0, 1):
        lacking = side - pixels.shape[axis]
        before = abs(lacking) // 2
        if lacking <= 0:
            pixels = np.take(pixels, range(before, before + side), axis)
        else:
            widths = [(0, 0)] * 3
            widths[axis] = (before, lacking - before)
            pixels = np.pad(pixels, widths, mode="symmetric")
    return np.ascontiguousarray(pixels)


def time_runs(run: Callable[[], object], tell: Tell, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Seconds of each run that counts: see the limits above."""

    def once() -> float:
        begun = clock()
        run()
        return clock() - begun

    first = once()
    if first > WARM_ENOUGH_S:
        return [first]
    count = max(LEAST, min(MOST, int(BUDGET_S / max(first, 1e-9))))
    seconds = []
    for done in range(count):
        tell("step", run=done + 1, runs=count)
        seconds.append(once())
    return seconds


def peak_bytes() -> int | None:
    """The most memory that this process has held; None where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return _peak_elsewhere()
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    # Not ru_maxrss: on Linux that begins with the memory of the process which started this one.
    return int(lines["VmHWM"].split()[0]) * 1024 if "VmHWM" in lines else None


def _peak_elsewhere() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def work(job: Job, tell: Tell) -> None:
    """Do the job. Raises RunirError as building a model, reading and scoring do."""
    if job.what == "convert":  # in a process of its own: what PyTorch holds is not the network's memory
        tell("converted", done=convert(_model(job), Path(job.into)))
        return
    degradation, files = parse_degradation(job.degradation), [Path(file) for file in job.files]
    restore, about = build_method(job, tell)
    if job.what == "time":
        clean = timed_picture(files[0])
        picture = degradation.apply(clean, np.random.default_rng(job.seed))
        seconds = time_runs(lambda: restore(picture), tell)
        per_megapixel = [value / (picture.shape[0] * picture.shape[1] / 1e6) for value in seconds]
        tell("timed", seconds_per_megapixel=per_megapixel, peak_bytes=peak_bytes(), **about)
        return
    done = 0

    def counted(picture: Array) -> Array:
        nonlocal done
        done += 1
        tell("step", picture=done, pictures=len(files))
        return restore(picture)

    report = evaluate(counted, files, degradation, get_protocol(job.protocol), seed=job.seed)
    tell("scored", **report.to_dict())


def main() -> int:
    """Work off the job of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started this ends it
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no event
    try:
        work(build(Job, json.load(sys.stdin)), lambda event, **values: _write(out, {"event": event} | values))
    except RunirError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _write(out: TextIO, event: dict[str, Any]) -> None:
    print(json.dumps(event), file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
