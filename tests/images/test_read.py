"""What read_picture gives for sound files: shape, values, alpha, orientation, metadata, notes."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps

from runir.images import Picture, read_picture

Bytes = NDArray[np.uint8]


def drawn(height: int, width: int, channels: int, seed: int = 0) -> Bytes:
    """Noise over a slope: every value occurs and no two rows or columns are alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def as_image(samples: Bytes) -> Image.Image:
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def values(picture: Picture) -> Bytes:
    return np.rint(picture.pixels * 255).astype(np.uint8)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (37, 53)])
def test_lossless_colour_is_exact(tmp_path: Path, ending: str, height: int, width: int) -> None:
    samples = drawn(height, width, 3)
    path = save(tmp_path, f"a.{ending}", as_image(samples), **({"lossless": True} if ending == "webp" else {}))
    picture = read_picture(path)
    assert picture.pixels.dtype == np.float32
    assert picture.pixels.shape == (height, width, 3)
    np.testing.assert_array_equal(values(picture), samples)
    assert (picture.alpha, picture.lossless, picture.notes) == (None, True, ())


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_gray_stays_one_channel(tmp_path: Path, ending: str) -> None:
    samples = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 9, axis=0)
    picture = read_picture(save(tmp_path, f"a.{ending}", as_image(samples)))
    assert picture.pixels.shape == (9, 64, 1)
    assert np.abs(values(picture).astype(int) - samples).max() <= (4 if ending == "jpg" else 0)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_kept_apart_and_exact(tmp_path: Path, ending: str, channels: int) -> None:
    samples = drawn(11, 7, channels)
    picture = read_picture(save(tmp_path, f"a.{ending}", as_image(samples)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, samples[..., -1])
    np.testing.assert_array_equal(values(picture), samples[..., :-1])


def test_palette_becomes_rgb_with_a_note(tmp_path: Path) -> None:
    image = as_image(drawn(20, 21, 3)).quantize(17)
    picture = read_picture(save(tmp_path, "a.png", image))
    np.testing.assert_array_equal(values(picture), np.asarray(image.convert("RGB")))
    assert picture.alpha is None
    assert picture.notes == ("palette expanded to RGB",)


@pytest.mark.parametrize("transparency", [3, bytes([0, 40, 255, 128])])
def test_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.fromarray(drawn(8, 8, 1)[..., 0] % 5).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150])
    path = save(tmp_path, "a.png", image, transparency=transparency)
    table = np.full(5, 255, np.uint8)
    if isinstance(transparency, bytes):
        table[: len(transparency)] = list(transparency)
    else:
        table[transparency] = 0
    picture = read_picture(path)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, table[np.asarray(image)])


def test_one_bit_becomes_gray(tmp_path: Path) -> None:
    bits = drawn(9, 13, 1)[..., 0] > 127
    picture = read_picture(save(tmp_path, "a.png", Image.fromarray(bits)))
    np.testing.assert_array_equal(picture.pixels[..., 0], bits.astype(np.float32))
    assert picture.notes == ("1-bit black and white expanded to gray",)


def test_transparent_value_of_a_4_bit_gray_png(tmp_path: Path) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0))
    data = png_chunk(b"tRNS", b"\0\5") + png_chunk(b"IDAT", zlib.compress(b"\0\x5a"))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b""))
    picture = read_picture(path)
    assert values(picture).ravel().tolist() == [5 * 17, 10 * 17]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255]]


def test_transparent_colour_of_an_rgb_png(tmp_path: Path) -> None:
    samples = drawn(4, 4, 3)
    key = tuple(int(v) for v in samples[2, 1])
    picture = read_picture(save(tmp_path, "a.png", as_image(samples), transparency=key))
    assert picture.alpha is not None
    assert np.argwhere(picture.alpha == 0).tolist() == [[2, 1]]
    np.testing.assert_array_equal(values(picture), samples)


def test_cmyk_jpeg_becomes_srgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture = read_picture(save(tmp_path, "a.jpg", image, quality=100))
    # Printed red is darker than the reddest red of a screen; white paper stays white.
    assert np.abs(values(picture).astype(int) - [231, 0, 17]).max() <= 25
    assert "CMYK converted to sRGB" in picture.notes[0]
    paper = save(tmp_path, "b.jpg", Image.new("CMYK", (16, 16)), quality=100)
    assert values(read_picture(paper)).min() >= 254


def test_cmyk_with_a_profile_of_another_kind_still_reads(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture = read_picture(save(tmp_path, "a.jpg", image, quality=100, icc_profile=srgb_profile()))
    assert picture.notes == ("CMYK converted to sRGB without a colour profile: colours are approximate",)
    assert picture.icc is None


def test_ycbcr_tiff_by_jpeg(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 32), (200, 100, 50)).convert("YCbCr")
    picture = read_picture(save(tmp_path, "a.tif", image, compression="jpeg", quality=100))
    assert np.abs(values(picture).astype(int) - [200, 100, 50]).max() <= 3


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = orientation
    inner = {"ExifImageWidth": 14, "ExifImageHeight": 9, "ISOSpeedRatings": 800}
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base[name].value: v for name, v in inner.items()})
    return exif.tobytes()


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(tmp_path: Path, ending: str, orientation: int) -> None:
    options = {"lossless": True} if ending == "webp" else {"quality": 95}
    image = as_image(drawn(9, 14, 3))
    path = save(tmp_path, f"a.{ending}", image, exif=oriented(orientation), dpi=(100, 200), **options)
    picture = read_picture(path)
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    np.testing.assert_array_equal(values(picture), upright)
    kept = Image.Exif()
    kept.load(picture.exif or b"")
    assert kept[ExifTags.Base.Orientation] == 1
    assert kept[ExifTags.Base.Make] == "Maker"
    inner = kept.get_ifd(ExifTags.IFD.Exif)
    size = inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight]
    assert size == ((9, 14) if orientation >= 5 else (14, 9))
    if ending != "webp":
        assert picture.dpi == pytest.approx((200, 100) if orientation >= 5 else (100, 200), rel=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_a_tiff(tmp_path: Path, orientation: int) -> None:
    samples = drawn(9, 14, 3)
    path = save(tmp_path, "a.tif", as_image(samples), tiffinfo={274: orientation}, dpi=(100, 200))
    reference = Image.new("RGB", (14, 9))
    reference.putdata([tuple(v) for v in samples.reshape(-1, 3).tolist()])
    reference.getexif()[274] = orientation
    picture = read_picture(path)
    np.testing.assert_array_equal(values(picture), np.asarray(ImageOps.exif_transpose(reference)))
    assert picture.dpi == ((200, 100) if orientation >= 5 else (100, 200))


def test_alpha_turns_with_the_pixels(tmp_path: Path) -> None:
    samples = drawn(5, 8, 4)
    picture = read_picture(save(tmp_path, "a.png", as_image(samples), exif=oriented(6)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, np.rot90(samples[..., 3], -1))


@pytest.mark.parametrize("name", ["фото.png", "写真 1.png", "naïve – été.png", "line\nbreak.png"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    assert read_picture(save(tmp_path, name, as_image(drawn(3, 3, 3)))).pixels.shape == (3, 3, 3)


def test_content_counts_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    as_image(drawn(3, 4, 3)).save(path, format="PNG")
    assert read_picture(path).format == "PNG"


def frames(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        first, second = (as_image(drawn(6, 6, 3, seed)) for seed in (1, 2))
        options = {"lossless": True} if ending == "webp" else {}
        return save(folder, f"a.{ending}", first, save_all=True, append_images=[second], **options)

    return make


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "mpo"])
def test_only_the_first_frame_is_read_and_told(tmp_path: Path, ending: str) -> None:
    picture = read_picture(frames(ending)(tmp_path))
    assert any("first" in note for note in picture.notes)
    assert picture.format == {"tif": "TIFF", "mpo": "JPEG"}.get(ending, ending.upper())
    if ending != "mpo":
        np.testing.assert_array_equal(values(picture), drawn(6, 6, 3, 1))
