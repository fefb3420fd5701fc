"""Pictures that wrap around, so that convolution is multiplication of spectra; the last two axes are H and W."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runir.degradations.kernels import fast_size

Array = NDArray[np.float32]
Spectrum = NDArray[np.complexfloating]


def wrapped(planes: Array, margin: int) -> Array:
    """... x H x W -> the same with at least `margin` rows and columns more (and a size that is fast to transform), in
    which the end fades into the beginning, both mirrored: seen as a torus, the picture has no seam."""
    return _wrapped(_wrapped(planes, margin, -2), margin, -1)


def wrapped_shape(shape: tuple[int, ...], margin: int) -> tuple[int, ...]:
    """(..., H, W) of planes -> (H, W) of what `wrapped` makes of them."""
    return tuple(fast_size(side + margin) for side in shape[-2:])


def _wrapped(planes: Array, margin: int, axis: int) -> Array:
    side = planes.shape[axis]
    count = fast_size(side + margin) - side
    step = np.arange(count)
    place = ((step + 1) / (count + 1)).astype(np.float32)
    rise = place * place * (3 - 2 * place)  # level at both ends
    rise = rise[:, None] if axis == -2 else rise
    turn = step % (2 * side)
    mirrored = np.minimum(turn, 2 * side - 1 - turn)  # 0, 1, ..., side - 1, side - 1, ..., 0, 0, 1, ...
    last, first = np.take(planes, side - 1 - mirrored, axis), np.take(planes, mirrored[::-1], axis)
    return np.concatenate((planes, last + rise * (first - last)), axis)


def transform(planes: Array) -> Spectrum:
    """Real planes -> half spectra."""
    return np.fft.rfft2(planes)


def inverse(spectrum: Spectrum, shape: tuple[int, ...]) -> Array:
    """Half spectra -> real planes of (..., H, W)."""
    return np.fft.irfft2(spectrum, shape[-2:]).astype(np.float32, copy=False)


def transfer(kernel: Array, shape: tuple[int, ...]) -> Spectrum:
    """The spectrum of convolution with a kernel of odd sides, on planes of (..., H, W) not smaller than it."""
    plane = np.zeros(shape[-2:], np.float32)
    rows, columns = kernel.shape
    plane[:rows, :columns] = kernel
    return transform(np.roll(plane, (-(rows // 2), -(columns // 2)), (0, 1)))


def gradient(plane: Array) -> tuple[Array, Array]:
    """Differences to the right and to the lower neighbour, around the torus."""
    return np.roll(plane, -1, 1) - plane, np.roll(plane, -1, 0) - plane


def divergence(across: Array, down: Array) -> Array:
    """The transpose of `gradient`, which is minus the divergence."""
    total: Array = np.roll(across, 1, 1) - across + np.roll(down, 1, 0) - down
    return total


def roughness(shape: tuple[int, ...]) -> Array:
    """The half spectrum of divergence(gradient(.)), real and >= 0."""
    height, width = shape[-2:]
    rows = 2 - 2 * np.cos(2 * np.pi * np.arange(height) / height)
    columns = 2 - 2 * np.cos(2 * np.pi * np.arange(width // 2 + 1) / width)
    return np.asarray(rows[:, None] + columns, np.float32)
