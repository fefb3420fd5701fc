"""sRGB-encoded <-> linear light, and the tone curve that cameras put on top."""

import numpy as np

from runir.degradations._picture import FloatPicture, Picture32


def srgb_to_linear(encoded: FloatPicture) -> Picture32:
    """Undo the sRGB transfer function of IEC 61966-2-1.

    Args:
        encoded: any shape, values in [0, 1].

    Returns:
        float32 linear light in [0, 1]: v / 12.92 up to 0.04045, ((v + 0.055) / 1.055)^2.4 above.
    """
    value = encoded.astype(np.float32)
    curve = np.power((value + np.float32(0.055)) / np.float32(1.055), np.float32(2.4))
    return np.where(value <= 0.04045, value / np.float32(12.92), curve)


def linear_to_srgb(linear: FloatPicture) -> Picture32:
    """Apply the sRGB transfer function of IEC 61966-2-1.

    Args:
        linear: any shape, linear light in [0, 1].

    Returns:
        float32 sRGB-encoded values in [0, 1]: 12.92 v up to 0.0031308, 1.055 v^(1 / 2.4) - 0.055 above.
    """
    value = linear.astype(np.float32)
    curve = np.float32(1.055) * np.power(value, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(value <= 0.0031308, value * np.float32(12.92), curve)


def apply_tone_curve(value: Picture32) -> Picture32:
    """Raise contrast with the smoothstep 3 v^2 - 2 v^3 on [0, 1] (Brooks et al. 2019, section 3.1)."""
    return value * value * (np.float32(3.0) - np.float32(2.0) * value)


def undo_tone_curve(value: Picture32) -> Picture32:
    """Invert `apply_tone_curve` on [0, 1]: 1/2 - sin(asin(1 - 2 v) / 3)."""
    sine: Picture32 = np.sin(np.arcsin(np.float32(1.0) - np.float32(2.0) * value) / np.float32(3.0))
    return np.float32(0.5) - sine
