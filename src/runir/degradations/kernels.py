"""Blur kernels of camera shake: random trajectories, drawn into small pictures; and convolution with them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from runir.degradations._picture import Picture32
from runir.errors import UsageError

Path2D = NDArray[np.float64]
STEPS = 128  # of a trajectory: enough for kernels of some 60 pixels


def shake_path(rng: np.random.Generator, *, shake: float = 3.0, pull: float = 1.0, jerks: float = 0.5) -> Path2D:
    """A random trajectory of a hand-held camera: an inertial random walk.

    The velocity keeps its direction but for three accelerations: a Gaussian one, a pull back to the start, and rare
    jerks that nearly turn it round. After Boracchi and Foi, "Modeling the Performance of Image Restoration From
    Motion Blur", IEEE TIP 2012, in the form of Kupyn et al., "DeblurGAN", CVPR 2018, algorithm 1 (there at
    constant speed; here the speed varies slowly, as a hand's does).

    Args:
        rng: source.
        shake: standard deviation of the Gaussian acceleration over the whole path, in units of the speed; 0: straight.
        pull: acceleration towards the start per unit of distance, in the same units.
        jerks: expected number of jerks.

    Returns:
        128 x 2 positions (y, x), equally spaced in time, their mean at zero, the larger side of their box 1.
    """
    angle = rng.uniform(0.0, math.tau)
    gaussian = rng.standard_normal((STEPS, 2)) * (shake / math.sqrt(STEPS))
    turns = rng.random((STEPS, 2))
    speed = np.exp(0.4 * _smooth_noise(rng, STEPS))
    velocity, place = complex(math.cos(angle), math.sin(angle)), 0j
    places = np.empty(STEPS, np.complex128)
    for step in range(STEPS):
        places[step] = place
        velocity += complex(*gaussian[step]) - place * (pull / STEPS)
        if turns[step, 0] * STEPS < jerks:
            velocity -= 2.0 * velocity * complex(math.cos(turns[step, 1] - 0.5), math.sin(turns[step, 1] - 0.5))
        velocity /= max(abs(velocity), 1e-9)
        place += velocity * (speed[step] / STEPS)
    path = np.stack((places.imag, places.real), axis=1)
    path -= path.mean(axis=0)
    box = float((path.max(axis=0) - path.min(axis=0)).max())
    scaled: Path2D = path / max(box, 1e-9)
    return scaled


def roll_path(rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random function of time for the camera's roll: 128 values, mean 0, range (max - min) 1."""
    values = np.cumsum(_smooth_noise(rng, STEPS))
    values -= values.mean()
    scaled: NDArray[np.float64] = values / max(float(values.max() - values.min()), 1e-9)
    return scaled


def _smooth_noise(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Standard normal values that vary slowly: 8 of them, interpolated."""
    knots = rng.standard_normal(8)
    return np.interp(np.linspace(0.0, 7.0, count), np.arange(8.0), knots)


def draw_path(path: Path2D) -> Picture32:
    """The kernel of a trajectory: how long the light of one point fell on each pixel.

    Args:
        path: N x 2 positions (y, x) in pixels, equally spaced in time, any mean.

    Returns:
        float32, K x K with K odd, >= 0, sum 1; its centroid is its centre (a blur must not move the picture).
    """
    time = np.linspace(0.0, len(path) - 1.0, 4 * len(path) - 3)
    dense = np.stack([np.interp(time, np.arange(float(len(path))), path[:, axis]) for axis in (0, 1)], axis=1)
    dense = np.round(dense - dense.mean(axis=0), 9)  # so that a point at rest stays one pixel
    radius = int(np.ceil(np.abs(dense).max() - 1e-9))
    side = 2 * radius + 3  # one more all round, for the share that falls on the next pixel
    corner = np.floor(dense).astype(np.int64)
    part = dense - corner
    kernel = np.zeros(side * side)
    for dy in (0, 1):
        for dx in (0, 1):
            index = (corner[:, 0] + dy + radius + 1) * side + corner[:, 1] + dx + radius + 1
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            kernel += np.bincount(index, weight, side * side)
    drawn: Picture32 = (kernel / kernel.sum()).reshape(side, side).astype(np.float32)
    return drawn[1:-1, 1:-1] if not (drawn[0].any() or drawn[-1].any() or drawn[:, [0, -1]].any()) else drawn


def convolve(picture: Picture32, kernel: Picture32) -> Picture32:
    """Convolve every channel; the picture is continued by reflection beyond its border.

    Args:
        picture: float32 H x W x C.
        kernel: K x K, K odd.

    Returns:
        float32 H x W x C.

    Raises:
        UsageError: the kernel's sides are not odd.
    """
    if not all(side % 2 for side in kernel.shape):
        raise UsageError(f"a kernel needs odd sides, this one has {kernel.shape}")
    rows, columns = (side // 2 for side in kernel.shape)
    wide = np.pad(picture, ((rows, rows), (columns, columns), (0, 0)), mode="symmetric")
    full = full_convolution(wide, kernel)
    return full[2 * rows : full.shape[0] - 2 * rows, 2 * columns : full.shape[1] - 2 * columns]


def full_convolution(picture: Picture32, kernel: Picture32) -> Picture32:
    """Convolve every channel of a picture that is zero beyond its border: H x W x C -> H + K - 1 x W + K - 1 x C."""
    height, width = (picture.shape[axis] + kernel.shape[axis] - 1 for axis in (0, 1))
    size = (fast_size(height), fast_size(width))
    planes = np.fft.rfft2(picture.transpose(2, 0, 1), size)
    product = np.fft.irfft2(planes * np.fft.rfft2(kernel, size), size)
    return np.ascontiguousarray(product[:, :height, :width].transpose(1, 2, 0), np.float32)


def fast_size(least: int) -> int:
    """The smallest number >= least without prime factors above 5: fast for the FFT."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
