"""JPEG compression artefacts, by compressing and decompressing with Pillow."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.errors import UsageError


def jpeg_round_trip(picture: FloatPicture, quality: int) -> Picture32:
    """Compress to baseline JPEG in memory (libjpeg tables, chroma halved both ways) and read it back.

    Args:
        picture: H x W x C in [0, 1], C 1 or 3; clipped and rounded to 8 bit first.
        quality: libjpeg quality, 1 to 100.

    Returns:
        float32, same shape, multiples of 1/255 in [0, 1].

    Raises:
        UsageError: `quality` is out of range or `picture` is not a picture.
    """
    require_picture(picture)
    if not 1 <= quality <= 100:
        raise UsageError(f"JPEG quality is 1 to 100; {quality} is outside")
    levels = np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    return jpeg_levels(levels, quality, subsampling="4:2:0").astype(np.float32) / np.float32(255.0)


def jpeg_levels(levels: npt.NDArray[np.uint8], quality: int, subsampling: str | int = -1) -> npt.NDArray[np.uint8]:
    """The same for uint8 H x W x C; subsampling as Pillow takes it (-1: its default, 4:2:0)."""
    stream = io.BytesIO()
    plain = levels[:, :, 0] if levels.shape[2] == 1 else levels
    Image.fromarray(plain).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    stream.seek(0)
    with Image.open(stream) as image:
        return np.asarray(image).reshape(levels.shape)
