"""Small versions of pictures in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


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
