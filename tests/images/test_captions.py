"""IPTC records, comments of JPEG files, texts of PNG files: kept where there is a place for them, else named."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, IptcImagePlugin, PngImagePlugin

from runir.images import Picture, read_picture, write_picture

PIXELS = np.random.default_rng(5).random((8, 9, 3), np.float32)


def record(dataset: int, text: str) -> bytes:
    """One IPTC-IIM record of the application group."""
    data = text.encode()
    return struct.pack(">BBBH", 0x1C, 2, dataset, len(data)) + data


IPTC = record(120, "A boat at dusk") + record(25, "sea") + record(25, "boats") + record(80, "Me")


def photoshop(kind: int, data: bytes, name: bytes = b"") -> bytes:
    """A resource block as Photoshop writes it: name and data padded to even lengths."""
    named = bytes([len(name)]) + name
    named += bytes(len(named) % 2)
    return b"8BIM" + struct.pack(">H", kind) + named + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((PIXELS * 255).astype(np.uint8)).save(buffer, "JPEG")
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    return buffer.getvalue()[:2] + extra + buffer.getvalue()[2:]


def in_app13(*resources: bytes) -> list[tuple[int, bytes]]:
    return [(0xED, b"Photoshop 3.0\0" + data) for data in resources]


def known(path: Path) -> dict[tuple[int, int], object]:
    """The records as Pillow finds them."""
    with Image.open(path) as image:
        return dict(IptcImagePlugin.getiptcinfo(image) or {})


WHOLE = photoshop(0x040C, b"\1" * 301, b"thumb") + photoshop(0x0404, IPTC) + photoshop(0x03ED, bytes(16))


@pytest.mark.parametrize(
    "segments",
    [in_app13(WHOLE), in_app13(WHOLE[:400], WHOLE[400:]), in_app13(photoshop(0x0404, IPTC, b"ab"))],
    ids=["among others", "over two segments", "with a name"],
)
def test_iptc_of_a_jpeg_is_read(tmp_path: Path, segments: list[tuple[int, bytes]]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(*segments))
    picture = read_picture(tmp_path / "a.jpg")
    assert (picture.iptc, picture.notes) == (IPTC, ())


@pytest.mark.parametrize(
    "data",
    [WHOLE[:350], photoshop(0x0404, b"no records"), b"8BIM\4\4\0\0\xff\xff\xff\xff\x1c", b"8BIM\4", b"", b"8BI"],
)
def test_damaged_photoshop_resources_do_no_harm(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(*in_app13(data)))
    assert read_picture(tmp_path / "a.jpg").iptc is None


@pytest.mark.parametrize("ending", ["jpg", "tif", "png"])
def test_iptc_comes_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    assert write_picture(Picture(PIXELS, iptc=IPTC), path) == ()
    assert read_picture(path).iptc == IPTC
    if ending != "png":  # Pillow looks at JPEG and TIFF only
        assert known(path) == {(2, 120): b"A boat at dusk", (2, 25): [b"sea", b"boats"], (2, 80): b"Me"}


def test_iptc_in_png_is_what_imagemagick_writes(tmp_path: Path) -> None:
    write_picture(Picture(PIXELS, iptc=IPTC), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        text = image.text["Raw profile type iptc"]
    start, name, length, *lines = text.split("\n")
    assert (start, name, lines[-1]) == ("", "iptc", "")
    assert all(len(line) == 72 for line in lines[:-2])
    data = bytes.fromhex("".join(lines))
    assert data == photoshop(0x0404, IPTC)
    assert int(length) == len(data)


def test_iptc_of_a_tiff_is_kept_once_and_goes_into_a_jpeg(tmp_path: Path) -> None:
    Image.fromarray((PIXELS * 255).astype(np.uint8)).save(tmp_path / "a.tif", tiffinfo={33723: IPTC})
    picture = read_picture(tmp_path / "a.tif")
    for ending in ("tif", "jpg"):
        write_picture(picture, tmp_path / f"b.{ending}")
        assert known(tmp_path / f"b.{ending}")[2, 80] == b"Me"
    with Image.open(tmp_path / "b.tif") as image:
        assert image.tag_v2[33723] == IPTC  # type: ignore[attr-defined]


def test_what_cannot_hold_iptc_says_so(tmp_path: Path) -> None:
    for ending, name in (("webp", "WebP"), ("avif", "AVIF")):
        told = write_picture(Picture(PIXELS, iptc=IPTC), tmp_path / f"a.{ending}")
        assert told == (f"IPTC data dropped: {name} cannot hold it",)
    long = record(120, "x" * 32000) * 3
    assert write_picture(Picture(PIXELS, iptc=long), tmp_path / "a.jpg") == ("IPTC data dropped: too long for JPEG",)
    assert read_picture(tmp_path / "a.jpg").iptc is None


def test_the_longest_iptc_that_fits_a_jpeg(tmp_path: Path) -> None:
    room = 65533 - 14 - 12 - 1  # of a segment: Photoshop's name, the head of the resource, a byte to make it even
    fits = record(120, "x" * 32000) + record(122, "y" * (room - 32000 - 10))
    assert write_picture(Picture(PIXELS, iptc=fits), tmp_path / "a.jpg") == ()
    assert read_picture(tmp_path / "a.jpg").iptc == fits


COMMENTS = (b"taken from the pier", "größer".encode())


def test_comments_of_a_jpeg_stay_and_are_named_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(*((0xFE, data) for data in COMMENTS)))
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.texts == tuple(("COM", data) for data in COMMENTS)
    assert write_picture(picture, tmp_path / "b.jpg") == ()
    assert read_picture(tmp_path / "b.jpg").texts == picture.texts
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["comment"] == COMMENTS[-1]
    assert write_picture(picture, tmp_path / "b.png") == ("JPEG comment dropped: PNG cannot hold it",)


def described_png(path: Path) -> dict[str, str]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Pier")
    texts.add_text("parameters", "a boat, steps: 20 " * 40, zip=True)
    texts.add_itxt("Comment", "größer", "de", "Kommentar")
    Image.fromarray((PIXELS * 255).astype(np.uint8)).save(path, pnginfo=texts)
    with Image.open(path) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        return dict(image.text)


def test_texts_of_a_png_stay_and_are_named_elsewhere(tmp_path: Path) -> None:
    before = described_png(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert write_picture(replace(picture, xmp=b"<x/>"), tmp_path / "b.png") == ()
    with Image.open(tmp_path / "b.png") as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        after = {key: text for key, text in image.text.items() if key != "XML:com.adobe.xmp"}
        assert after == before
        assert (image.text["Comment"].lang, image.text["Comment"].tkey) == ("de", "Kommentar")  # type: ignore[union-attr]
    assert write_picture(picture, tmp_path / "b.jpg") == ("PNG text dropped: JPEG cannot hold it",)
    assert write_picture(picture, tmp_path / "b.tif") == ("PNG text dropped: TIFF cannot hold it",)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [
        (b"gAMA", struct.pack(">I", 45455), struct.pack(">I", 100000)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), bytes(32)),
        (b"cICP", bytes([1, 13, 0, 1]), bytes([9, 16, 0, 1])),
        (b"sRGB", b"\1", None),
    ],
)
def test_what_a_png_says_of_its_colours_stays_and_is_named_elsewhere(
    tmp_path: Path, name: bytes, usual: bytes, other: bytes | None
) -> None:
    described_png(tmp_path / "a.png")
    plain = (tmp_path / "a.png").read_bytes()
    for said, noted in ((usual, False), (other, True)):
        if said is None:
            continue
        (tmp_path / "a.png").write_bytes(plain[:33] + chunk(name, said) + plain[33:])
        picture = read_picture(tmp_path / "a.png")
        assert write_picture(picture, tmp_path / "b.png", overwrite=True) == ()
        written = (tmp_path / "b.png").read_bytes()
        assert written.count(chunk(name, said)) == 1
        assert written.index(name) < written.index(b"IDAT")
        notes = write_picture(picture, tmp_path / "b.webp", overwrite=True)
        assert ("colour description dropped: WebP cannot hold it" in notes) is noted


def test_more_text_than_can_be_meant_is_left_out_and_named(tmp_path: Path) -> None:
    described_png(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    huge = b"".join(chunk(b"tEXt", b"k%d\0" % n + b"x" * (6 << 20)) for n in range(3))
    (tmp_path / "a.png").write_bytes(data[:33] + huge + data[33:])
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ("PNG metadata dropped: more than 16 MiB",)
    assert sum(len(text) for _, text in picture.texts) <= 16 << 20


def test_extended_xmp_is_named(tmp_path: Path) -> None:
    extended = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + b"<x/>"
    (tmp_path / "a.jpg").write_bytes(jpeg((0xE1, extended), (0xE1, extended)))
    assert read_picture(tmp_path / "a.jpg").notes == ("extended XMP data dropped",)


def test_a_fault_is_told_in_its_own_words(tmp_path: Path) -> None:
    """libvips has one text for all faults and adds to it, even to one that nobody asked for."""
    import pyvips

    from runir.errors import RunirError

    assert not pyvips.vips_lib.vips_foreign_find_load(b"/elsewhere/other.jpg")  # leaves its words behind
    data = bytearray(jpeg())
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(RunirError, match=r"a\.jpg: ") as told:
        read_picture(tmp_path / "a.jpg")
    assert "other.jpg" not in str(told.value)
    assert "JPEG data are damaged" in str(told.value)
