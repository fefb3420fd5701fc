"""HEIC and camera raw: read with their extras, told how to get them without."""

import io
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from runir.errors import RunirError, UsageError
from runir.images import read_picture, write_picture
from runir.images.embedded import read_embedded
from runir.images.headers import Header, read_header

HEIC = {bits: Path(__file__).parent / "data" / f"gradient{bits}.heic" for bits in (8, 10)}
"""64 x 48, red = 4 x, green = 5 y, blue = 255 - 4 x, made for this test with libheif's x265 encoder."""
EVEN = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)


def dng(path: Path, orientation: int = 1) -> Path:
    """A raw picture of a camera without colour cast: 96 x 64 pixels of a Bayer pattern, right half brighter."""
    mosaic = np.full((64, 96), 2000, np.uint16)
    mosaic[:, 48:] = 8000
    tags: list[Any] = [
        (33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "A camera", True), (50721, "2i", 9, EVEN, True), (50728, "2I", 3, (1, 1) * 3, True),
        (50717, "I", 1, 16383, True), (271, "s", 0, "Maker", True), (274, "H", 1, orientation, True),
    ]  # fmt: skip
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags)
    return path


@pytest.mark.parametrize("bits", HEIC)
def test_heic_is_read_in_its_depth(bits: int) -> None:
    picture = read_picture(HEIC[bits])
    y, x = np.mgrid[0:48, 0:64]
    expected = np.dstack([x * 4, y * 5, 255 - x * 4]) / 255
    assert (picture.format, picture.bits) == ("HEIC", bits)
    assert np.abs(picture.pixels - expected).max() < 0.04
    assert np.abs(picture.pixels - expected).mean() < 0.01
    assert (b"Maker" in (picture.exif or b"")) == (bits == 8)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_damaged_heic(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "a.heic"
    data = HEIC[8].read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(RunirError, match=r"a\.heic: the (file is truncated|HEIC data are damaged)"):
        read_picture(path)


def test_heic_of_too_many_pixels() -> None:
    with pytest.raises(RunirError, match="64 x 48 is more than the limit of 3071 pixels"):
        read_picture(HEIC[8], max_pixels=64 * 48 - 1)


@pytest.mark.parametrize("orientation", [1, 6])
def test_raw_is_developed_upright_to_16_bit(tmp_path: Path, orientation: int) -> None:
    picture = read_picture(dng(tmp_path / "a.dng", orientation))
    assert (picture.format, picture.bits) == ("RAW", 16)
    assert picture.notes == ("developed from camera raw to 16-bit sRGB with the camera's white balance",)
    assert b"Maker" in (picture.exif or b"")
    assert picture.pixels.shape == ((64, 96, 3) if orientation == 1 else (96, 64, 3))
    dark, bright = (picture.pixels[20, 20], picture.pixels[-20, -20])
    assert np.ptp(dark) < 0.01  # gray stays gray
    assert 0.2 < dark.mean() < bright.mean()
    assert write_picture(picture, tmp_path / "a.tif") == ()
    assert tifffile.imread(tmp_path / "a.tif").dtype == np.uint16


@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_damaged_raw(tmp_path: Path, keep: float) -> None:
    path = dng(tmp_path / "a.dng")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(RunirError, match=r"a\.dng: the .*damaged"):
        read_picture(path)


@pytest.mark.parametrize(("module", "kind", "extra"), [("pi_heif", "HEIC", "heic"), ("rawpy", "camera raw", "raw")])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, kind: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = HEIC[8] if extra == "heic" else dng(tmp_path / "a.dng")
    with pytest.raises(RunirError, match=rf"{kind} cannot be read yet; pip install 'runir\[{extra}\]'"):
        read_picture(path)


def test_neither_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown picture type \.heic"):
        write_picture(read_picture(HEIC[8]), tmp_path / "a.heic")


def test_a_sensors_values_are_no_picture(tmp_path: Path) -> None:
    """As in Pentax' PEF: the values under the colour filter stand in the first directory, without a DNG version."""
    for kind in (32803, 34892):
        samples = np.full((64, 96), 2000, np.uint16)
        tifffile.imwrite(tmp_path / "a.pef", samples, photometric="minisblack")
        data = bytearray((tmp_path / "a.pef").read_bytes())
        at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
        data[at : at + 2] = struct.pack("<H", kind)
        assert read_header(io.BytesIO(data), 10**6) == Header("RAW", streams=False)


@pytest.mark.parametrize(
    ("head", "notes"),
    [
        (b"FUJIFILMCCD-RAW 0201", []),
        (b"IIRO\x08\0\0\0", []),
        (b"IIU\0\x18\0\0\0", []),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", []),
        (b"II*\0\xff\xff\0\0", ["damaged EXIF data dropped"]),
    ],
)
def test_raw_that_is_no_tiff_is_not_called_damaged(head: bytes, notes: list[str]) -> None:
    found = read_embedded(io.BytesIO(head + bytes(100)), Header("RAW", streams=False))
    assert (found.exif, found.notes) == (None, notes)
