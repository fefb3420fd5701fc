"""Deconvolution with a known kernel: the Wiener filter for pictures whose gradients are alike at all frequencies."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from runir.deconvolution.fourier import Spectrum, inverse, roughness, transfer, transform, wrapped, wrapped_shape
from runir.degradations.transfer import linear_to_srgb, srgb_to_linear
from runir.errors import UsageError

Array = NDArray[np.float32]
GUIDES = ("encoded", "linear")  # the values that were blurred, one guide for each: those of the file, or light
NOISE = 0.01  # variance of the noise over that of gradients
FLOOR = 1e-4  # noise over signal that is believed at any frequency, so that none is blown up beyond measure
LOW, HIGH = -0.5, 1.5  # ringing beyond this tells nothing
LIGHTEST = float(srgb_to_linear(np.array(HIGH)))


class GuideMaker:
    """Makes guides by one kernel; what depends on kernel and size only is kept for the next part of that size."""

    def __init__(self, kernel: Array, count: int = len(GUIDES), threads: int = 1) -> None:
        """Kernel: K x K, K odd, >= 0, sum 1; taken as if its centroid were the middle, whatever fraction of a pixel it
        is away from there, so that guides lie where the picture does. count: how many guides; with two threads they
        are made at the same time.

        Raises:
            UsageError: count is not 1 to `len(GUIDES)`.
        """
        if not 1 <= count <= len(GUIDES):
            raise UsageError(f"{count} guides: 1 to {len(GUIDES)} can be made")
        self._kernel, self._makers, self._threads = kernel, (_encoded, _linear)[:count], threads
        self._shape: tuple[int, ...] = ()
        self._filter: Spectrum = np.empty(0, np.complex64)

    def __call__(self, picture: Array) -> Array:
        """What a network for blurred pictures is shown beside the picture itself.

        Args:
            picture: H x W x C, blurred, clipped to [0, 1].

        Returns:
            float32 H x W x (C x count): conj(k) y / (|k|^2 + NOISE |gradient|^2 + FLOOR) in Fourier space (Gonzalez &
            Woods, "Digital Image Processing", "constrained least squares filtering"), y being the picture as it is,
            then the picture as linear light, encoded again afterwards; within [LOW, HIGH].
        """
        seen = np.clip(picture, 0, 1)
        self._prepare(wrapped_shape(seen.shape[:2], self._kernel.shape[0]))
        if self._threads > 1 and len(self._makers) > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                guides = list(pool.map(lambda make: make(seen, self._filtered), self._makers))
        else:
            guides = [make(seen, self._filtered) for make in self._makers]
        return np.concatenate(guides, axis=2, dtype=np.float32)

    def _filtered(self, picture: Array) -> Array:
        height, width = picture.shape[:2]
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
        planes = wrapped(planes, self._kernel.shape[0])
        return inverse(transform(planes) * self._filter, planes.shape)[:, :height, :width].transpose(1, 2, 0)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        if shape == self._shape:
            return
        blur = transfer(self._kernel, shape) * _moved_to_middle(self._kernel, shape)
        power, rough = np.abs(blur) ** 2 + np.float32(FLOOR), roughness(shape)
        self._filter = np.asarray(np.conj(blur) / (power + np.float32(NOISE) * rough), blur.dtype)
        self._shape = shape


def _encoded(seen: Array, filtered: Callable[[Array], Array]) -> Array:
    return np.clip(filtered(seen), LOW, HIGH)


def _linear(seen: Array, filtered: Callable[[Array], Array]) -> Array:
    light = linear_to_srgb(np.clip(filtered(srgb_to_linear(seen)), 0, LIGHTEST))
    return np.asarray(light, np.float32)


def _moved_to_middle(kernel: Array, shape: tuple[int, ...]) -> Spectrum:
    """The half spectrum of the shift by which the kernel's centroid comes to lie in its middle."""
    places = np.arange(len(kernel)) - len(kernel) // 2
    rows = np.exp(2j * np.pi * np.fft.fftfreq(shape[0]) * float(kernel.sum(1) @ places))
    columns = np.exp(2j * np.pi * np.fft.rfftfreq(shape[1]) * float(kernel.sum(0) @ places))
    return np.asarray(rows[:, None] * columns, np.complex64)
