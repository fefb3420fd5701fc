"""From a file to a `Picture`: upright, gray or RGB, with what must travel beside the pixels."""

import os

from runir.images.depth import to_float
from runir.images.picture import Picture
from runir.images.reader import check_is_file, one_line, open_picture

__all__ = ["check_is_file", "read_picture"]


def read_picture(path: str | os.PathLike[str], *, max_pixels: int = 2**30) -> Picture:
    """Read the first picture of a file whole: as `open_picture`, for pictures that fit into memory.

    The pixels are upright float32, H x W x 1 or H x W x 3 in [0, 1] (floating-point files: as they are, NaN
    included); alpha is H x W in the type it has in the file. Palettes become RGB and CMYK becomes sRGB, each
    with a note. No file with more than `max_pixels` pixels is decoded.

    Raises UsageError for a path that is missing or not a file, and RunirError for a file that cannot be read
    whole: damaged, truncated, empty, too large, or of a kind that runir does not support.
    """
    with open_picture(path, max_pixels=max_pixels) as reader, one_line(reader.path):
        info = reader.info
        raw, alpha = reader.rows(0, info.height)
        return Picture(
            pixels=to_float(raw),
            alpha=alpha,
            format=info.format,
            lossless=info.lossless,
            icc=info.icc,
            exif=info.exif,
            xmp=info.xmp,
            dpi=info.dpi,
            iptc=info.iptc,
            texts=info.texts,
            notes=info.notes,
            bits=info.bits,
        )
