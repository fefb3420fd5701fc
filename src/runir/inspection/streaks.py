"""Rain: thin lines, near the vertical, that are brighter than both their sides.

Light is averaged along a direction, which keeps lines and lets noise fade, then compared with both sides. Lines that
are brighter (ridges) and lines that are darker (valleys) are equally common in a dry picture; rain makes ridges near
the vertical and no valleys.

Sources: rain as bright, near-vertical streaks: Garg and Nayar, "Vision and Rain", IJCV 2007; histogram of the
orientation of streaks: Bossu et al., "Rain or Snow Detection in Image Sequences through Use of a Histogram of
Orientation of Streaks", IJCV 2011. Ridges against valleys is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.inspection.crops import Pixels, light_plane, tile_means

FALLING = (-48, -36, -24, -12, 0, 12, 24, 36, 48)  # degrees from the vertical
ACROSS = (66, 90, 114)  # where no rain falls: for comparison
LENGTH = 11  # pixels along a line that are averaged
SIDE = 4  # pixels to either side of it


@dataclass(frozen=True, slots=True)
class Streaks:
    """Ridges and valleys, by tile: rain falls everywhere, a fence stands in one place.

    Attributes:
        ridges: mean strength of ridges in the direction that has most of them, 8-bit levels of light.
        surplus: ridges over valleys in that direction (1: balanced), by mean.
        calm, half: ridges less valleys in that direction, 8-bit levels, of the tile at the lower quartile and of the
        median tile (noise alone: 0). across: as `half`, near the horizontal, where there is no rain.
        leaning: ridges over ridges in the mean direction.
        angle: of that direction, degrees from the vertical, positive to the right at the bottom.
    """

    ridges: float
    surplus: float
    calm: float
    half: float
    across: float
    leaning: float
    angle: int


@dataclass(frozen=True, slots=True)
class RainSigns:
    """Streaks at full size (fine) and at half size (coarse: wide streaks, or many that overlap), and steepness.

    Attributes:
        fine, coarse: see `Streaks`.
        upright, upright_calm: energy of horizontal over that of vertical steps (noise: 1; upright lines: above), of
        the tile at the lower quartile and at the lowest tenth.
    """

    fine: Streaks
    coarse: Streaks
    upright: float
    upright_calm: float


def rain_signs(crops: Sequence[Pixels]) -> RainSigns:
    """Measure crops (H x W x C in [0, 1], at least 64 x 64 each)."""
    lights = [light_plane(crop) for crop in crops]
    ratios = np.concatenate([_uprightness(light) for light in lights])
    low, lowest = np.quantile(ratios, (0.25, 0.1))
    return RainSigns(streaks(lights), streaks([_halve(light) for light in lights]), float(low), float(lowest))


def streaks(lights: Sequence[NDArray[np.float32]]) -> Streaks:
    """Measure light planes (H x W in 8-bit levels, at least 32 x 32 each)."""
    lines = [_lines(lights, angle) for angle in (*FALLING, *ACROSS)]
    falling, across = lines[: len(FALLING)], lines[len(FALLING) :]
    most = max(range(len(FALLING)), key=lambda k: float((falling[k].ridges - falling[k].valleys).mean()))
    top = falling[most]
    excess = top.ridges - top.valleys
    excess_across = np.mean([line.ridges - line.valleys for line in across], 0)
    return Streaks(
        ridges=float(top.ridges.mean()),
        surplus=_ratio(top.ridges.mean(), top.valleys.mean()),
        calm=float(np.quantile(excess, 0.25)),
        half=float(np.median(excess)),
        across=float(np.median(excess_across)),
        leaning=_ratio(top.ridges.mean(), np.mean([line.ridges.mean() for line in lines])),
        angle=FALLING[most],
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """Of one direction: mean ridge and valley of each tile."""

    ridges: NDArray[np.float32]
    valleys: NDArray[np.float32]


def _ratio(above: np.floating[Any], below: np.floating[Any]) -> float:
    return float((above + 0.1) / (below + 0.1))


def _lines(lights: Sequence[NDArray[np.float32]], angle: int) -> _Lines:
    along = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    reach = LENGTH // 2
    line = [(round(along[0] * t), round(along[1] * t)) for t in range(-reach, reach + 1)]
    side = round(-along[1] * SIDE), round(along[0] * SIDE)
    tiles = []
    for light in lights:
        mean = _mean_of_shifts(light, line, reach)
        near, *ends = (_inner(mean, s * side[0], s * side[1]) for s in (0, 1, -1))
        ridge = np.maximum(near - np.maximum(*ends), 0)
        valley = np.maximum(np.minimum(*ends) - near, 0)
        tiles.append(np.stack([tile_means(ridge), tile_means(valley)]))
    ridges, valleys = np.concatenate(tiles, 1)
    return _Lines(ridges, valleys)


def _halve(light: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side // 2 * 2 for side in light.shape)
    even = light[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)


def _uprightness(light: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """Energy of horizontal over vertical steps, by tile."""
    right, down = light[1:, 1:] - light[1:, :-1], light[1:, 1:] - light[:-1, 1:]
    return (tile_means(right**2) + 0.5) / (tile_means(down**2) + 0.5)


def _mean_of_shifts(light: NDArray[np.float32], shifts: Sequence[tuple[int, int]], margin: int) -> NDArray[np.float32]:
    """Mean of the picture at several shifts of up to `margin`; that much less on every side."""
    height, width = light.shape[0] - 2 * margin, light.shape[1] - 2 * margin
    total = np.zeros((height, width), np.float32)
    for dy, dx in shifts:
        total += light[margin + dy : margin + dy + height, margin + dx : margin + dx + width]
    total /= len(shifts)
    return total


def _inner(plane: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """The plane seen from (down, right), up to SIDE pixels away, SIDE less on every side."""
    height, width = plane.shape
    return plane[SIDE + down : height - SIDE + down, SIDE + right : width - SIDE + right]
