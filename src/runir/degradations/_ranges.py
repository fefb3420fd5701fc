"""Checks and draws that the degradations' ranges share."""

import math
from collections.abc import Iterable

import numpy as np

from runir.errors import UsageError

Range = tuple[float, float]


def check_ranges(what: str, ranges: Iterable[Range], positive: bool = False) -> None:
    """Raise `UsageError` unless each range is (low, high), low <= high, finite, and zero or more (or above zero)."""
    for low, high in ranges:
        if not 0.0 <= low <= high < math.inf or (positive and low == 0.0):
            least = "above zero" if positive else "zero or more"
            raise UsageError(f"{what}: ranges are (low, high), {least}; got ({low}, {high})")


def log_uniform(rng: np.random.Generator, ends: Range) -> float:
    """A number between the ends (both above zero) whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))
