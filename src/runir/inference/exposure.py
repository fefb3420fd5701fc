"""The exposure curve of a model for dark pictures, in NumPy: one curve for a whole picture, so that tiles agree.

`runir.models.exposure` describes and trains it; the numbers travel in a file of their own beside the network's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.images.reduce import thumbnail

STRIDES = (1, 2, 2, 1)
SLOPE = 0.1
FLOOR = 1e-4

Array = NDArray[np.float32]


class ExposureCurve:
    """Finds and applies the curve that brightens a picture."""

    def __init__(self, numbers: dict[str, Array]) -> None:
        """Numbers: weight and bias of the layers "look.0" to "look.3" (3x3 convolutions) and "curve"."""
        self._numbers = numbers

    @classmethod
    def read(cls, file: Path) -> ExposureCurve:
        """From a model's file (.npz, no pickle)."""
        with np.load(file, allow_pickle=False) as stored:
            return cls({name: stored[name].astype(np.float32) for name in stored.files})

    def coefficients(self, reduced: Array) -> Array:
        """Reduced picture h x w x 3 -> a in (-1, 1), 3 x rounds."""
        root = np.sqrt(np.maximum(thumbnail(reduced), np.float32(FLOOR)))
        hidden = np.concatenate((2 * root - 1, root / root.mean() - 1), axis=2)
        for index, stride in enumerate(STRIDES):
            hidden = self._looked(index, hidden, stride)
        found = hidden.mean(axis=(0, 1)) @ self._numbers["curve.weight"].T + self._numbers["curve.bias"]
        return np.asarray(np.tanh(found)).reshape(reduced.shape[2], -1)

    def _looked(self, index: int, x: Array, stride: int) -> Array:
        """h x w x C through a 3x3 convolution and a leaky ReLU."""
        weight, bias = (self._numbers[f"look.{index}.{kind}"] for kind in ("weight", "bias"))
        around = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1))
        y = np.tensordot(around[::stride, ::stride], weight, axes=((2, 3, 4), (1, 2, 3))) + bias
        return np.asarray(np.maximum(y, np.float32(SLOPE) * y))


def brighten(picture: Array, coefficients: Array) -> Array:
    """H x W x 3 -> the same shape in [0, 1]: y <- y + a y (1 - y) for each column of a."""
    y = np.clip(picture, 0, 1)
    for a in coefficients.T:
        y += a * y * (1 - y)
    return y
