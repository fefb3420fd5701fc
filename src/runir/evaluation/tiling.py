"""How much a picture restored in tiles differs from the same picture restored whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from runir.evaluation.metrics import psnr
from runir.inference import Restorer
from runir.inference.engines import Statistics
from runir.inference.tiles import MARGIN, plan_tiles, reflected

Picture = NDArray[np.float32]
WholeNetwork = Callable[[Picture, Statistics | None], Picture]
NEAR = 8  # pixels on either side of a seam's middle that count as the border
WINDOW = 32  # pixels: side of the squares whose mean brightness is compared


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiled against whole, values in [0, 1].

    psnr: dB between the two, peak 1. border, inside: root mean square difference near the middle of seams, and
    elsewhere. brightness: largest difference between local means (32 x 32 pixels, over channels) near seams.
    """

    psnr: float
    border: float
    inside: float
    brightness: float


def restored_whole(picture: Picture, network: Callable[[Picture], Picture]) -> Picture:
    """The picture, extended by reflection as for tiles (`MARGIN`), through a network that takes any size."""
    height, width = picture.shape[:2]
    rows, columns = (reflected(-MARGIN, side + MARGIN, side) for side in (height, width))
    return network(picture[rows][:, columns])[MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def compare_tiling(restorer: Restorer, picture: Picture, network: WholeNetwork) -> Tiling:
    """Restore a picture (H x W x 3, larger than a tile) both ways.

    network: the model itself for any size: H x W x inputs, and the statistics that the model's tiles share or None ->
    H x W x 3; behind the exposure curve or with the guides, which belong to a picture as a whole anyway.
    """
    bright, shared = restorer.prepared(picture)
    difference = restorer(picture) - restored_whole(bright, lambda whole: network(whole, shared))
    near = _near_seams(restorer, *picture.shape[:2])
    square = np.square(difference)
    return Tiling(
        psnr(difference, np.zeros_like(difference), peak=1.0),
        float(np.sqrt(square[near].mean())),
        float(np.sqrt(square[~near].mean())),
        _largest_mean(difference, near),
    )


def _near_seams(restorer: Restorer, height: int, width: int) -> NDArray[np.bool_]:
    plan = plan_tiles(height, width, restorer.card.tile, restorer.card.overlap)
    near = np.zeros((height, width), bool)
    for axis, corners in ((0, plan.rows), (1, plan.columns)):
        for before, after in pairwise(corners):
            middle = (before + plan.tile + after) // 2
            where = slice(max(0, middle - NEAR), middle + NEAR)
            near[(where, slice(None)) if axis == 0 else (slice(None), where)] = True
    return near


def _largest_mean(difference: Picture, near: NDArray[np.bool_]) -> float:
    """Over squares of WINDOW pixels that touch `near`."""
    high, wide = (side // WINDOW * WINDOW for side in near.shape)
    cut = (high // WINDOW, WINDOW, wide // WINDOW, WINDOW)
    means = np.abs(difference[:high, :wide].mean(axis=2).reshape(cut).mean(axis=(1, 3)))
    touched = near[:high, :wide].reshape(cut).any(axis=(1, 3))
    return float(means[touched].max()) if touched.any() else 0.0
