"""Cutting a picture into fixed tiles and blending the results.

Every tile has the same square shape (one compiled network per model). Neighbours share `overlap` pixels, over which
one fades into the other linearly. A picture smaller than a tile is extended by reflection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where the tiles of one picture lie. rows, columns: top and left corners, ascending."""

    height: int
    width: int
    tile: int
    overlap: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the extended picture that the tiles cover exactly."""
        return max(self.height, self.tile), max(self.width, self.tile)

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.rows) * len(self.columns)


def plan_tiles(height: int, width: int, tile: int, overlap: int) -> TilePlan:
    """Spread as few tiles as possible evenly over a picture, so that all overlaps are at least `overlap` pixels."""
    return TilePlan(
        height,
        width,
        tile,
        overlap,
        _corners(max(height, tile), tile, overlap),
        _corners(max(width, tile), tile, overlap),
    )


def _corners(side: int, tile: int, overlap: int) -> tuple[int, ...]:
    count = 1 + -(-(side - tile) // (tile - overlap))
    if count == 1:
        return (0,)
    return tuple(round(i * (side - tile) / (count - 1)) for i in range(count))


def extend(picture: Picture, height: int, width: int) -> Picture:
    """Extend H x W x C to height x width at the bottom and right by (repeated) reflection."""
    rows, columns = (_reflected(have, want) for have, want in zip(picture.shape[:2], (height, width), strict=True))
    return picture if (height, width) == picture.shape[:2] else picture[rows][:, columns]


def _reflected(have: int, want: int) -> NDArray[np.intp]:
    period = max(1, 2 * have - 2)
    index = np.arange(want) % period
    return np.minimum(index, period - index) if have > 1 else np.zeros(want, np.intp)


def _fades(corners: tuple[int, ...], tile: int) -> dict[int, NDArray[np.float32]]:
    """Weights along one axis for the tile at each corner: linear over shared pixels, their sum 1 everywhere."""
    raw = {}
    for index, start in enumerate(corners):
        weights = np.ones(tile)
        if index > 0:
            shared = corners[index - 1] + tile - start
            weights[:shared] = (np.arange(shared) + 0.5) / shared
        if index + 1 < len(corners):
            shared = start + tile - corners[index + 1]
            weights[tile - shared :] *= 1 - (np.arange(shared) + 0.5) / shared
        raw[start] = weights
    total = np.zeros(corners[-1] + tile)  # not 1 where three tiles meet
    for start, weights in raw.items():
        total[start : start + tile] += weights
    return {start: (w / total[start : start + tile]).astype(np.float32) for start, w in raw.items()}


def tiles(picture: Picture, plan: TilePlan) -> Iterator[tuple[int, int, Picture]]:
    """(top, left, tile) for each tile of the extended picture, tile float32 tile x tile x C."""
    whole = extend(picture, *plan.padded)
    for top in plan.rows:
        for left in plan.columns:
            yield top, left, whole[top : top + plan.tile, left : left + plan.tile]


class Blender:
    """Collects restored tiles and gives the whole picture."""

    def __init__(self, plan: TilePlan, channels: int) -> None:
        """Channels: of the tiles."""
        self._plan = plan
        self._sum = np.zeros((*plan.padded, channels), np.float32)
        self._down, self._across = _fades(plan.rows, plan.tile), _fades(plan.columns, plan.tile)

    def add(self, top: int, left: int, tile: Picture) -> None:
        """Add one restored tile, float32 tile x tile x C."""
        plan = self._plan
        weights = self._down[top][:, None] * self._across[left]
        self._sum[top : top + plan.tile, left : left + plan.tile] += tile * weights[..., None]

    def picture(self) -> Picture:
        """The blended picture, H x W x C."""
        return np.ascontiguousarray(self._sum[: self._plan.height, : self._plan.width])
