"""How dark a picture is: the encoded luma of a dark, a middle and a bright pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runir.inspection.crops import Pixels

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Brightness:
    """Luma in [0, 1]: mean, median, and what 90% and 99% of the pixels stay below."""

    mean: float
    median: float
    bright: float
    brightest: float


def brightness(reduced: Pixels) -> Brightness:
    """Measure a picture, H x W x C in [0, 1]."""
    clipped = np.clip(reduced, 0.0, 1.0)
    luma = clipped @ LUMA if clipped.shape[2] == 3 else clipped[:, :, 0]
    median, bright, brightest = np.quantile(luma, (0.5, 0.9, 0.99))
    return Brightness(float(luma.mean()), float(median), float(bright), float(brightest))
