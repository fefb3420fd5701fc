"""From what Pillow decoded to plain arrays: gray or RGB, alpha apart, upright."""

import io
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runir.images.messages import UnfitError
from runir.images.metadata import valid_icc

Samples = TypeVar("Samples", bound=np.generic)

_TARGETS = {
    "1": ("L", "LA"),
    "L": ("L", "LA"),
    "LA": ("LA", "LA"),
    "La": ("LA", "LA"),
    "P": ("RGB", "RGBA"),
    "PA": ("RGBA", "RGBA"),
    "RGB": ("RGB", "RGBA"),
    "RGBA": ("RGBA", "RGBA"),
    "RGBa": ("RGBA", "RGBA"),
    "YCbCr": ("RGB", "RGB"),
}
"""Pillow mode -> the mode it is turned into, without and with transparency."""

_EXPANDED = "palette expanded to RGB"
_NOTES = {"1": "1-bit black and white expanded to gray", "P": _EXPANDED, "PA": _EXPANDED}


def to_arrays(image: Image.Image, gray_bits: int = 8) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, list[str]]:
    """Return pixels (uint8 H x W x 1 or 3), alpha (uint8 H x W or None) and notes of a loaded image.

    `gray_bits` is the depth of a gray PNG. Raises UnfitError for modes that are neither gray nor colour in
    8 bit.
    """
    notes = [_NOTES[image.mode]] if image.mode in _NOTES else []
    if image.mode == "CMYK":
        image, note = _cmyk_to_srgb(image)
        notes.append(note)
    elif image.mode in _TARGETS:
        image = _to_target(image, gray_bits)
    else:
        what = f"pixels of type {image.mode} are not supported"
        raise UnfitError(what, "convert it to 8-bit RGB or gray first")
    samples = np.asarray(image)
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], np.ascontiguousarray(samples[..., -1]), notes
    return samples, None, notes


def _to_target(image: Image.Image, gray_bits: int) -> Image.Image:
    if image.mode == "L" and gray_bits < 8 and isinstance(key := image.info.get("transparency"), int):
        # Pillow spreads 2- and 4-bit gray over 0 to 255, but leaves the transparent value as it was.
        image.info["transparency"] = key * 255 // (2**gray_bits - 1)
    target = _TARGETS[image.mode][image.has_transparency_data]
    return image if image.mode == target else image.convert(target)


def _cmyk_to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and valid_icc(profile):
        from PIL import ImageCms

        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (OSError, ImageCms.PyCMSError):
            converted = None  # a profile for other inks; the note below says what was done instead
        if converted is not None:
            return converted, "CMYK converted to sRGB by its colour profile"
    return image.convert("RGB"), "CMYK converted to sRGB without a colour profile: colours are approximate"


def turn(samples: NDArray[Samples], orientation: int) -> NDArray[Samples]:
    """Return an H x W (x C) array as EXIF `orientation` (1 to 8) wants it seen."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)
