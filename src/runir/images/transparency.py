"""Colour under transparent pixels: hidden from the network, kept in the file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def fill_transparent(pixels: Floats, alpha: NDArray[Any]) -> Floats:
    """Return pixels in which fully transparent ones have the colour of their surroundings.

    What lies under alpha 0 is arbitrary, often black, and a network would see a hard edge and let it bleed
    into what is visible. The gaps are filled by push-pull: averages of ever coarser grids, weighted by what
    is visible, and back (Gortler et al., The Lumigraph, SIGGRAPH 1996).

    Args:
        pixels: float32 H x W x C; not changed.
        alpha: H x W, of any type; only 0 counts as hidden.

    Returns:
        float32 H x W x C; `pixels` itself when nothing is hidden, gray of 0.5 when everything is.
    """
    seen = alpha != 0
    if seen.all():
        return pixels
    if not seen.any():
        return np.full_like(pixels, 0.5)
    shown: Floats = np.where(seen[..., None], pixels, np.float32(0)).astype(np.float32)
    filled = _filled(shown, seen.astype(np.float32)[..., None])
    return np.where(seen[..., None], pixels, filled)


def keep_hidden(restored: NDArray[Any], original: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Return restored raw samples (H x W x C) with the original ones, bit for bit, where alpha (H x W) is 0."""
    hidden = alpha == 0
    return np.where(hidden[..., None], original, restored) if hidden.any() else restored


def _filled(pixels: Floats, weights: Floats) -> Floats:
    """Fill where `weights` is 0; where it is not, return the pixels as they are."""
    height, width = pixels.shape[:2]
    if weights.all() or height * width == 1:
        return pixels
    sums, counts = _halved(pixels * weights), _halved(weights)
    means: Floats = np.divide(sums, np.maximum(counts, np.float32(1e-6)), dtype=np.float32)
    coarse = _filled(means, np.minimum(counts, np.float32(1)))
    return np.where(weights > 0, pixels, _doubled(coarse)[:height, :width])


def _halved(values: Floats) -> Floats:
    """Sums of 2 x 2 pixels; a last odd row or column is taken alone."""
    height, width = values.shape[:2]
    rows = np.add.reduceat(values, np.arange(0, height, 2), axis=0)
    return np.add.reduceat(rows, np.arange(0, width, 2), axis=1)


def _doubled(values: Floats) -> Floats:
    """Twice as large in both directions, linearly between pixel centres."""
    for axis in (0, 1):
        padded = np.concatenate([values.take([0], axis), values, values.take([-1], axis)], axis)
        size = values.shape[axis]
        before, after = (padded.take(np.arange(k, k + size), axis) for k in (0, 2))
        pair = np.stack([0.75 * values + 0.25 * before, 0.75 * values + 0.25 * after], axis + 1)
        shape = list(values.shape)
        shape[axis] *= 2
        values = pair.reshape(shape).astype(np.float32)
    return values
