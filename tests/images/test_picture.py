"""The Picture itself."""

import numpy as np
import pytest

from runir.images import Picture


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
