"""EXIF data of camera raw files: built here as their makers do, and hurt."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runir.images.boxes import box
from runir.images.messages import UnfitError
from runir.images.rawexif import exif_of_raw

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
FIRST = {271: "Maker", 272: "Camera 1", 274: 6, 305: "Firmware 2.0"}
EXIF = {33434: 0.004, 33437: 8.0, 34855: 3200, 36867: "2024:05:06 07:08:09"}
GPS = {1: "N", 2: (52.0, 30.0, 0.0)}


def block(tags: dict[int, Any], exif: dict[int, Any] | None = None, gps: dict[int, Any] | None = None) -> bytes:
    """A TIFF file of directories alone (Pillow's)."""
    made = Image.Exif()
    made.endian = "<"
    made.update(tags)
    made.get_ifd(34665).update(exif or {})
    made.get_ifd(34853).update(gps or {})
    return made.tobytes().removeprefix(b"Exif\0\0")


def orf() -> bytes:
    return b"IIRO" + block(FIRST, EXIF, GPS)[4:]


def rw2() -> bytes:
    return b"IIU\0" + block(FIRST, EXIF, GPS)[4:]


def raf() -> bytes:
    preview = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(preview, "JPEG", exif=b"Exif\0\0" + block(FIRST, EXIF, GPS))
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0")
    return head + struct.pack(">II", 160, len(preview.getvalue())) + bytes(160 - 92) + preview.getvalue() + b"rest"


def cr3(directories: dict[bytes, bytes] | None = None) -> bytes:
    parts = directories or {b"CMT1": block(FIRST), b"CMT2": block(EXIF), b"CMT3": b"notes", b"CMT4": block(GPS)}
    inner = b"".join(box(name, content) for name, content in parts.items())
    movie = box(b"moov", box(b"mvhd", bytes(12)) + box(b"uuid", CANON + inner))
    large = struct.pack(">I4sQ", 1, b"mdat", 20) + b"data"
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + large + movie


MAKERS = {"ORF": orf, "RW2": rw2, "RAF": raf, "CR3": cr3}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_the_camera_says_is_kept_but_for_the_orientation(kind: str) -> None:
    found = exif_of_raw(io.BytesIO(MAKERS[kind]()))
    assert found is not None
    read = Image.Exif()
    read.load(b"Exif\0\0" + found)
    assert {tag: read[tag] for tag in (271, 272, 305)} == {tag: FIRST[tag] for tag in (271, 272, 305)}
    assert read.get(274, 1) == 1  # the decoder turns the picture
    inner, where = read.get_ifd(34665), read.get_ifd(34853)
    assert {tag: inner[tag] for tag in EXIF} == pytest.approx(EXIF)
    assert (where[1], where[2]) == (GPS[1], GPS[2])


def test_a_file_of_boxes_without_the_makers_one_has_none() -> None:
    assert exif_of_raw(io.BytesIO(box(b"ftyp", b"crx ") + box(b"moov", box(b"mvhd", bytes(12))))) is None
    assert exif_of_raw(io.BytesIO(box(b"ftyp", b"crx ") + box(b"free", bytes(12)))) is None
    assert exif_of_raw(io.BytesIO(cr3({b"CMT2": block(EXIF)}))) is None


def test_directories_of_different_byte_orders_are_damage() -> None:
    other = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 34855, 3, 1, 100 << 16) + bytes(4)
    with pytest.raises(ValueError, match="byte orders"):
        exif_of_raw(io.BytesIO(cr3({b"CMT1": block(FIRST), b"CMT2": other})))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(MAKERS)), st.data())
def test_hurt_files_give_something_nothing_or_damage(kind: str, data: st.DataObject) -> None:
    whole = bytearray(MAKERS[kind]())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    cut = whole[: data.draw(st.integers(16, len(whole)))]
    try:
        found = exif_of_raw(io.BytesIO(cut))
    except (ValueError, UnfitError):
        return
    assert found is None or found[:2] in (b"II", b"MM")
