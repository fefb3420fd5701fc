"""What write_picture puts into each container, and that it comes back."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from described import EXIF, SRGB, XMP, tags
from runir.errors import RunirError, UsageError
from runir.images import EXTENSIONS, SUPPORTED, Picture, PictureInfo, create_picture, read_picture, write_picture

GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]


def picture(channels: int = 3, alpha: bool = False, size: tuple[int, int] = (23, 38)) -> Picture:
    random = np.random.default_rng(channels)
    pixels = random.integers(0, 256, (*size, channels)).astype(np.float32) / np.float32(255)
    return Picture(pixels, random.integers(0, 256, size, dtype=np.uint8) if alpha else None)


def values(a: Picture) -> NDArray[np.uint8]:
    return np.rint(a.pixels * 255).astype(np.uint8)


@pytest.mark.parametrize("ending", [".png", ".tif", ".tiff", ".webp", ".PNG", ".TiF"])
@pytest.mark.parametrize(("channels", "alpha"), [(1, False), (1, True), (3, False), (3, True)])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (23, 38)])
def test_lossless_round_trip(tmp_path: Path, ending: str, channels: int, alpha: bool, size: tuple[int, int]) -> None:
    path = tmp_path / f"a{ending}"
    before = picture(channels, alpha, size)
    assert write_picture(before, path) == ()
    after = read_picture(path)
    expected = values(before)
    if ending == ".webp":
        expected = np.broadcast_to(expected, (*size, 3))
    np.testing.assert_array_equal(values(after), expected)
    assert (after.alpha is None) == (before.alpha is None)
    if before.alpha is not None and after.alpha is not None:
        np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.format == EXTENSIONS[ending.lower()]
    assert after.lossless


def test_tiff_of_many_strips_is_what_pillow_reads(tmp_path: Path) -> None:
    big = picture(3, True, (700, 900))
    write_picture(replace(big, exif=EXIF), tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert isinstance(image.info["compression"], str)
        assert "deflate" in image.info["compression"]
        np.testing.assert_array_equal(np.asarray(image)[..., :3], values(big))


CARRIED: dict[str, tuple[bytes, bytes, tuple[float, float] | None]] = {
    "jpg": (SRGB, XMP, (300.0, 150.0)),
    "png": (SRGB, XMP, (300.0, 150.0)),
    "webp": (SRGB, XMP, None),
    "tif": (SRGB, XMP, (300.0, 150.0)),
}
"""Ending -> the ICC profile, XMP and resolution that are expected back."""


@pytest.mark.parametrize("ending", CARRIED)
@pytest.mark.parametrize("channels", [1, 3])
def test_metadata_round_trip(tmp_path: Path, ending: str, channels: int) -> None:
    path = tmp_path / f"a.{ending}"
    before = replace(picture(channels), icc=SRGB, exif=EXIF, xmp=XMP, dpi=(300.0, 150.0))
    assert write_picture(before, path) == ()
    after = read_picture(path)
    icc, xmp, dpi = CARRIED[ending]
    assert (after.icc, after.xmp) == (icc, xmp)
    assert tags(after.exif) == tags(EXIF)
    assert len(tags(EXIF)) >= 7
    if ending != "tif":
        assert after.exif == EXIF
    assert after.dpi == (pytest.approx(dpi, rel=1e-3) if dpi else None)
    assert after.notes == ()


@pytest.mark.parametrize("ending", CARRIED)
def test_nothing_is_made_up(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_picture(picture(), path)
    after = read_picture(path)
    assert (after.icc, after.exif, after.xmp, after.dpi, after.alpha, after.notes) == (None,) * 5 + ((),)


def test_rounding_and_clipping(tmp_path: Path) -> None:
    pixels = np.array([[-1, 0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1, 7]], np.float32)[..., None]
    write_picture(Picture(pixels), tmp_path / "a.png")
    assert values(read_picture(tmp_path / "a.png")).ravel().tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert pixels[0, 0, 0] == -1  # the caller's array is left alone


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 1), np.nan, np.float32)
    with pytest.raises(RunirError, match="not numbers"):
        write_picture(Picture(pixels), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_jpeg_keeps_full_colour_resolution_and_heeds_quality(tmp_path: Path) -> None:
    checks = np.indices((32, 32)).sum(axis=0) % 2
    pixels = np.stack([checks, np.zeros_like(checks), 1 - checks], axis=-1).astype(np.float32)
    sizes = []
    for quality in (40, 95, 100):
        path = tmp_path / f"{quality}.jpg"
        write_picture(Picture(pixels), path, quality=quality)
        sizes.append(path.stat().st_size)
        if quality >= 95:
            assert np.abs(read_picture(path).pixels - pixels).max() < 0.1
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1]
    assert write_picture(Picture(pixels), tmp_path / "default.jpg") == ()
    assert (tmp_path / "default.jpg").read_bytes() == (tmp_path / "95.jpg").read_bytes()


def test_jpeg_drops_alpha_and_says_so(tmp_path: Path) -> None:
    before = picture(3, alpha=True)
    assert write_picture(before, tmp_path / "a.jpg") == ("transparency dropped: JPEG cannot hold it",)
    write_picture(replace(before, alpha=None), tmp_path / "b.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


def test_jpeg_drops_what_is_too_long(tmp_path: Path) -> None:
    long_exif = EXIF + bytes(70_000)
    before = replace(picture(), exif=long_exif, xmp=b"x" * 70_000, icc=SRGB + bytes(100_000))
    notes = write_picture(before, tmp_path / "a.jpg")
    assert notes == ("EXIF data dropped: too long for JPEG", "XMP data dropped: too long for JPEG")
    after = read_picture(tmp_path / "a.jpg")
    assert (after.exif, after.xmp, after.icc) == (None, None, before.icc)


@pytest.mark.parametrize("room", [65527, 65528])
def test_the_longest_exif_that_fits_jpeg(tmp_path: Path, room: int) -> None:
    exif = EXIF.ljust(room, b"\0")
    notes = write_picture(replace(picture(), exif=exif), tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").exif == (exif if room == 65527 else None)
    assert bool(notes) == (room != 65527)


def test_webp_follows_the_source(tmp_path: Path) -> None:
    lossy = replace(picture(), format="JPEG", lossless=False)
    write_picture(lossy, tmp_path / "lossy.webp", quality=60)
    write_picture(replace(lossy, lossless=True), tmp_path / "lossless.webp")
    assert not read_picture(tmp_path / "lossy.webp").lossless
    assert (tmp_path / "lossy.webp").stat().st_size < (tmp_path / "lossless.webp").stat().st_size


def test_webp_does_not_label_rgb_with_a_gray_profile(tmp_path: Path) -> None:
    notes = write_picture(replace(picture(1), icc=GRAY_ICC), tmp_path / "a.webp")
    assert notes == ("gray ICC profile dropped: WebP stores gray as RGB",)
    assert read_picture(tmp_path / "a.webp").icc is None
    assert write_picture(replace(picture(1), icc=GRAY_ICC), tmp_path / "a.png") == ()
    assert read_picture(tmp_path / "a.png").icc == GRAY_ICC


def test_tiff_from_big_endian_exif(tmp_path: Path) -> None:
    raw = b"MM\0*\0\0\0\x08" + struct.pack(">HHHII", 1, 271, 2, 6, 26) + bytes(4) + b"Maker\0"
    write_picture(replace(picture(), exif=raw, dpi=(72.5, 72.5)), tmp_path / "a.tif")
    after = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(values(after), values(picture()))
    assert tags(after.exif) == {271: "Maker"}
    assert after.dpi == (72.5, 72.5)


def test_exif_too_damaged_for_tiff_is_left_out_with_a_note(tmp_path: Path) -> None:
    raw = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 271, 2, 600, 9999) + bytes(4)
    notes = write_picture(replace(picture(), exif=raw), tmp_path / "a.tif")
    assert notes == ("EXIF data dropped: damaged",)
    assert read_picture(tmp_path / "a.tif").exif is None


@pytest.mark.parametrize(("ending", "side"), [("jpg", 65501), ("webp", 16384)])
def test_sides_the_container_cannot_hold(tmp_path: Path, ending: str, side: int) -> None:
    with pytest.raises(RunirError, match=rf"a\.{ending}: {side} x 1 is more .* hold .*; write \.png or \.tif"):
        write_picture(Picture(np.zeros((1, side, 1), np.float32)), tmp_path / f"a.{ending}")
    write_picture(Picture(np.zeros((1, side - 1, 1), np.float32)), tmp_path / f"a.{ending}")
    assert read_picture(tmp_path / f"a.{ending}").pixels.shape[1] == side - 1


@pytest.mark.parametrize("name", ["a.gif", "a", "a.heic", ".png", "a.png.bak"])
def test_unknown_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"use one of \.jpg, \.jpeg, \.png, \.webp, \.tif, \.tiff, \.avif"):
        write_picture(picture(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match="1 to 100"):
        write_picture(picture(), tmp_path / "a.jpg", quality=quality)


def test_every_supported_container_has_an_ending() -> None:
    assert set(EXTENSIONS.values()) == set(SUPPORTED)


def test_what_an_encoder_wants_whole_has_a_limit(tmp_path: Path) -> None:
    most, more = (PictureInfo(16384, width, 3, "uint8") for width in (16384, 16385))
    create_picture(tmp_path / "a.avif", most)
    create_picture(tmp_path / "a.tif", more)
    with pytest.raises(RunirError, match=r"a\.avif: 16385 x 16384 is more than .*; write \.tif or \.png instead$"):
        create_picture(tmp_path / "a.avif", more)


def test_big_tiff_is_chosen_by_size_and_keeps_exif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runir.images.tiff._CLASSIC", 1000)
    exif = Image.Exif()
    exif[271] = "A maker of cameras"
    exif.get_ifd(0x8769)[34855] = 800
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.5)
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    samples = np.random.default_rng(0).integers(0, 65536, (700, 900, 3), np.uint16)
    info = PictureInfo(700, 900, 3, "uint16", bits=16, exif=block, xmp=b"<x/>", dpi=(300.0, 150.0))
    with create_picture(tmp_path / "a.tif", info) as writer:
        writer.write(samples)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), samples)
        assert page.tags["Make"].value == "A maker of cameras"  # type: ignore[union-attr]
        assert page.tags["ExifTag"].value["ISOSpeedRatings"] == 800  # type: ignore[union-attr]
    after = read_picture(tmp_path / "a.tif")
    assert (after.xmp, after.dpi) == (b"<x/>", (300.0, 150.0))
    kept = Image.Exif()
    kept.load(after.exif or b"")
    assert kept.get_ifd(0x8769)[34855] == 800
    assert kept.get_ifd(0x8825)[2] == (1.0, 2.0, 3.5)


@pytest.mark.parametrize("pointer", [0x8769, 0x8825])
def test_damage_inside_exif_shows_before_a_big_tiff_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pointer: int
) -> None:
    monkeypatch.setattr("runir.images.tiff._CLASSIC", 1000)
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, pointer, 4, 1, 99_999) + bytes(4)
    samples = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    with create_picture(tmp_path / "a.tif", PictureInfo(70, 90, 3, "uint8", exif=block)) as writer:
        assert writer.notes == ("EXIF data dropped: damaged",)
        writer.write(samples)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), samples)
