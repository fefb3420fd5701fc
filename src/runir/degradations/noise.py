"""Additive white Gaussian noise (AWGN), the noise of the classical denoising tables."""

import numpy as np

from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.errors import UsageError

MAX_SIGMA = 255.0


def awgn(clean: FloatPicture, sigma: float, rng: np.random.Generator) -> Picture32:
    """Add independent Gaussian noise to every value: y = x + n, n ~ N(0, (sigma / 255)^2).

    This is the noise of protocol `awgn-rgb`, bit for bit: `rng.normal(0, sigma / 255, (H, W, C))` added to
    the picture in float64, cast to float32, not clipped. It is how the literature makes it (Zhang et al.,
    "Beyond a Gaussian Denoiser", IEEE TIP 2017, and the tables since).

    Args:
        clean: H x W x C in [0, 1], C 1 or 3, any floating type.
        sigma: standard deviation in 8-bit levels, 0 to 255.
        rng: source of the noise; advanced by H * W * C normal draws.

    Returns:
        The noisy picture, float32, same shape; values leave [0, 1].

    Raises:
        UsageError: `sigma` is out of range or `clean` is not a picture.
    """
    require_picture(clean)
    check_sigma(sigma)
    return _add(clean, rng.normal(0.0, sigma / 255.0, clean.shape))


def gray_awgn(clean: FloatPicture, sigma: float, rng: np.random.Generator) -> Picture32:
    """Add one plane of Gaussian noise, shared by all channels: y_c = x_c + n, n ~ N(0, (sigma / 255)^2).

    The noise has no colour, as in scans of monochrome film. For C = 1 this is `awgn`.

    Args:
        clean: H x W x C in [0, 1], C 1 or 3, any floating type.
        sigma: standard deviation in 8-bit levels, 0 to 255.
        rng: source of the noise; advanced by H * W normal draws.

    Returns:
        The noisy picture, float32, same shape; values leave [0, 1].

    Raises:
        UsageError: `sigma` is out of range or `clean` is not a picture.
    """
    require_picture(clean)
    check_sigma(sigma)
    return _add(clean, rng.normal(0.0, sigma / 255.0, (*clean.shape[:2], 1)))


def _add(clean: FloatPicture, noise: FloatPicture) -> Picture32:
    noisy: Picture32 = (clean.astype(np.float64) + noise).astype(np.float32)
    return noisy


def check_sigma(sigma: float) -> None:
    """Raise `UsageError` unless `sigma`, in 8-bit levels, is 0 to 255."""
    if not 0.0 <= sigma <= MAX_SIGMA:
        raise UsageError(f"sigma is in 8-bit levels, 0 to 255; {sigma:g} is outside")
