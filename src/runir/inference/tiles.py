"""Cutting a picture into fixed tiles and blending the results, from top to bottom, with one row of tiles in memory.

Every tile has the same square shape (one compiled network per model). Neighbours share at least `overlap` pixels, over
which one fades into the other linearly. Where tiles reach beyond the picture, it is extended by reflection: a picture
smaller than a tile lies in its middle, and a larger one gets a margin as far as that costs no further tile, since
convolutions see zeros beyond a tile's edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Index = NDArray[np.intp]
MARGIN = 16  # pixels beyond each side, where they cost no further tile
# Pixels: networks see a picture through windows and strides of this size at most, so tiles that lie a multiple of it
# apart are seen alike; others differ from each other by 10 to 20 dB more (docs/design-notes.md).
GRID = 16


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where the tiles of one picture lie. rows, columns: top and left corners, ascending; negative in a margin."""

    height: int
    width: int
    tile: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.rows) * len(self.columns)


def plan_tiles(height: int, width: int, tile: int, overlap: int) -> TilePlan:
    """Spread as few tiles as possible evenly over a picture, so that all overlaps are at least `overlap` pixels.

    Corners are whole steps of GRID pixels apart, if tiles leave room for that.
    """
    return TilePlan(height, width, tile, _corners(height, tile, overlap), _corners(width, tile, overlap))


def _corners(side: int, tile: int, overlap: int) -> tuple[int, ...]:
    if side <= tile:
        return ((side - tile) // 2,)
    roomy = tile >= 4 * MARGIN and tile - overlap >= GRID  # else tiles would see little but their own extension
    grid, edge = (GRID, MARGIN) if roomy else (1, 0)
    most = (tile - overlap) // grid  # steps between neighbours
    lasts = [-(-(side + 2 * margin - tile) // grid) for margin in (0, edge)]  # steps from the first to the last
    counts = [-(-last // most) for last in lasts]
    wide = counts[1] == counts[0]
    last, count, margin = lasts[wide], counts[wide], edge if wide else 0
    return tuple(round(i * last / count) * grid - margin for i in range(count + 1))


def reflected(start: int, stop: int, side: int) -> Index:
    """Where positions start..stop-1 lie in a row of `side` pixels that is mirrored at its ends as often as needed."""
    if side == 1:
        return np.zeros(stop - start, np.intp)
    period = 2 * side - 2
    index = np.arange(start, stop) % period
    return np.minimum(index, period - index)


def fades(corners: tuple[int, ...], tile: int) -> list[Picture]:
    """Weights along one axis for the tile at each corner: linear over shared pixels, their sum 1 everywhere."""
    raw = []
    for index, start in enumerate(corners):
        weights = np.ones(tile)
        if index > 0:
            shared = corners[index - 1] + tile - start
            weights[:shared] = (np.arange(shared) + 0.5) / shared
        if index + 1 < len(corners):
            shared = start + tile - corners[index + 1]
            weights[tile - shared :] *= 1 - (np.arange(shared) + 0.5) / shared
        raw.append(weights)
    total = np.zeros(corners[-1] + tile - corners[0])  # not 1 where three tiles meet
    places = [slice(start - corners[0], start - corners[0] + tile) for start in corners]
    for where, weights in zip(places, raw, strict=True):
        total[where] += weights
    return [(weights / total[where]).astype(np.float32) for where, weights in zip(places, raw, strict=True)]


class Rows(Protocol):
    """A picture that is read from top to bottom."""

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Rows top..bottom-1, h x W x C of any type; each row is asked for once, in order."""
        ...


class Window:
    """The rows of a picture that a row of tiles needs; those above it are forgotten."""

    def __init__(self, source: Rows) -> None:
        """Source: is read from its first row on."""
        self._source = source
        self._parts: list[NDArray[Any]] = []
        self._top = self._bottom = 0

    def get(self, top: int, bottom: int) -> NDArray[Any]:
        """Rows top..bottom-1; neither may be less than in an earlier call."""
        if bottom > self._bottom:
            self._parts.append(self._source.rows(self._bottom, bottom))
            self._bottom = bottom
        held = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        self._parts = [held[top - self._top :]]
        self._top = top
        return self._parts[0][: bottom - top]


def restore_rows(
    source: Rows,
    plan: TilePlan,
    cut: Callable[[NDArray[Any]], Picture],
    restore: Callable[[Picture, int, int], Picture],
    context: int = 0,
) -> Iterator[tuple[NDArray[Any], Picture]]:
    """Restore a picture tile by tile.

    Args:
        source: the picture.
        plan: its tiles.
        cut: turns a tile of the source and its context into what the network takes, float32 tile x tile x inputs.
        restore: (what the network takes, top, left) -> the restored tile, float32 tile x tile x 3.
        context: pixels around a tile that `cut` gets too.

    Yields:
        (rows of the source, restored rows float32 h x W x 3) from top to bottom. The second is reused: copy to keep.
    """
    window, tile = Window(source), plan.tile
    across = fades(plan.columns, tile)
    columns = [reflected(left - context, left + tile + context, plan.width) for left in plan.columns]
    total = np.zeros((min(tile, plan.height), plan.width, 3), np.float32)
    for index, (top, down) in enumerate(zip(plan.rows, fades(plan.rows, tile), strict=True)):
        first, last = max(0, top), min(plan.height, top + tile)
        above = max(0, top - context)
        band = window.get(above, max(last, min(plan.height, top + tile + context)))
        rows = reflected(top - context, top + tile + context, plan.height) - above
        for left, places, fade in zip(plan.columns, columns, across, strict=True):
            out = restore(cut(band[rows[:, None], places]), top, left)
            begin, end = max(0, left), min(plan.width, left + tile)
            inside = (slice(first - top, last - top), slice(begin - left, end - left))
            weights = down[inside[0], None] * fade[inside[1]]
            total[: last - first, begin:end] += out[inside] * weights[..., None]
        done = (plan.rows[index + 1] if index + 1 < len(plan.rows) else plan.height) - first
        yield band[first - above : first - above + done], total[:done]
        left_over = last - first - done
        total[:left_over] = total[done : last - first].copy()
        total[left_over:] = 0
