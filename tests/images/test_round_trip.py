"""Container x depth x channels x alpha x metadata: what goes in comes out, seen by other libraries too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

from described import EXIF, SRGB, XMP, tags
from runir.errors import RunirError, UsageError
from runir.images import Picture, from_float, read_picture, to_float, write_picture

ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif"}
DEPTHS = [
    ("JPEG", 8), ("PNG", 8), ("PNG", 16), ("WEBP", 8), ("TIFF", 8), ("TIFF", 16), ("TIFF", 32),
    ("AVIF", 8), ("AVIF", 10), ("AVIF", 12),
]  # fmt: skip
RGB_ONLY = ("WEBP", "AVIF")
LOSSY = {"JPEG": 12, "AVIF": 12}
"""Container -> how far a level of 255 may be off."""


def made(container: str, bits: int, channels: int, alpha: bool) -> tuple[Picture, NDArray[Any]]:
    """A smooth picture with some noise whose every bit counts, and its raw samples."""
    random = np.random.default_rng(bits + channels)
    y, x = np.mgrid[0:41, 0:67].astype(np.float32)
    slopes = [(x + y) / 106, (66 - x + y) / 106, (x * y) / 2640][:channels]
    smooth = np.stack(slopes, axis=-1) * 0.9 + 0.05 + random.normal(0, 0.002, (41, 67, channels))
    if bits == 32:
        raw: NDArray[Any] = (smooth * 1.5 - 0.1).astype(np.float32)
    else:
        levels = np.rint(smooth.clip(0, 1) * (2**bits - 1))
        raw = levels.astype(np.uint8) if bits == 8 else np.rint(levels * 65535 / (2**bits - 1)).astype(np.uint16)
    cover: NDArray[Any] | None = None
    if alpha:
        cover = from_float((random.integers(0, 256, (41, 67)) / 255).astype(np.float32), raw.dtype)
        if bits in (10, 12):
            cover = np.rint(np.rint(cover * ((2**bits - 1) / 65535)) * (65535 / (2**bits - 1))).astype(np.uint16)
        cover[:5] = 0
    return Picture(to_float(raw), cover, container, container not in LOSSY, bits=bits), raw


def decoded(path: Path, container: str, bits: int) -> NDArray[Any]:
    """The same file through another library, h x w x c of levels on the scale that the reader uses."""
    if container == "TIFF":
        found = tifffile.imread(path)
    elif container == "PNG":
        found = imagecodecs.png_decode(path.read_bytes())
    elif container == "AVIF" and bits > 8:
        levels = imagecodecs.avif_decode(path.read_bytes()).astype(np.float64)
        found = np.rint(levels * 65535 / (2**bits - 1)).astype(np.uint16)
    else:
        with Image.open(path) as image:
            found = np.asarray(image)
    return found if found.ndim == 3 else found[..., None]


@pytest.mark.parametrize("described", [False, True], ids=["bare", "described"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("container", "bits"), DEPTHS)
def test_round_trip(tmp_path: Path, container: str, bits: int, channels: int, alpha: bool, described: bool) -> None:
    if container == "JPEG" and alpha:
        alpha = False  # what becomes of it is told in test_write
    before, raw = made(container, bits, channels, alpha)
    if described:
        before = replace(before, icc=SRGB, exif=EXIF, xmp=XMP, dpi=(300.0, 150.0))
    path = tmp_path / f"a.{ENDINGS[container]}"
    notes = write_picture(before, path, quality=98)
    after = read_picture(path)
    exact = ("AVIF with transparency written without loss: quality does not count",)
    assert notes == (exact if container == "AVIF" and alpha else ())
    assert after.notes == ()
    assert (after.format, after.bits, after.lossless) == (container, bits, container not in LOSSY)

    expected = np.broadcast_to(raw, (41, 67, 3)) if container in RGB_ONLY else raw
    got, off = from_float(after.pixels, raw.dtype), LOSSY.get(container, 0)
    assert got.shape == expected.shape
    seen = decoded(path, container, bits)
    off = 0 if alpha else off  # a transparent AVIF is written without loss
    for samples in (got, seen[..., : got.shape[2]]):
        error = np.abs(samples.astype(np.float64) - expected) * (1 if bits in (8, 32) else 255 / 65535)
        assert error.max() <= off

    assert (after.alpha is None) == (not alpha)
    if before.alpha is not None and after.alpha is not None:
        assert after.alpha.dtype == before.alpha.dtype
        np.testing.assert_array_equal(after.alpha, before.alpha)
        np.testing.assert_array_equal(seen[..., -1], before.alpha)

    assert (after.icc, after.xmp) == ((SRGB, XMP) if described else (None, None))
    assert tags(after.exif) == (tags(EXIF) if described else {})
    if container != "TIFF":
        assert after.exif == (EXIF if described else None)
    holds_dpi = described and container not in RGB_ONLY
    assert after.dpi == (pytest.approx((300, 150), rel=1e-3) if holds_dpi else None)


@pytest.mark.parametrize("container", ENDINGS)
def test_other_readers_see_the_metadata(tmp_path: Path, container: str) -> None:
    before, _ = made(container, 8, 3, False)
    path = tmp_path / f"a.{ENDINGS[container]}"
    write_picture(replace(before, icc=SRGB, exif=EXIF, xmp=XMP, dpi=(300.0, 150.0)), path)
    with Image.open(path) as image:
        image.load()
        assert image.info["icc_profile"] == SRGB
        assert image.info["xmp"] == XMP
        exif = image.getexif()
        assert exif[ExifTags.Base.Make] == "Maker"
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (1.0, 2.0, 3.5)
        if container not in RGB_ONLY:
            assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)


@pytest.mark.parametrize(
    ("bits", "ending", "wanted", "stored", "note"),
    [
        (16, "png", None, 16, ""),
        (16, "jpg", None, 8, "16 bits per channel reduced to 8 bits: JPEG holds no more"),
        (16, "avif", None, 12, "16 bits per channel reduced to 12 bits: AVIF holds no more"),
        (32, "png", None, 16, "floating point per channel reduced to 16 bits: PNG holds no more"),
        (10, "tif", None, 16, ""),
        (12, "webp", None, 8, "12 bits per channel reduced to 8 bits: WebP holds no more"),
        (16, "tif", 8, 8, ""),
        (8, "tif", 32, 32, ""),
        (8, "png", 16, 16, ""),
        (8, "avif", 10, 10, ""),
    ],
)
def test_depth_follows_picture_container_and_wish(
    tmp_path: Path, bits: int, ending: str, wanted: int | None, stored: int, note: str
) -> None:
    before, _ = made("PNG", bits, 3, ending not in ("jpg", "avif"))
    path = tmp_path / f"a.{ending}"
    assert write_picture(before, path, bit_depth=wanted, quality=98) == ((note,) if note else ())
    after = read_picture(path)
    assert after.bits == stored
    limit = 12 / 255 if ending in ("jpg", "avif") else 0.51 / (2 ** min(stored, 16) - 1) + 1e-6
    assert np.abs(after.pixels - before.pixels.clip(0, 1)).max() <= limit


@pytest.mark.parametrize(("ending", "wanted"), [("jpg", 16), ("png", 32), ("webp", 16), ("avif", 16), ("tif", 12)])
def test_depth_that_the_container_has_not(tmp_path: Path, ending: str, wanted: int) -> None:
    with pytest.raises(UsageError, match=f"has no {wanted} bits per channel; use "):
        write_picture(made("PNG", 8, 3, False)[0], tmp_path / f"a.{ending}", bit_depth=wanted)
    assert list(tmp_path.iterdir()) == []


def test_format_overrides_the_ending(tmp_path: Path) -> None:
    before, raw = made("PNG", 16, 3, False)
    write_picture(before, tmp_path / "a.out", format="tiff")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.out"), raw)
    with pytest.raises(UsageError, match="format gif cannot be written; use one of jpeg, png"):
        write_picture(before, tmp_path / "b.out", format="gif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"tile": (32, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"rowsperstrip": 7},
        {"compression": "lzw"},
        {"compression": "adobe_deflate", "predictor": True},
        {"compression": "packbits"},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
def test_tiff_of_others(tmp_path: Path, dtype: Any, channels: int, how: dict[str, Any]) -> None:
    raw = made("TIFF", 32, channels, False)[1]
    raw = raw.astype(dtype) if np.dtype(dtype).kind == "f" else from_float(raw, dtype)
    stored = raw[..., 0] if channels == 1 else np.moveaxis(raw, 2, 0) if "planarconfig" in how else raw
    if channels == 1:
        how = {k: v for k, v in how.items() if k != "planarconfig"}
    elif raw.dtype == np.float16 and "planarconfig" in how:
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **how)
        with pytest.raises(RunirError, match="16-bit floats in separate planes"):
            read_picture(tmp_path / "a.tif")
        return
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack" if channels == 1 else "rgb", **how)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bits == {1: 8, 2: 16, 4: 32}[4 if raw.dtype.kind == "f" else raw.dtype.itemsize]
    np.testing.assert_array_equal(picture.pixels, to_float(raw.astype(np.float32) if raw.dtype.kind == "f" else raw))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_premultiplied_tiff_becomes_straight(tmp_path: Path, dtype: Any) -> None:
    before = made("TIFF", 32, 3, True)[0]
    alpha = from_float(np.clip(to_float(np.asarray(before.alpha)), 0.1, 1), dtype)
    straight = before.pixels.clip(0, 1)
    joined = np.concatenate([from_float(straight * to_float(alpha)[..., None], dtype), alpha[..., None]], axis=2)
    tifffile.imwrite(tmp_path / "a.tif", joined, photometric="rgb", extrasamples=["assocalpha"])
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.alpha, alpha)
    # Half a level of the premultiplied colour is up to five when a tenth is visible.
    assert np.abs(picture.pixels - straight).max() <= (1e-5 if dtype == np.float32 else 6 / np.iinfo(dtype).max)
    assert picture.notes == ("premultiplied colour divided by alpha",)


def test_white_is_zero_tiff(tmp_path: Path) -> None:
    raw = made("TIFF", 8, 1, False)[1]
    tifffile.imwrite(tmp_path / "a.tif", raw[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(from_float(read_picture(tmp_path / "a.tif").pixels, np.uint8), 255 - raw)


def test_not_a_number_in_a_float_tiff_is_read_as_it_is(tmp_path: Path) -> None:
    raw = made("TIFF", 32, 3, False)[1]
    raw[3, 4], raw[5, 6, 1], raw[7, 8, 2] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", raw, photometric="rgb")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, raw)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_others(tmp_path: Path, bits: int) -> None:
    raw = made("AVIF", bits, 3, False)[1]
    levels = np.rint(raw / np.iinfo(raw.dtype).max * (2**bits - 1)).astype(raw.dtype)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(levels, level=100, bitspersample=bits))
    picture = read_picture(tmp_path / "a.avif")
    assert picture.bits == bits
    np.testing.assert_array_equal(from_float(picture.pixels, raw.dtype), raw)


def test_avif_turned_by_its_own_boxes(tmp_path: Path) -> None:
    samples = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8), 16, 0), 16, 1)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(samples).save(tmp_path / "a.avif", quality=100, exif=exif, subsampling="4:4:4")
    picture = read_picture(tmp_path / "a.avif")
    assert picture.pixels.shape == (96, 64, 3)
    assert np.abs(picture.pixels * 255 - np.rot90(samples, -1)).max() < 8


def test_progressive_jpeg(tmp_path: Path) -> None:
    Image.fromarray(made("PNG", 8, 3, False)[1]).save(tmp_path / "a.jpg", progressive=True, quality=95)
    with Image.open(tmp_path / "a.jpg") as reference:
        assert np.abs(read_picture(tmp_path / "a.jpg").pixels * 255 - np.asarray(reference)).max() <= 1.01


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiff_compression_that_is_not_built_in(tmp_path: Path, compression: str, tile: tuple[int, int] | None) -> None:
    raw = made("TIFF", 8, 3, False)[1]
    tifffile.imwrite(tmp_path / "a.tif", raw, photometric="rgb", compression=compression, tile=tile)
    with pytest.raises(RunirError, match="damaged, cut off or of a rare kind"):
        read_picture(tmp_path / "a.tif")
