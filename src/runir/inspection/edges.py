"""How sharp the sharpest edges are, and in which direction they are not: motion blur against sharpness.

Along a line of pixels that crosses an edge, the whole rise is compared with its steepest part. A sharp edge rises
within one or two pixels; motion of L pixels spreads the rise over L. Motion along one direction leaves edges parallel
to it alone. The best edges of a picture decide, since a picture that is out of focus or smooth in places is not
blurred by motion.

Source of edge width as a measure of blur: Marziliano et al., "A no-reference perceptual blur metric", ICIP 2002. Here
the width is the rise over its steepest slope instead of the distance between extrema, which noise displaces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runir.inspection.crops import Pixels, light_plane

STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))  # (down, right) of a pixel step: 0, 45, 90, 135 degrees, y downwards
SPANS = (8, 16)  # pixels over which a rise is looked for
STRONG = 0.02  # share of places, those of the largest rise, that count as edges


@dataclass(frozen=True, slots=True)
class Edges:
    """What the strong edges look like.

    Attributes:
        rise: of a strong edge, 8-bit levels of light, median over directions.
        short, long: steepest slope over two pixels as share of the rise over 8 and 16 pixels, above 0: of the best
        edges (top tenth) in the direction where they are least steep; typical: as short, of the median edge, mean of
        directions.
        uneven: ratio of the steepest to the least steep direction, >= 1.
        direction: degrees from the horizontal, counter-clockwise, [0, 180): where edges are least steep.
    """

    rise: float
    short: float
    long: float
    typical: float
    uneven: float
    direction: int


def edges(crops: Sequence[Pixels]) -> Edges:
    """Measure crops (H x W x C in [0, 1], at least 64 x 64 each)."""
    lights = [light_plane(crop) for crop in crops]
    table = np.array([[_steepness(lights, step, span) for span in SPANS] for step in STEPS])
    best, typical, rise = table[..., 0], table[..., 1], table[..., 2]
    short, long = best.T
    worst = int(np.argmin(long))
    return Edges(
        rise=float(np.median(rise[:, 1])),
        short=float(short.min()),
        long=float(long.min()),
        typical=float(typical[:, 0].mean()),
        uneven=float(long.max() / max(long.min(), 1e-3)),
        direction=(0, 135, 90, 45)[worst],
    )


def _steepness(lights: Sequence[NDArray[np.float32]], step: tuple[int, int], span: int) -> tuple[float, float, float]:
    """(top tenth, median) of slope over rise at the strong edges across one direction, and their rise in levels."""
    count = max(2, round(span / math.hypot(*step)))
    rises, slopes = [], []
    for light in lights:
        rise = np.abs(_difference(light, step, count))
        slope = np.abs(_difference(light, step, 2))
        steepest = _window_max(slope, step, count - 1)
        rises.append(rise.ravel())
        slopes.append(steepest.ravel())
    rise, slope = np.concatenate(rises), np.concatenate(slopes)
    least = np.partition(rise, -max(1, int(STRONG * rise.size)))[-max(1, int(STRONG * rise.size))]
    strong = rise >= max(float(least), 1.0)
    if not strong.any():
        return 1.0, 1.0, 0.0
    share = slope[strong] / rise[strong]
    return float(np.quantile(share, 0.9)), float(np.median(share)), float(np.median(rise[strong]))


def _difference(light: NDArray[np.float32], step: tuple[int, int], count: int) -> NDArray[np.float32]:
    first, second = _pair(light, step[0] * count, step[1] * count)
    return second - first


def _pair(plane: NDArray[np.float32], down: int, right: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The plane and the plane shifted, both cut to what they share; down >= 0."""
    height, width = plane.shape
    if right >= 0:
        return plane[: height - down, : width - right], plane[down:, right:]
    return plane[: height - down, -right:], plane[down:, : width + right]


def _window_max(slope: NDArray[np.float32], step: tuple[int, int], count: int) -> NDArray[np.float32]:
    """The largest of `count` values in a row along a direction."""
    total, have = slope, 1
    while have < count:
        shift = min(have, count - have)
        total = np.maximum(*_pair(total, step[0] * shift, step[1] * shift))
        have += shift
    return total
