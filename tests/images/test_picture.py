"""The Picture itself."""

import numpy as np
import pytest

from runir.images import Picture, PictureInfo


def test_picture_checks_its_fields() -> None:
    pixels = np.zeros((4, 5, 3), np.float32)
    picture = Picture(pixels, alpha=np.zeros((4, 5), np.uint8), xmp=b"x")
    other = picture.with_pixels(pixels + 1)
    assert (other.xmp, other.alpha is picture.alpha, float(other.pixels.min())) == (b"x", True, 1.0)
    for wrong in (np.zeros((4, 5, 1), np.float32), np.zeros((5, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="shape"):
            picture.with_pixels(wrong)
    with pytest.raises(ValueError, match="float32"):
        picture.with_pixels(pixels.astype(np.float64))
    with pytest.raises(ValueError, match="alpha"):
        Picture(pixels, alpha=np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match="format"):
        Picture(pixels, format="GIF")
    with pytest.raises(ValueError, match="alpha"):
        Picture(pixels, alpha=np.zeros((4, 5), np.int32))
    with pytest.raises(ValueError, match="bits"):
        Picture(pixels, bits=9)


def test_info_says_the_same_without_the_pixels() -> None:
    picture = Picture(np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.uint16), "TIFF", bits=16, dpi=(72.0, 36.0))
    info = picture.info
    assert (info.height, info.width, info.channels, info.dtype, info.alpha) == (4, 5, 3, "uint16", True)
    assert (info.format, info.bits, info.dpi) == ("TIFF", 16, (72.0, 36.0))


def test_info_checks_its_fields() -> None:
    with pytest.raises(ValueError, match="H x W x 1 or 3"):
        PictureInfo(4, 5, 2, "uint8")
    with pytest.raises(ValueError, match="16 bits are held as uint16"):
        PictureInfo(4, 5, 3, "uint8", bits=16)
    with pytest.raises(ValueError, match="format"):
        PictureInfo(4, 5, 3, "uint8", format="GIF")
