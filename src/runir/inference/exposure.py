"""The exposure curve of a model for dark pictures, in NumPy: one curve for a whole picture, so that tiles agree.

`runir.models.exposure` describes and trains it; the numbers travel in a file of their own beside the network's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.images.reduce import exposure_cells

SLOPE = 0.1
FLOOR = 1e-4

Array = NDArray[np.float32]


class ExposureCurve:
    """Finds and applies the curve that brightens a picture."""

    def __init__(self, numbers: dict[str, Array]) -> None:
        """Numbers: weight and bias of the layers "look", "mix" and "curve"."""
        self._numbers = numbers

    @classmethod
    def read(cls, file: Path) -> ExposureCurve:
        """From a model's file (.npz, no pickle)."""
        with np.load(file, allow_pickle=False) as stored:
            return cls({name: stored[name].astype(np.float32) for name in stored.files})

    def coefficients(self, reduced: Array) -> Array:
        """Reduced picture h x w x 3 -> a in (-1, 1), 3 x rounds."""
        tokens = np.sqrt(np.maximum(exposure_cells(reduced).reshape(-1, reduced.shape[2]), np.float32(FLOOR)))
        hidden = self._leaky("look", 2 * tokens - 1)
        hidden = self._leaky("mix", hidden).mean(axis=0)
        curve: Array = np.tanh(self._layer("curve", hidden))
        return curve.reshape(reduced.shape[2], -1)

    def _layer(self, name: str, x: Array) -> Array:
        y: Array = x @ self._numbers[f"{name}.weight"].T + self._numbers[f"{name}.bias"]
        return y

    def _leaky(self, name: str, x: Array) -> Array:
        y = self._layer(name, x)
        return np.asarray(np.maximum(y, np.float32(SLOPE) * y))


def brighten(picture: Array, coefficients: Array) -> Array:
    """H x W x 3 -> the same shape in [0, 1]: y <- y + a y (1 - y) for each column of a."""
    y = np.clip(picture, 0, 1)
    for a in coefficients.T:
        y += a * y * (1 - y)
    return y
