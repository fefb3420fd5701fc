"""What travels beside the pixels: ICC, EXIF, XMP, resolution, and whether the source was lossless."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from described import SRGB
from runir.images import read_picture

SAMPLES = np.random.default_rng(3).integers(0, 256, (24, 31, 4), dtype=np.uint8)


def save(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def encoded(container: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(SAMPLES[..., :3]).save(buffer, format=container, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 800
    return exif.tobytes()


def test_orientation_in_xmp_follows(tmp_path: Path) -> None:
    xmp = b'<x tiff:Orientation="6"><tiff:Orientation>6</tiff:Orientation></x>'
    path = save(tmp_path, "a.jpg", Image.fromarray(SAMPLES[:8, :8, :3].copy()), exif=oriented(6), xmp=xmp)
    assert read_picture(path).xmp == xmp.replace(b"6", b"1")


def test_thumbnail_of_the_old_picture_is_unlinked(tmp_path: Path) -> None:
    first = struct.pack("<HHHIIIHHIII", 1, 271, 2, 4, 0x41, 26, 1, 513, 4, 1, 0)[:18]
    exif = b"II*\0\x08\0\0\0" + first + struct.pack("<HHHII", 1, 256, 3, 1, 9) + bytes(4)
    picture = read_picture(save(tmp_path, "a.webp", Image.fromarray(SAMPLES[:4, :4, :3].copy()), exif=exif))
    assert picture.exif is not None
    assert picture.exif[:22] == exif[:22]
    assert picture.exif[22:26] == bytes(4)


@pytest.mark.parametrize(
    ("ending", "options", "lossless"),
    [
        ("webp", {"lossless": True}, True),
        ("webp", {"quality": 90}, False),
        ("jpg", {}, False),
        ("png", {}, True),
        ("tif", {"compression": "tiff_lzw"}, True),
        ("tif", {"compression": "jpeg"}, False),
    ],
)
def test_lossless_source_is_told(tmp_path: Path, ending: str, options: dict[str, object], lossless: bool) -> None:
    exif = {"exif": oriented(1)} if ending == "webp" else {}
    image = Image.fromarray(SAMPLES[..., : 4 if ending == "webp" else 3].copy())
    assert read_picture(save(tmp_path, f"a.{ending}", image, **options, **exif)).lossless is lossless


def test_webp_file_with_every_kind_of_chunk(tmp_path: Path) -> None:
    samples = SAMPLES[:16, :17].copy()
    path = save(
        tmp_path,
        "a.webp",
        Image.fromarray(samples),
        lossless=True,
        exact=True,
        exif=oriented(1),
        xmp=b"<x/>",
        icc_profile=SRGB,
    )
    picture = read_picture(path)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, samples[..., 3])
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), samples[..., :3])
    assert (picture.xmp, picture.icc) == (b"<x/>", SRGB)


def test_resolution_from_exif_where_the_container_has_none(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 118.11, 118.11, 3
    path = save(tmp_path, "a.webp", Image.fromarray(SAMPLES[:4, :4, :3].copy()), exif=exif)
    assert read_picture(path).dpi == pytest.approx((300, 300), rel=1e-3)


def test_exif_of_a_tiff_comes_out_with_its_directories(tmp_path: Path) -> None:
    built, exif = Image.Exif(), Image.Exif()
    built.load(oriented(1))
    built.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.5)})
    exif.load(built.tobytes())
    path = save(tmp_path, "a.tif", Image.fromarray(SAMPLES[:4, :4, :3].copy()), exif=exif, compression="raw")
    kept = Image.Exif()
    kept.load(read_picture(path).exif or b"")
    assert kept[ExifTags.Base.Make] == "Maker"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 800
    assert kept.get_ifd(ExifTags.IFD.GPSInfo)[2] == (1.0, 2.0, 3.5)
    assert ExifTags.Base.ImageWidth not in kept


def test_big_tiff_reads(tmp_path: Path) -> None:
    samples = SAMPLES[:5, :6, :3].copy()
    path = save(tmp_path, "a.tif", Image.fromarray(samples), big_tiff=True, tiffinfo={271: "A maker"})
    picture = read_picture(path)
    np.testing.assert_array_equal(np.rint(picture.pixels * 255), samples)
    assert b"A maker" in (picture.exif or b"")


def with_chunk(extra: bytes) -> bytes:
    data = encoded("PNG")
    return data[:33] + extra + data[33:]


BAD_ICC = b"no profile at all" * 20
LONG_ICC = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(3_000_000)))


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (encoded("JPEG", icc_profile=BAD_ICC), "damaged ICC profile dropped"),
        (encoded("PNG", icc_profile=BAD_ICC), "damaged ICC profile dropped"),
        (encoded("WEBP", icc_profile=BAD_ICC), "damaged ICC profile dropped"),
        (encoded("TIFF", icc_profile=BAD_ICC), "damaged ICC profile dropped"),
        (encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\0"), "damaged EXIF data dropped"),
        (encoded("PNG", exif=b"Exif\0\0garbage"), "damaged EXIF data dropped"),
        (encoded("WEBP", exif=b"II*\0\x08\0\0\0\xff\xff"), "damaged EXIF data dropped"),
        (encoded("TIFF", tiffinfo={34665: 99_999_999}), "damaged EXIF data dropped"),
        (with_chunk(chunk(b"iCCP", b"x\0\0not deflate")), "damaged ICC profile dropped"),
        (with_chunk(LONG_ICC), "damaged ICC profile dropped"),
        (with_chunk(chunk(b"tEXt", b"key\0value")[:-1] + b"!"), "damaged PNG metadata dropped"),
    ],
)
def test_damaged_metadata_does_not_stop_reading(
    tmp_path: Path, data: bytes, note: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    picture = read_picture(path)
    assert picture.pixels.shape == (24, 31, 3)
    assert picture.notes == (note,)
    assert (picture.icc, picture.exif) == (None, None)
    assert capfd.readouterr() == ("", "")
