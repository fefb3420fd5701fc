"""Deconvolution with a known kernel: the Wiener filter for pictures whose gradients are alike at all frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runir.deconvolution.fourier import inverse, roughness, transfer, transform, wrapped

Array = NDArray[np.float32]
GUIDES = (0.004, 0.04)  # variance of the noise over that of gradients: hardly any noise, and some
FLOOR = 1e-4  # keeps the mean apart from kernels whose spectrum vanishes nowhere near it
LOW, HIGH = -0.5, 1.5  # ringing beyond this tells nothing


def guides_for(picture: Array, kernel: Array, count: int = len(GUIDES)) -> Array:
    """What a network for blurred pictures is shown beside the picture itself.

    Args:
        picture: H x W x C in [0, 1], blurred.
        kernel: K x K, K odd, >= 0, sum 1; taken as if its centroid were the middle, whatever fraction of a pixel it is
            away from there, so that guides lie where the picture does.
        count: how many guides, up to `len(GUIDES)`.

    Returns:
        float32 H x W x (C x count): conj(k) y / (|k|^2 + w |gradient|^2) for each w in GUIDES, in Fourier space
        (Gonzalez & Woods, "Digital Image Processing", "constrained least squares filtering"); within [LOW, HIGH].
    """
    height, width = picture.shape[:2]
    planes = wrapped(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32), kernel.shape[0])
    blur = transfer(kernel, planes.shape) * _moved_to_middle(kernel, planes.shape)
    spectra = np.conj(blur) * transform(planes)
    power, rough = np.abs(blur) ** 2 + np.float32(FLOOR), roughness(planes.shape)
    sharp = [inverse(spectra / (power + np.float32(w) * rough), planes.shape) for w in GUIDES[:count]]
    guides = np.concatenate(sharp)[:, :height, :width].transpose(1, 2, 0)
    return np.clip(guides, LOW, HIGH)


def _moved_to_middle(kernel: Array, shape: tuple[int, ...]) -> NDArray[np.complexfloating]:
    """The half spectrum of the shift by which the kernel's centroid comes to lie in its middle."""
    places = np.arange(len(kernel)) - len(kernel) // 2
    height, width = shape[-2:]
    rows = np.exp(2j * np.pi * np.fft.fftfreq(height) * float(kernel.sum(1) @ places))
    columns = np.exp(2j * np.pi * np.fft.rfftfreq(width) * float(kernel.sum(0) @ places))
    return np.asarray(rows[:, None] * columns, np.complex64)
