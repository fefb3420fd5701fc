"""From a file to a `Picture`: upright, gray or RGB, with what must travel beside the pixels."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from runir.errors import RunirError, UsageError
from runir.images import decode, ifd, metadata
from runir.images.convert import to_arrays, turn
from runir.images.headers import read_header
from runir.images.messages import UnfitError, line, reason
from runir.images.picture import Picture


def read_picture(path: str | os.PathLike[str], *, max_pixels: int = 2**30) -> Picture:
    """Read the first picture of a JPEG, PNG, WebP or TIFF file, whatever its name ends in.

    The pixels are upright float32, H x W x 1 or H x W x 3 in [0, 1]; alpha is uint8 H x W. Palettes become
    RGB and CMYK becomes sRGB, each with a note. No file with more than `max_pixels` pixels is decoded.

    Raises UsageError for a path that is missing or not a file, and RunirError for a file that cannot be read
    whole: damaged, truncated, empty, too large, or of a kind or bit depth that runir does not support.
    """
    path = Path(path)
    check_is_file(path)
    try:
        with path.open("rb") as file:
            return _read(file, max_pixels)
    except UnfitError as fault:
        raise RunirError(line(path, fault.what, fault.remedy)) from fault
    except MemoryError as fault:
        raise RunirError(line(path, "too large for the memory of this machine", "cut it up first")) from fault
    except OSError as fault:
        what = f"cannot be read ({reason(fault)})"
        raise RunirError(line(path, what, "check the disk and the permissions")) from fault


def check_is_file(path: Path) -> None:
    """Raise UsageError unless `path` is an ordinary file."""
    try:
        if path.is_dir():
            raise UsageError(line(path, "is a folder", "give a picture file"))
        if not path.exists():
            raise UsageError(line(path, "no such file", "check the name"))
        if not path.is_file():
            raise UsageError(line(path, "is not an ordinary file", "give a picture file"))
    except (OSError, ValueError) as fault:
        raise UsageError(line(path, f"cannot be opened ({reason(fault)})", "check the name")) from fault


def _read(file: BinaryIO, max_pixels: int) -> Picture:
    header = read_header(file, max_pixels)
    with decode.quiet():
        image, notes = decode.load(file, header, max_pixels)
        pixels, alpha, told = to_arrays(image, header.gray_bits)
    if header.format == "TIFF":
        exif, wanted = _tiff_exif(file, notes), 1  # Pillow has already turned the pixels of a TIFF file
    else:
        exif, wanted = _exif(image, notes)
    icc = _icc(image, notes)
    xmp = _as_bytes(image.info.get("xmp"))
    dpi = metadata.clean_dpi(image.info.get("dpi")) or (metadata.exif_dpi(exif) if exif else None)
    return Picture(
        pixels=np.divide(turn(pixels, wanted), np.float32(255), dtype=np.float32),
        alpha=None if alpha is None else turn(alpha, wanted),
        format=header.format,
        lossless=header.lossless,
        icc=icc,
        exif=exif,
        xmp=metadata.upright_xmp(xmp) if xmp and wanted != 1 else xmp,
        dpi=(dpi[1], dpi[0]) if dpi and max(wanted, header.turned) >= 5 else dpi,
        notes=(*told, *notes),
    )


def _exif(image: Image.Image, notes: list[str]) -> tuple[bytes | None, int]:
    """Return the EXIF block and the orientation that the pixels still have to be brought to."""
    raw = _as_bytes(image.info.get("exif"))
    profile = image.info.get("Raw profile type exif")
    try:
        if raw is None and isinstance(profile, str):
            raw = bytes.fromhex("".join(profile.split("\n")[3:]))  # as ImageMagick writes it into PNG
        return metadata.upright_exif(raw) if raw else (None, 1)
    except ValueError:
        notes.append("damaged EXIF data dropped")
        return None, 1


def _tiff_exif(file: BinaryIO, notes: list[str]) -> bytes | None:
    try:
        return metadata.exif_from_tiff(ifd.open_block(file))
    except ValueError:
        notes.append("damaged EXIF data dropped")
        return None


def _icc(image: Image.Image, notes: list[str]) -> bytes | None:
    """Return the colour profile of the pixels; the one of CMYK ink has been used up."""
    if image.mode == "CMYK" or "icc_profile" not in image.info:
        return None
    profile = _as_bytes(image.info["icc_profile"])
    if profile is None or not metadata.valid_icc(profile):
        notes.append("damaged ICC profile dropped")
        return None
    return profile


def _as_bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) and value else None
