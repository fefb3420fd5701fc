"""Deconvolution with a known kernel: the Wiener filter for pictures whose gradients are alike at all frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runir.deconvolution.fourier import Spectrum, inverse, roughness, transfer, transform, wrapped
from runir.errors import UsageError

Array = NDArray[np.float32]
GUIDES = (0.004, 0.04)  # variance of the noise over that of gradients: hardly any noise, and some
FLOOR = 1e-4  # noise over signal that is believed at any frequency, so that none is blown up beyond measure
LOW, HIGH = -0.5, 1.5  # ringing beyond this tells nothing


class GuideMaker:
    """Makes guides by one kernel; what depends on kernel and size only is kept for the next part of that size."""

    def __init__(self, kernel: Array, count: int = len(GUIDES)) -> None:
        """Kernel: K x K, K odd, >= 0, sum 1; taken as if its centroid were the middle, whatever fraction of a pixel it
        is away from there, so that guides lie where the picture does. count: how many guides.

        Raises:
            UsageError: count is not 1 to `len(GUIDES)`.
        """
        if not 1 <= count <= len(GUIDES):
            raise UsageError(f"{count} guides: 1 to {len(GUIDES)} can be made")
        self._kernel, self._weights = kernel, GUIDES[:count]
        self._shape: tuple[int, ...] = ()
        self._filters: list[Spectrum] = []

    def __call__(self, picture: Array) -> Array:
        """What a network for blurred pictures is shown beside the picture itself.

        Args:
            picture: H x W x C, blurred, clipped to [0, 1].

        Returns:
            float32 H x W x (C x count): conj(k) y / (|k|^2 + w |gradient|^2 + FLOOR) for each w in GUIDES, in Fourier
            space (Gonzalez & Woods, "Digital Image Processing", "constrained least squares filtering"); within
            [LOW, HIGH].
        """
        height, width = picture.shape[:2]
        planes = np.ascontiguousarray(np.clip(picture, 0, 1).transpose(2, 0, 1), np.float32)
        planes = wrapped(planes, self._kernel.shape[0])
        if planes.shape[-2:] != self._shape:
            self._prepare(planes.shape[-2:])
        spectra = transform(planes)
        guides = np.concatenate([inverse(spectra * f, planes.shape) for f in self._filters])
        return np.asarray(np.clip(guides[:, :height, :width].transpose(1, 2, 0), LOW, HIGH), np.float32)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        blur = transfer(self._kernel, shape) * _moved_to_middle(self._kernel, shape)
        power, rough = np.abs(blur) ** 2 + np.float32(FLOOR), roughness(shape)
        self._filters = [np.asarray(np.conj(blur) / (power + np.float32(w) * rough), blur.dtype) for w in self._weights]
        self._shape = shape


def _moved_to_middle(kernel: Array, shape: tuple[int, ...]) -> Spectrum:
    """The half spectrum of the shift by which the kernel's centroid comes to lie in its middle."""
    places = np.arange(len(kernel)) - len(kernel) // 2
    rows = np.exp(2j * np.pi * np.fft.fftfreq(shape[0]) * float(kernel.sum(1) @ places))
    columns = np.exp(2j * np.pi * np.fft.rfftfreq(shape[1]) * float(kernel.sum(0) @ places))
    return np.asarray(rows[:, None] * columns, np.complex64)
