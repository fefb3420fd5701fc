"""The kernel that carries the gradients of a sharp picture into those of a blurred one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runir.deconvolution.fourier import inverse, transform
from runir.degradations.kernels import fast_size

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]
SMOOTH = 2.0  # price of the kernel's square, in squared gradients
TURNS = 20  # of conjugate gradients
ENOUGH = 1e-10  # share of the right side's square at which they end


class Correlations(NamedTuple):
    """Normal equations of a K x K kernel: own, 2K - 1 x 2K - 1, of the sharp gradients with themselves at each shift;
    cross, K x K, of them with the blurred ones."""

    own: Array64
    cross: Array64


def correlations(sharp: Sequence[Array], blurred: Sequence[Array], side: int) -> Correlations:
    """From planes that wrap around."""
    shape, half = sharp[0].shape, side // 2
    spectra = [(transform(s), transform(b)) for s, b in zip(sharp, blurred, strict=True)]
    own = inverse(np.sum([np.abs(s) ** 2 for s, _ in spectra], axis=0), shape)
    cross = inverse(np.sum([np.conj(s) * b for s, b in spectra], axis=0), shape)
    own = np.roll(own, (side - 1, side - 1), (0, 1))[: 2 * side - 1, : 2 * side - 1]
    cross = np.roll(cross, (half, half), (0, 1))[:side, :side]
    return Correlations(own.astype(np.float64), cross.astype(np.float64))


def solve(equations: Sequence[Correlations]) -> Array64:
    """argmin sum |k * sharp - blurred|^2 + SMOOTH |k|^2 over all of them, K x K, by conjugate gradients."""
    own, cross = (np.sum(part, axis=0) for part in zip(*equations, strict=True))
    side = len(cross)
    size = 2 * (fast_size(3 * side),)
    spectrum = np.fft.rfft2(own, size)

    def normal(kernel: Array64) -> Array64:
        full = np.fft.irfft2(spectrum * np.fft.rfft2(kernel, size), size)
        product: Array64 = full[side - 1 : 2 * side - 1, side - 1 : 2 * side - 1] + SMOOTH * kernel
        return product

    kernel = np.zeros((side, side))
    rest = direction = cross
    square = enough = float((rest * rest).sum())
    enough *= ENOUGH
    for _ in range(TURNS):
        if square <= enough:
            break
        image = normal(direction)
        step = square / float((direction * image).sum())
        kernel, rest = kernel + step * direction, rest - step * image
        before, square = square, float((rest * rest).sum())
        direction = rest + square / before * direction
    return kernel


def cleaned(kernel: NDArray[np.floating], weak: float, faint: float) -> Array | None:
    """Without values below `weak` times the largest, and without pieces lighter than `faint` times the heaviest; sum 1.
    None if nothing is positive."""
    largest = float(kernel.max())
    if not largest > 0:
        return None
    kept = np.where(kernel >= max(weak * largest, 0), np.maximum(kernel, 0), 0)
    if faint:
        piece = _pieces(kept > 0)
        weight = np.bincount(piece.ravel(), kept.ravel())
        kept = np.where(weight[piece] >= faint * weight.max(), kept, 0)
    return np.asarray(kept / kept.sum(), np.float32)


def _pieces(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """A number for each connected piece (8 neighbours), 0 outside."""
    rows, columns = mask.shape
    label = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        wide = np.pad(label, 1)
        spread = np.max([wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
        spread = np.where(mask, spread, 0)
        if (spread == label).all():
            return spread
        label = spread


def centred(kernel: Array) -> Array:
    """Moved by whole pixels so that its centroid is as near the centre as that allows; what would leave the frame, as
    the end of a kernel that is too long for it does, is cut off."""
    side = len(kernel)
    places = np.arange(side)
    centroid = (kernel.sum(1) @ places, kernel.sum(0) @ places)
    down, right = (round(side // 2 - float(c)) for c in centroid)
    wide = np.pad(kernel, side)[side - down : 2 * side - down, side - right : 2 * side - right]
    return np.asarray(wide / wide.sum(), np.float32)
