"""Colours that AVIF and HEIC describe without a profile: kept where there is a place for it, else named."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pi_heif
import pytest
from PIL import Image

from described import EXIF, SRGB, XMP
from runir.images import Picture, read_picture, write_picture
from runir.images.boxes import box, colours_of

DATA = Path(__file__).parent / "data"
Y, X = np.mgrid[0:32, 0:40].astype(np.float32)
PIXELS = np.dstack([X / 40, Y / 32, 1 - X / 40])
ALPHA = np.arange(32 * 40, dtype=np.uint32).reshape(32, 40).astype(np.uint8)
P3, HDR, SRGB_BY_NUMBER = (12, 13), (9, 16), (1, 13)


def text(primaries: int, transfer: int) -> tuple[str, bytes]:
    return "cICP", bytes([primaries, transfer, 0, 1])


def renumbered(data: bytes, primaries: int, transfer: int) -> bytes:
    """The file with other numbers in its only colr box."""
    start = data.index(b"colrnclx") + 8
    assert data.count(b"colrnclx") == 1
    return data[:start] + struct.pack(">HH", primaries, transfer) + data[start + 4 :]


def avif(path: Path, numbers: tuple[int, int]) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(PIXELS * 255).astype(np.uint8)).save(buffer, "AVIF", quality=95)
    path.write_bytes(renumbered(buffer.getvalue(), *numbers))
    return path


@pytest.mark.parametrize(
    ("numbers", "read", "named"),
    [
        (P3, (text(*P3),), True),
        (HDR, (text(*HDR),), True),
        ((9, 2), (text(9, 13),), True),  # what is unsaid is sRGB's
        ((1, 1), (text(1, 1),), False),
        (SRGB_BY_NUMBER, (), False),
        ((2, 2), (), False),
        ((300, 13), (), False),
    ],
)
def test_an_avif_keeps_its_colours_in_avif_and_png(
    tmp_path: Path, numbers: tuple[int, int], read: tuple[tuple[str, bytes], ...], named: bool
) -> None:
    picture = read_picture(avif(tmp_path / "a.avif", numbers))
    assert picture.texts == read
    for ending in ("avif", "png"):
        assert write_picture(picture, tmp_path / f"b.{ending}") == ()
        assert read_picture(tmp_path / f"b.{ending}").texts == read
    for ending, name in (("jpg", "JPEG"), ("tif", "TIFF"), ("webp", "WebP")):
        notes = write_picture(picture, tmp_path / f"b.{ending}")
        assert notes == ((f"colour description dropped: {name} cannot hold it",) if named else ())


@pytest.mark.parametrize(
    ("options", "matrix"),
    [
        ({}, 6),
        ({"exif": EXIF, "xmp": XMP, "bits": 10}, 6),
        ({"icc": SRGB}, 6),
        ({"alpha": ALPHA}, 0),
        ({"alpha": ALPHA, "icc": SRGB, "exif": EXIF}, 0),
    ],
    ids=["bare", "described", "profile", "alpha", "alpha and profile"],
)
def test_other_readers_find_the_colours_in_an_avif_and_the_same_pixels(
    tmp_path: Path, options: dict[str, Any], matrix: int
) -> None:
    plain = Picture(PIXELS, **options)
    write_picture(plain, tmp_path / "plain.avif")
    write_picture(replace(plain, texts=(text(*P3),)), tmp_path / "p3.avif")
    assert (tmp_path / "p3.avif").read_bytes().count(b"colrnclx" + struct.pack(">HHHB", *P3, matrix, 128)) == 1
    if plain.icc is None:  # else libheif gives the profile alone
        found = pi_heif.open_heif(tmp_path / "p3.avif").info["nclx_profile"]
        assert (found["color_primaries"], found["transfer_characteristics"]) == P3
        assert (found["matrix_coefficients"], found["full_range_flag"]) == (matrix, 1)
    with Image.open(tmp_path / "plain.avif") as one, Image.open(tmp_path / "p3.avif") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        assert one.info.get("icc_profile") == other.info.get("icc_profile") == options.get("icc")
        assert dict(one.getexif()) == dict(other.getexif())
    before, after = read_picture(tmp_path / "plain.avif"), read_picture(tmp_path / "p3.avif")
    np.testing.assert_array_equal(before.pixels, after.pixels)
    assert (before.icc, before.exif, before.xmp) == (after.icc, after.exif, after.xmp)


def test_a_profile_counts_more(tmp_path: Path) -> None:
    write_picture(Picture(PIXELS, icc=SRGB, texts=(text(*P3),)), tmp_path / "a.avif")
    picture = read_picture(tmp_path / "a.avif")
    assert (picture.icc, picture.texts) == (SRGB, ())


@pytest.mark.parametrize("bits", [8, 10])
def test_a_heic_keeps_its_colours_in_png_and_names_them_in_tiff(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(renumbered((DATA / f"gradient{bits}.heic").read_bytes(), *P3))
    picture = read_picture(path)
    assert picture.texts == (text(*P3),)
    assert write_picture(picture, tmp_path / "a.tif") == ("colour description dropped: TIFF cannot hold it",)
    assert write_picture(picture, tmp_path / "a.png") == ()
    assert read_picture(tmp_path / "a.png").texts == picture.texts


def test_what_a_png_says_goes_into_an_avif_if_it_can(tmp_path: Path) -> None:
    narrow = ("cICP", bytes([*HDR, 0, 0]))
    gamma = ("gAMA", struct.pack(">I", 100000))
    dropped = ("colour description dropped: AVIF cannot hold it",)
    for name, texts, notes in (("a", (narrow,), dropped), ("b", (gamma,), dropped), ("c", (gamma, text(*HDR)), ())):
        assert write_picture(Picture(PIXELS, texts=texts), tmp_path / f"{name}.avif") == notes
    assert read_picture(tmp_path / "c.avif").texts == (text(*HDR),)
    assert write_picture(Picture(PIXELS, texts=(gamma,), icc=SRGB), tmp_path / "d.avif") == ()  # the profile counts


def with_properties(wide: int, many: int) -> bytes:
    """A file of a meta box only, whose second item is the main one and has the second colr box; all of the other kind
    of numbers if `wide`."""
    number, index = (">I", ">H") if wide else (">H", ">B")
    pitm = box(b"pitm", bytes([wide, 0, 0, 0]) + struct.pack(number, 2))
    colr = [box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, 13, 6, 128)) for primaries in (9, 12)]
    ipco = box(b"ipco", box(b"free", b"") * many + colr[0] + colr[1])
    items = [(1, many + 1), (2, many + 2)]
    entries = b"".join(struct.pack(number, item) + b"\1" + struct.pack(index, at) for item, at in items)
    ipma = box(b"ipma", bytes([wide, 0, 0, wide]) + struct.pack(">I", 2) + entries)
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4) + pitm + box(b"iprp", ipco + ipma))


@pytest.mark.parametrize(("wide", "many"), [(0, 0), (0, 125), (1, 0), (1, 300)])
def test_the_colours_are_those_of_the_main_picture(wide: int, many: int) -> None:
    data = with_properties(wide, many)
    assert colours_of(io.BytesIO(data)) == text(*P3)[1]
    for end in range(len(data)):  # cut off, it says nothing, and does no harm
        assert colours_of(io.BytesIO(data[:end])) is None
