"""Rain: what the network against it would take out of a picture.

Thin bright lines near the vertical are rain, or grass, or a fence. The network has learnt to tell them apart: from a
dry picture it takes hardly anything, from a rainy one it takes light, and it does so everywhere. (From noise it takes
some light and gives some.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runir.inference import Restorer
from runir.inspection.crops import Pixels, light_plane, tile_means

RAIN_NETWORK = "run-s.derain"  # `run-t.derain` takes more from what only looks like rain
SIDE = 448  # at most so much of a picture is looked at: one tile of the network
PLACES = 4  # and in so many places
BORDER = 12  # pixels next to an edge of a crop, where the network sees a neighbour that is none
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Washed:
    """How much light the network would take, less what it would give: root mean squares in 8-bit levels.

    Attributes:
        calm, half: of the tile at the lower quartile and of the median tile.
    """

    calm: float
    half: float


@lru_cache(maxsize=1)
def _network() -> Restorer:
    return Restorer(RAIN_NETWORK)


def light_washed_away(crops: Sequence[Pixels], network: Callable[[], Restorer] | None = None) -> Washed:
    """Measure crops (H x W x C in [0, 1], at least 64 x 64 each). network: gives RAIN_NETWORK in float32; None: one
    that is kept for this, on all processors."""
    parts = _spread(crops)
    height, width = parts[0].shape[:2]
    shown = np.concatenate([np.concatenate(parts[k : k + 2], axis=1) for k in range(0, len(parts), 2)])
    shown = np.clip(shown, 0, 1)
    with _one_at_a_time:
        change = light_plane((network or _network)()(shown)) - light_plane(shown)
    excess = []
    for k in range(len(parts)):
        top, left = k // 2 * height, k % 2 * width
        inner = change[top + BORDER : top + height - BORDER, left + BORDER : left + width - BORDER]
        taken, given = (np.sqrt(tile_means(np.maximum(sign * inner, 0) ** 2)) for sign in (-1, 1))
        excess.append(taken - given)
    calm, half = np.quantile(np.concatenate(excess), (0.25, 0.5))
    return Washed(float(calm), float(half))


def _spread(crops: Sequence[Pixels]) -> list[Pixels]:
    """One part, or an even number of parts of one size, that together are no larger than SIDE x SIDE; from the first
    crop to the last."""
    count = min(PLACES, len(crops))
    chosen = [crops[round(k * (len(crops) - 1) / max(1, count - 1))] for k in range(count)]
    if len(chosen) % 2 and len(chosen) > 1:
        chosen.append(chosen[0])
    most = SIDE if len(chosen) == 1 else SIDE // 2
    height, width = (min(most, *(crop.shape[axis] for crop in chosen)) for axis in (0, 1))
    return [_middle(crop, height, width) for crop in chosen]


def _middle(crop: Pixels, height: int, width: int) -> Pixels:
    top, left = (crop.shape[0] - height) // 2, (crop.shape[1] - width) // 2
    return np.asarray(crop[top : top + height, left : left + width], np.float32)
