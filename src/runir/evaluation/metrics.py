"""PSNR and SSIM in float64, each as a function and as an accumulating class over the same computation."""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from runir.errors import RunirError, UsageError

Levels = npt.NDArray[np.number[Any]]
_Plane = npt.NDArray[np.float64]

WINDOW = 11
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def psnr(a: Levels, b: Levels, *, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio: 10 log10(peak^2 / MSE), MSE over all pixels and channels.

    Args:
        a: H x W or H x W x C, any number type, in 0..peak.
        b: same shape as `a`.
        peak: the largest possible value.

    Returns:
        Decibels; `math.inf` for identical pictures.

    Raises:
        RunirError: the shapes differ, or there are no pixels.
    """
    return _psnr(*_float_pair(a, b), peak)


def ssim(a: Levels, b: Levels, *, peak: float = 255.0) -> float:
    """Structural similarity (Wang et al., "Image Quality Assessment", IEEE TIP 2004, equation 13).

    Gaussian window 11 x 11 with sigma 1.5, population covariance, K 0.01 and 0.03; per channel, over the
    pixels where the window fits, then the mean over channels.

    Args:
        a: H x W or H x W x C, any number type, in 0..peak, at least 11 x 11 pixels.
        b: same shape as `a`.
        peak: the largest possible value.

    Returns:
        -1 to 1; 1 for identical pictures.

    Raises:
        RunirError: the shapes differ, or a side is shorter than 11 pixels.
    """
    return _ssim(*_float_pair(a, b), peak)


class _Mean:
    """Collects a score per picture."""

    _score: Callable[[_Plane, _Plane, float], float]

    def __init__(self, *, peak: float = 255.0) -> None:
        """Start empty; `peak` is the largest possible value in every picture to come."""
        self.peak = peak
        self.per_picture: list[float] = []

    def update(self, a: Levels, b: Levels) -> float:
        """Score one picture (arguments and errors as of the function), remember the score and return it."""
        score = type(self)._score(*_float_pair(a, b), self.peak)
        self.per_picture.append(score)
        return score

    def merge(self, other: Self) -> None:
        """Take over the pictures of `other`; `UsageError` if its peak differs."""
        if other.peak != self.peak:
            raise UsageError(f"scores for peak {other.peak:g} cannot join scores for peak {self.peak:g}")
        self.per_picture.extend(other.per_picture)

    def compute(self) -> float:
        """The mean of the per-picture scores; `RunirError` before the first picture."""
        if not self.per_picture:
            raise RunirError("no picture was scored; give at least one")
        return sum(self.per_picture) / len(self.per_picture)


def _float_pair(a: Levels, b: Levels) -> tuple[_Plane, _Plane]:
    """Both pictures as float64, H x W x C."""
    if a.shape != b.shape:
        raise RunirError(f"pictures of shapes {a.shape} and {b.shape} cannot be compared; make them equal")
    if a.ndim not in (2, 3) or a.size == 0:
        raise RunirError(f"shape {a.shape} is not that of a picture; give H x W or H x W x C")
    shape = a.shape if a.ndim == 3 else (*a.shape, 1)
    return a.astype(np.float64).reshape(shape), b.astype(np.float64).reshape(shape)


def _psnr(a: _Plane, b: _Plane, peak: float) -> float:
    error = float(np.mean(np.square(a - b)))
    return math.inf if error == 0.0 else 10.0 * math.log10(peak * peak / error)


def _ssim(a: _Plane, b: _Plane, peak: float) -> float:
    height, width, channels = a.shape
    if min(height, width) < WINDOW:
        raise RunirError(f"SSIM needs {WINDOW} x {WINDOW} pixels or more, not {width} x {height}; leave it out")
    return math.fsum(_ssim_plane(a[:, :, c], b[:, :, c], peak) for c in range(channels)) / float(channels)


def _ssim_plane(a: _Plane, b: _Plane, peak: float) -> float:
    """The variances enter only as a sum, so four filtered planes do."""
    mean_a, mean_b = _blur(a), _blur(b)
    product, squares = mean_a * mean_b, np.square(mean_a) + np.square(mean_b)
    covariance = _blur(a * b) - product
    variances = _blur(np.square(a) + np.square(b)) - squares
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    ratio = (2.0 * product + c1) * (2.0 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(np.mean(ratio))


def _blur(plane: _Plane) -> _Plane:
    """The Gaussian mean where the window fits: H x W to (H - 10) x (W - 10)."""
    return _blur_rows(_blur_rows(plane).T).T


def _blur_rows(plane: _Plane) -> _Plane:
    """Filter along the rows: H x W to H x (W - 10).

    All rows go through one call of NumPy's compiled correlation; results across a row's end are cut off.
    """
    filtered = np.empty(plane.size)
    filtered[: 1 - WINDOW] = np.correlate(plane.ravel(), _WEIGHTS, "valid")
    return filtered.reshape(plane.shape)[:, : 1 - WINDOW]


def _gaussian() -> _Plane:
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights: _Plane = np.exp(-0.5 * np.square(offsets / _SIGMA))
    weights /= weights.sum()
    return weights


_WEIGHTS = _gaussian()


class PSNR(_Mean):
    """Mean of the per-picture PSNR (see `psnr`); `per_picture` holds the values."""

    _score = staticmethod(_psnr)


class SSIM(_Mean):
    """Mean of the per-picture SSIM (see `ssim`); `per_picture` holds the values."""

    _score = staticmethod(_ssim)
