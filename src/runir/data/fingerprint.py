"""Small fingerprints of pictures, to find the same picture in two data sets whatever its name, size or compression.

A picture is reduced to 32 x 32 gray values; its fingerprint is their differences from one to the next, right and down,
with zero mean and unit length. The inner product of two fingerprints is their correlation. Brightness and contrast do
not change it; a crop does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runir.data.blocks import Source, read_source
from runir.data.pictures import opened
from runir.errors import RunirError

SIDE = 32
SAME = 0.9
"""Correlation from which two pictures are called the same. Among 800 photographs (BSDS, LOL, Kodak) the highest between
two different ones was 0.64; the same one as JPEG, PNG or lossless WebP gave 1.00."""
_ROWS = 1024

Fingerprints = NDArray[np.float32]
"""One fingerprint a row, N x 1984."""


class Shared(NamedTuple):
    """A picture that is in both lists: its index in each, and the correlation of the fingerprints."""

    one: int
    other: int
    correlation: float


def fingerprint(source: Source) -> NDArray[np.float32]:
    """Fingerprint of one picture: 1984 values. Raises RunirError naming the file when it cannot be read."""
    if isinstance(source, Path):
        with opened(source) as image:
            image.draft("L", (8 * SIDE, 8 * SIDE))  # a JPEG is decoded at the size that is needed
            return _of_gray(image.convert("L"))
    return _of_gray(Image.fromarray(read_source(source)).convert("L"))


def _of_gray(image: Image.Image) -> NDArray[np.float32]:
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    steps = np.concatenate([np.diff(small, axis=1).ravel(), np.diff(small, axis=0).ravel()])
    steps -= steps.mean()
    unit: NDArray[np.float32] = np.divide(steps, max(float(np.linalg.norm(steps)), 1e-6), dtype=np.float32)
    return unit


class Table(NamedTuple):
    """Fingerprints of many pictures, in their order; failed: one line for each that cannot be read, whose row is zero
    and so like no other."""

    rows: Fingerprints
    failed: tuple[str, ...]


def fingerprints(
    sources: Sequence[Source], watch: Callable[[int], None] = lambda count: None, threads: int = 2
) -> Table:
    """Fingerprints of many pictures; `watch` is told how many are done."""
    rows, failed = np.zeros((len(sources), 2 * SIDE * (SIDE - 1)), np.float32), []
    with ThreadPoolExecutor(threads) as pool:
        for index, row in enumerate(pool.map(_fingerprint_or_error, sources)):
            if isinstance(row, str):
                failed.append(row)
            else:
                rows[index] = row
            watch(index + 1)
    return Table(rows, tuple(failed))


def _fingerprint_or_error(source: Source) -> NDArray[np.float32] | str:
    try:
        return fingerprint(source)
    except RunirError as error:
        return str(error)


def shared(one: Fingerprints, other: Fingerprints, threshold: float = SAME) -> list[Shared]:
    """Pictures of `one` whose nearest picture of `other` has a correlation of `threshold` or more."""
    return list(_shared(one, other, threshold)) if len(one) and len(other) else []


def _shared(one: Fingerprints, other: Fingerprints, threshold: float) -> Iterable[Shared]:
    for top in range(0, len(one), _ROWS):
        correlation = one[top : top + _ROWS] @ other.T
        nearest = correlation.argmax(axis=1)
        for row, column in enumerate(nearest):
            if correlation[row, column] >= threshold:
                yield Shared(top + row, int(column), float(correlation[row, column]))
