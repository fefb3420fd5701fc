"""Small versions of pictures: reduced ones, and samples of their pixels as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

REDUCED_SIDE = 1024  # the reduced picture's longer side at most
PART = 512  # pixels: side of the parts of a picture in which its blur is looked for,
PARTS = 3  # in each direction,
CLEAREST = 4  # of which those with the most contrast are taken
GRID = 24  # the sides of the thumbnail that the exposure curve goes by


def block_means(picture: Array, step: int) -> Array:
    """H x W x C -> means of squares of step x step pixels (smaller ones at the bottom and right)."""
    height, width = picture.shape[:2]
    down, across = np.arange(0, height, step), np.arange(0, width, step)
    sums = np.add.reduceat(np.add.reduceat(picture, down, axis=0), across, axis=1)
    counts = np.diff(np.append(down, height))[:, None] * np.diff(np.append(across, width))
    return np.asarray(sums / counts[..., None], np.float32)


def shrink(picture: Array, side: int) -> Array:
    """The picture, or its block means with the smallest step that makes both sides at most `side`."""
    step = -(-max(picture.shape[:2]) // side)
    return picture if step == 1 else block_means(picture, step)


def thumbnail(picture: Array, side: int = GRID) -> Array:
    """H x W x C -> side x side x C, whatever the shape: the picture reduced to REDUCED_SIDE, then means of the pixels
    that each part touches ("adaptive average pooling")."""
    result: NDArray[Any] = shrink(picture, REDUCED_SIDE)
    for axis in (0, 1):
        length, index = result.shape[axis], np.arange(side)
        first, end = index * length // side, -(-(index + 1) * length // side)
        sums = np.insert(np.cumsum(result, axis, dtype=np.float64), 0, 0.0, axis)
        parts = np.moveaxis(np.take(sums, end, axis) - np.take(sums, first, axis), axis, -1)
        result = np.moveaxis(parts / (end - first), -1, axis)
    return result.astype(np.float32)


def view_starts(length: int, side: int, count: int) -> list[int]:
    """Where `count` stretches of `side` pixels begin that lie evenly spread over `length`; fewer where no more fit side
    by side, one from 0 where it is no longer than one."""
    if length <= side:
        return [0]
    count = min(count, length // side)
    centres = ((index + 0.5) * length / count for index in range(count))
    return [min(max(0, round(centre - side / 2)), length - side) for centre in centres]


def views(picture: Array, side: int, count: int) -> list[Array]:
    """Parts of at most side x side pixels, as they are, evenly spread: up to `count` in each direction."""
    tops, lefts = (view_starts(length, side, count) for length in picture.shape[:2])
    return [picture[top : top + side, left : left + side] for top in tops for left in lefts]


def clearest(parts: list[Array], most: int) -> list[Array]:
    """Those with the most contrast: the largest mean difference between neighbours. H x W x C each."""
    return sorted(parts, key=_contrast, reverse=True)[:most]


def _contrast(part: Array) -> float:
    return sum(float(np.abs(np.diff(part, axis=axis)).sum()) for axis in (0, 1)) / part.size
