"""The picture of before and after: its channels and what it says of its colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from runir.images import Picture, read_picture, write_picture
from runir.inference.compare import compare

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]
P3 = ("cICP", bytes([12, 13, 0, 1]))


def saved(path: Path, channels: int, **described: object) -> Path:
    pixels = np.random.default_rng(channels).random((20, 30, channels), np.float32)
    write_picture(Picture(pixels, **described), path)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("style", ["split", "side"])
@pytest.mark.parametrize(
    ("before", "after", "icc", "expected"),
    [(1, 1, GRAY_ICC, GRAY_ICC), (3, 1, GRAY_ICC, None), (1, 3, SRGB, SRGB), (3, 3, SRGB, SRGB)],
)
def test_the_profile_fits_the_channels(
    tmp_path: Path, style: str, before: int, after: int, icc: bytes, expected: bytes | None
) -> None:
    files = saved(tmp_path / "a.png", before), saved(tmp_path / "b.png", after, icc=icc)
    compare(*files, tmp_path / "c.png", style=style)  # type: ignore[arg-type]
    shown = read_picture(tmp_path / "c.png")
    assert shown.icc == expected
    assert shown.pixels.shape[2] == (1 if before == after == 1 else 3)
    np.testing.assert_allclose(
        shown.pixels[:, 0], np.broadcast_to(read_picture(files[0]).pixels[:, 0], (20, shown.pixels.shape[2])), atol=1e-6
    )


def test_colours_described_without_a_profile_are_so_here_too(tmp_path: Path) -> None:
    files = saved(tmp_path / "a.png", 3), saved(tmp_path / "b.png", 3, texts=(P3, ("tEXt", b"Title\0Pier")))
    compare(*files, tmp_path / "c.png")
    assert read_picture(tmp_path / "c.png").texts == (P3,)
