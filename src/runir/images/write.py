"""From a `Picture` to a file, whole or not at all."""

import os
from pathlib import Path

from runir.errors import RunirError
from runir.images.depth import change_depth, from_float
from runir.images.messages import UnfitError, line
from runir.images.picture import Picture
from runir.images.writer import create_picture

_ROWS = 256


def write_picture(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    overwrite: bool = False,
    bit_depth: int | None = None,
    format: str | None = None,
) -> tuple[str, ...]:
    """Write a picture to `path` as `create_picture` does, and return notes on what was lost.

    Pixels are rounded to the depth of the file and clipped to [0, 1], unless both picture and file are
    floating point. The file appears complete or not at all; a missing parent folder is made.

    Raises UsageError and RunirError as `create_picture`, and RunirError when a pixel is not a number or the
    file cannot be written.
    """
    info = picture.info
    with create_picture(path, info, quality=quality, overwrite=overwrite, bit_depth=bit_depth, format=format) as writer:
        for top in range(0, info.height, _ROWS):
            part = slice(top, top + _ROWS)
            try:
                raw = from_float(picture.pixels[part], info.dtype)
            except UnfitError as fault:
                raise RunirError(line(Path(path), fault.what, fault.remedy)) from fault
            writer.write(raw, None if picture.alpha is None else change_depth(picture.alpha[part], info.dtype))
    return writer.notes
