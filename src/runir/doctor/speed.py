"""Whether each engine repairs a picture, and how fast."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from runir.api import model_of
from runir.errors import RunirError
from runir.inference import Restorer
from runir.inference.engines import Precision

SIGMA = 25 / 255
LEAST_GAIN = 2.0  # times less error after than before; the smallest network has about five
SECONDS = 5.0  # of measuring, all engines and precisions together
_COPIED = 64 << 20
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Run:
    """One engine at work. megapixels_per_second: of a picture of one tile, 0 where it does not run (error says why)."""

    engine: str
    device: str
    precision: str
    model: str
    megapixels_per_second: float
    error: str = ""


def measure(engine: str, device: str, precision: Precision, seconds: float) -> Run:
    """Restore a noisy picture of one tile, check that the noise went, then again for `seconds`."""
    model = ""
    try:
        model = model_of("denoise", fast=True)
        restorer = Restorer(model, engine=engine, device=device, precision=precision)
        side = restorer.card.tile
        clean = _smooth(side)
        noisy = clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape).astype(np.float32)
        if not _rms(restorer(noisy) - clean) * LEAST_GAIN < _rms(noisy - clean):  # nor if it is NaN
            return Run(engine, device, precision, model, 0.0, "its results are wrong")
        speed = side * side / 1e6 / _seconds(restorer, noisy, seconds)
    except (RunirError, RuntimeError, ImportError, OSError) as fault:
        said = str(fault) if isinstance(fault, RunirError) else " ".join(str(fault).split())[:200]
        return Run(engine, device, precision, model, 0.0, said)
    return Run(restorer.engine, restorer.device, precision, model, round(speed, 3))


def _seconds(restorer: Restorer, picture: Array, seconds: float) -> float:
    times: list[float] = []
    while not times or sum(times) < seconds:
        begun = time.perf_counter()
        restorer(picture)
        times.append(time.perf_counter() - begun)
    return median(times)


def _smooth(side: int) -> Array:
    y, x = np.mgrid[:side, :side].astype(np.float32) / np.float32(side)
    return np.stack([0.2 + 0.6 * x, 0.5 + 0.3 * np.sin(6 * y), 0.8 - 0.6 * x * y], axis=-1).astype(np.float32)


def _rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def memory_speed(rounds: int = 8) -> float:
    """Gigabytes per second that one processor copies, the best of some rounds."""
    source, target = np.ones(_COPIED, np.uint8), np.ones(_COPIED, np.uint8)
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - begun)
    return round(_COPIED / 1e9 / min(times), 1)
