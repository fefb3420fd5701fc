"""Traces of JPEG: blocks on JPEG's grid have fewer fine details than blocks beside it.

JPEG rounds the cosine coefficients of 8 x 8 blocks, most of the high ones to zero. The same transform half a block
further sees block borders instead. In pictures that never were JPEG files both places are alike on average.

Source: the idea of comparing a grid with itself displaced is that of Lukas and Fridrich, "Estimation of primary
quantization matrix in double compressed JPEG images", DFRWS 2003 (they crop by 4 pixels).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runir.inspection.crops import Pixels, light_plane
from runir.inspection.noise import BANDS, BLOCK, DCT

LEAST = 0.15  # energy of rounding to 8 bit, so that it weighs little


def jpeg_traces(crops: Sequence[Pixels]) -> float:
    """Mean logarithm of the energy of high frequencies beside the grid over that on the grid; 0: no JPEG.

    Crops: H x W x C in [0, 1], 64 x 64 or more, their top left corners on the grid.
    """
    means, counts = [], []
    for crop in crops:
        light = light_plane(crop)
        logs = [_log_energy(light[start:, start:]) for start in (0, BLOCK // 2)]
        means.append(logs[1] - logs[0])
        counts.append(light.size)
    return float(np.average(means, weights=counts))


def _log_energy(light: np.ndarray) -> float:
    rows, columns = (side // BLOCK for side in light.shape)
    blocks = light[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    high = blocks.reshape(-1, BLOCK * BLOCK) @ DCT[BANDS["high"]].T
    return float(np.log((high**2).mean(1) + LEAST).mean())
