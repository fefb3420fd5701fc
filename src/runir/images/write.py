"""From a `Picture` to a file, whole or not at all."""

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from runir.errors import RunirError, UsageError
from runir.images.messages import DECODER_FAULTS, UnfitError, line, reason
from runir.images.picture import EXTENSIONS, Picture
from runir.images.place import check_free, place
from runir.images.tiff import encode_tiff

_LARGEST_SIDE: Mapping[str, int] = {"JPEG": 65500, "PNG": 2**31 - 1, "WEBP": 16383, "TIFF": 2**32 - 1}
_JPEG_SEGMENT = 65533
_JPEG_ROOM = {
    "exif": _JPEG_SEGMENT - len(b"Exif\0\0"),
    "xmp": _JPEG_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0"),
}
_JPEG_ICC_ROOM = 255 * (_JPEG_SEGMENT - 14)


def write_picture(
    picture: Picture, path: str | os.PathLike[str], *, quality: int = 95, overwrite: bool = False
) -> tuple[str, ...]:
    """Write a picture to `path`, in the container that its ending names, and return notes on what was lost.

    Pixels are clipped to [0, 1] and rounded to 8 bit. PNG and TIFF lose nothing, nor does WebP if the picture
    came from a lossless file; else `quality` (1 to 100) counts, for JPEG at full colour resolution. Alpha,
    ICC, EXIF, XMP and resolution go along where the container has room (WebP has none for the resolution
    outside EXIF). The file appears complete or not at all; a missing parent folder is made.

    Raises UsageError for an unknown ending, a quality out of range, and a file that exists unless
    `overwrite`; RunirError when the picture does not fit the container or the file cannot be written.
    """
    path = Path(path)
    container = EXTENSIONS.get(path.suffix.lower())
    if container is None:
        what = f"unknown picture type {path.suffix or '(none)'}"
        raise UsageError(line(path, what, f"use one of {', '.join(EXTENSIONS)}"))
    if not 1 <= quality <= 100:
        raise UsageError(line(path, f"quality {quality} is out of range", "give 1 to 100"))
    check_free(path, overwrite)
    try:
        data, notes = _encode(picture, container, quality)
    except UnfitError as fault:
        raise RunirError(line(path, fault.what, fault.remedy)) from fault
    except MemoryError as fault:
        raise RunirError(line(path, "too large for the memory of this machine", "cut it up first")) from fault
    place(data, path, overwrite)
    return notes


def _encode(picture: Picture, container: str, quality: int) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of the file and notes on what had to be left out."""
    height, width, _ = picture.pixels.shape
    if max(height, width) > _LARGEST_SIDE[container]:
        what = f"{width} x {height} is more than {container} can hold ({_LARGEST_SIDE[container]} a side)"
        raise UnfitError(what, "write .png or .tif instead")
    picture, notes = _fit(picture, container)
    samples = _to_bytes(picture.pixels)
    if picture.alpha is not None:
        samples = np.concatenate([samples, picture.alpha[..., None]], axis=2)
    if container == "TIFF":
        return _encode_tiff(picture, samples, notes)
    try:
        return _encode_by_pillow(picture, samples, container, quality), notes
    except DECODER_FAULTS as fault:
        what = f"cannot be encoded as {container} ({reason(fault)})"
        raise UnfitError(what, "write another kind of file") from fault


def _fit(picture: Picture, container: str) -> tuple[Picture, tuple[str, ...]]:
    """Leave out what the container cannot hold, and say so."""
    drop: dict[str, str] = {}
    if container == "JPEG":
        if picture.alpha is not None:
            drop["alpha"] = "transparency dropped: JPEG cannot hold it"
        for name, room in _JPEG_ROOM.items():
            if len(getattr(picture, name) or b"") > room:
                drop[name] = f"{name.upper()} data dropped: too long for JPEG"
        if len(picture.icc or b"") > _JPEG_ICC_ROOM:
            drop["icc"] = "ICC profile dropped: too long for JPEG"
    if container == "WEBP" and (picture.icc or b"")[16:20] == b"GRAY":
        drop["icc"] = "gray ICC profile dropped: WebP stores gray as RGB"
    kept = replace(
        picture,
        alpha=None if "alpha" in drop else picture.alpha,
        exif=None if "exif" in drop else picture.exif,
        xmp=None if "xmp" in drop else picture.xmp,
        icc=None if "icc" in drop else picture.icc,
    )
    return kept, tuple(drop.values())


def _to_bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Clip and round to 8 bit; UnfitError when a pixel is not a number."""
    scaled = np.clip(pixels, 0, 1)
    if np.isnan(scaled.min()):
        raise UnfitError("some pixels are not numbers (NaN)", "report this as a fault of the model")
    scaled *= 255
    scaled += 0.5
    return scaled.astype(np.uint8)


def _encode_tiff(picture: Picture, samples: NDArray[np.uint8], notes: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    def encoded(exif: bytes | None) -> bytes:
        return encode_tiff(
            samples,
            has_alpha=picture.alpha is not None,
            exif=exif,
            icc=picture.icc,
            xmp=picture.xmp,
            dpi=picture.dpi,
        )

    try:
        return encoded(picture.exif), notes
    except ValueError:
        # Other containers take EXIF as one lump; here its entries are looked at, and a damaged one shows up.
        return encoded(None), (*notes, "EXIF data dropped: damaged")


def _encode_by_pillow(picture: Picture, samples: NDArray[np.uint8], container: str, quality: int) -> bytes:
    options: dict[str, object] = {}
    if picture.icc:
        options["icc_profile"] = picture.icc
    if picture.exif:
        options["exif"] = b"Exif\0\0" + picture.exif
    if container == "PNG":
        options["pnginfo"] = _png_text(picture.xmp)
    elif picture.xmp:
        options["xmp"] = picture.xmp
    if picture.dpi and container != "WEBP":
        options["dpi"] = picture.dpi
    if container == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    elif container == "WEBP" and picture.lossless:
        options |= {"lossless": True, "exact": True}
    elif container == "WEBP":
        options |= {"quality": quality}
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    target = io.BytesIO()
    image.save(target, format=container, **options)
    return target.getvalue()


def _png_text(xmp: bytes | None) -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    if xmp:
        # Keyword, not compressed, no language, no translated keyword; then the bytes as they are.
        text.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    return text
