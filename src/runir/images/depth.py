"""Raw samples of a file to numbers in [0, 1] and back, and from one bit depth to another."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from runir.errors import UsageError
from runir.images.messages import UnfitError
from runir.images.picture import DEPTHS, NAMES

Raw = NDArray[Any]
"""uint8, uint16 or float32 samples, as a file holds them."""


def to_float(raw: Raw) -> NDArray[np.float32]:
    """Return raw samples of any shape as float32: 0 is 0.0, the largest integer is 1.0, floats stay as they are."""
    if raw.dtype == np.float32:
        return raw
    return np.divide(raw, np.float32(np.iinfo(raw.dtype).max), dtype=np.float32)


def from_float(pixels: NDArray[np.float32], dtype: DTypeLike) -> Raw:
    """Return float32 numbers as raw samples: clipped to [0, 1] and rounded; for float32 they stay as they are.

    Raises UnfitError (a RunirError) when one is NaN, or infinite where the result is floating point.
    """
    wanted = np.dtype(dtype)
    if wanted == np.float32:
        if not np.isfinite(pixels).all():
            raise _not_numbers()
        return np.ascontiguousarray(pixels, np.float32)
    scaled = np.clip(pixels, 0, 1)
    if scaled.size and np.isnan(scaled.min()):
        raise _not_numbers()
    scaled *= np.iinfo(wanted).max
    scaled += 0.5
    return scaled.astype(wanted)


def _not_numbers() -> UnfitError:
    return UnfitError("some pixels are not numbers (NaN)", "report this as a fault of the model")


def finite(raw: Raw) -> tuple[Raw, NDArray[np.bool_] | None]:
    """Return raw samples without NaN and infinity, and where they were (same shape; None: there were none).

    NaN and minus infinity become 0, plus infinity becomes 1. Integers are returned as they are.
    """
    if raw.dtype != np.float32:
        return raw, None
    bad = ~np.isfinite(raw)
    if not bad.any():
        return raw, None
    return np.nan_to_num(raw, nan=0.0, posinf=1.0, neginf=0.0), bad


def change_depth(raw: Raw, dtype: DTypeLike) -> Raw:
    """Return raw samples in another type, scaled so that white stays white; not finite becomes finite."""
    wanted = np.dtype(dtype)
    if raw.dtype == wanted:
        return raw
    if raw.dtype == np.float32:
        return from_float(finite(raw)[0], wanted)
    if wanted == np.float32:
        return to_float(raw)
    if wanted == np.uint16:
        return raw.astype(np.uint16) * np.uint16(257)
    return ((raw.astype(np.uint32) + 128) // 257).astype(np.uint8)


def spread(raw: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """From 10 or 12 bits in the upper end of 16, as libvips gives them, to the full scale of 16 bits."""
    largest = 2**bits - 1
    levels = (raw >> (16 - bits)).astype(np.uint32)
    wide: NDArray[np.uint16] = ((levels * 65535 + largest // 2) // largest).astype(np.uint16)
    return wide


def squeeze(raw: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """The way back from `spread`, exact for what came from there."""
    largest = 2**bits - 1
    levels = (raw.astype(np.uint32) * largest + 32767) // 65535
    stored: NDArray[np.uint16] = (levels << (16 - bits)).astype(np.uint16)
    return stored


def depth_for(container: str, bits: int, wanted: int | None) -> tuple[int, tuple[str, ...]]:
    """Return the bits per channel to write, and a note if they are fewer than `bits`, those that came in.

    `wanted` is what the user asked for. Raises UsageError when the container does not have that.
    """
    possible = DEPTHS[container]
    if wanted is not None:
        if wanted not in possible:
            *others, last = (str(b) for b in possible)
            listed = f"{', '.join(others)} or {last}" if others else last
            raise UsageError(f"{NAMES[container]} has no {wanted} bits per channel; use {listed} or another format")
        return wanted, ()
    for depth in possible:
        if depth >= bits:
            return depth, ()
    came = "floating point" if bits == 32 else f"{bits} bits"
    return possible[-1], (f"{came} per channel reduced to {possible[-1]} bits: {NAMES[container]} holds no more",)
