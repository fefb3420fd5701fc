"""EXIF, XMP, ICC and resolution: kept as the bytes they are, changed only where being upright needs it."""

import re
import struct
from collections.abc import Mapping

from runir.images import ifd, iptc

DESCRIPTIVE = frozenset(
    {269, 270, 271, 272, 285, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432, iptc.TIFF_TAG}
    | set(range(40091, 40096))
    | {ifd.EXIF_IFD, ifd.GPS_IFD}
)
"""Tags of a first directory that say something about the picture rather than about how it is stored."""

_PIXEL_WIDTH, _PIXEL_HEIGHT = 40962, 40963
_ORIENTATION_IN_XMP = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))[2-8]")


def upright_exif(raw: bytes) -> tuple[bytes, int]:
    """Return the EXIF block made true of an upright picture, and the orientation (1 to 8) it asked for.

    The orientation tag becomes 1, width and height change places when the picture is turned by a quarter, and
    the embedded thumbnail, which shows the old picture, is unlinked. All other bytes stay where they are, so
    that maker notes keep working. Raises ValueError when the block is damaged.
    """
    body = bytearray(re.sub(rb"\A(?:Exif\0\0)+", b"", raw))
    block = ifd.open_block(body)
    if block.big:
        raise ValueError("EXIF as BigTIFF")
    entries, link = block.directory(block.first)
    orientation = 1
    entry = entries.get(ifd.ORIENTATION)
    if entry is not None and (values := block.integers(entry)):
        orientation = values[0] if 1 <= values[0] <= 8 else 1
        body[entry.place : entry.place + entry.size] = _one(block.order, entry)
    if len(body) >= link + 4:
        body[link : link + 4] = bytes(4)
    if orientation >= 5:
        _swap_sizes(block, entries.get(ifd.EXIF_IFD), body)
    return bytes(body), orientation


def _one(order: str, entry: ifd.Entry) -> bytes:
    width = ifd.SIZES.get(entry.kind, 1)
    first = (1).to_bytes(width, "little" if order == "<" else "big")
    return (first + bytes(entry.size))[: entry.size]


def _swap_sizes(block: ifd.Block, pointer: ifd.Entry | None, body: bytearray) -> None:
    try:
        where = block.pointer(pointer)
        entries = block.directory(where)[0] if where is not None else {}
    except ValueError:
        return  # a damaged sub-directory is passed on as it came
    across, down = entries.get(_PIXEL_WIDTH), entries.get(_PIXEL_HEIGHT)
    if across is None or down is None or max(across.size, down.size) > 4:
        return
    # Type, count and value all move, so that a SHORT beside a LONG stays right.
    one, other = slice(across.place - 6, across.place + 4), slice(down.place - 6, down.place + 4)
    body[one], body[other] = body[other], body[one]


def upright_xmp(raw: bytes) -> bytes:
    """Return XMP in which the orientation, if it is given there, is 1."""
    return _ORIENTATION_IN_XMP.sub(rb"\g<1>1", raw)


Place = tuple[ifd.Block, int]
"""A directory: the block that it is in, and its offset there."""


def exif_from_tiff(block: ifd.Block) -> bytes | None:
    """Return the descriptive part of a TIFF file as an EXIF block, or None if there is none.

    Raises ValueError when the directories are damaged.
    """
    entries = block.directory(block.first)[0]
    exif, gps = (
        (block, where) if (where := block.pointer(entries.get(tag))) is not None else None
        for tag in (ifd.EXIF_IFD, ifd.GPS_IFD)
    )
    return exif_from_directories(block, exif, gps)


def exif_from_directories(first: ifd.Block, exif: Place | None, gps: Place | None) -> bytes | None:
    """Return the descriptive part of a first directory with these two as an EXIF block, or None if that is nothing.

    Raises ValueError when they are damaged.
    """
    entries = {tag: e for tag, e in first.directory(first.first)[0].items() if tag in DESCRIPTIVE}
    data = (b"II*\0" if first.order == "<" else b"MM\0*") + bytes(4)
    pointers: dict[int, int] = {}
    for tag, place in ((ifd.GPS_IFD, gps), (ifd.EXIF_IFD, exif)):
        entries.pop(tag, None)
        if place is not None:
            if place[0].order != first.order:
                raise ValueError("directories of different byte orders")
            data, pointers[tag] = _copy_directory(*place, data)
    if not entries and not pointers:
        return None
    packed = ifd.pack(_fields(first, entries, pointers), first.order, len(data))
    return data[:4] + struct.pack(first.order + "I", len(data)) + data[8:] + packed


def _copy_directory(block: ifd.Block, where: int, data: bytes) -> tuple[bytes, int]:
    """Append a copy of the directory at `where` (and its interoperability directory) to `data`."""
    entries = block.directory(where)[0]
    pointers: dict[int, int] = {}
    if (inner := block.pointer(entries.pop(ifd.INTEROP_IFD, None))) is not None:
        inner_entries = block.directory(inner)[0]
        pointers[ifd.INTEROP_IFD] = len(data)
        data += ifd.pack(_fields(block, inner_entries, {}), block.order, len(data))
    start = len(data)
    return data + ifd.pack(_fields(block, entries, pointers), block.order, start), start


def _fields(block: ifd.Block, entries: Mapping[int, ifd.Entry], pointers: Mapping[int, int]) -> list[ifd.Field]:
    copied = [(e.tag, e.kind, e.count, block.value(e)) for e in entries.values() if e.kind in ifd.CLASSIC]
    linked = [(tag, ifd.LONG, 1, struct.pack(block.order + "I", to)) for tag, to in pointers.items()]
    return copied + linked


def clean_dpi(value: object) -> tuple[float, float] | None:
    """Return (across, down) in dots per inch, or None for what is missing or cannot be meant."""
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    try:
        across, down = float(value[0]), float(value[1])
    except (TypeError, ValueError, ArithmeticError):
        return None
    # One dot per inch is what writers put when they know nothing; NaN fails both comparisons.
    return (across, down) if 1 < across <= 65535 and 1 < down <= 65535 else None


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Return the resolution an EXIF block gives, for containers that have no field of their own."""
    try:
        block = ifd.open_block(exif)
        return resolution(block, block.directory(block.first)[0])
    except ValueError:
        return None


def resolution(block: ifd.Block, entries: Mapping[int, ifd.Entry]) -> tuple[float, float] | None:
    """Return (across, down) in dots per inch as a TIFF or EXIF directory gives it, if it does."""
    try:
        pair = [block.value(entries[tag]) for tag in (ifd.X_RESOLUTION, ifd.Y_RESOLUTION)]
        across, down = (top / bottom for top, bottom in (struct.unpack(block.order + "II", p) for p in pair))
        unit = (block.integers(entries.get(ifd.RESOLUTION_UNIT)) or (2,))[0]
    except (ValueError, KeyError, struct.error, ZeroDivisionError):
        return None
    scale = {2: 1.0, 3: 2.54}.get(unit)
    return clean_dpi((across * scale, down * scale)) if scale else None


def valid_icc(profile: bytes) -> bool:
    """Whether these bytes are an ICC profile: its header, and a table of tags that all lie within it (ICC.1:2010)."""
    size = int.from_bytes(profile[:4], "big")
    if len(profile) < 132 or profile[36:40] != b"acsp" or not 132 <= size <= len(profile):
        return False
    count = int.from_bytes(profile[128:132], "big")
    if not 1 <= count <= 1024 or 132 + 12 * count > size:
        return False
    places = (struct.unpack_from(">II", profile, 136 + 12 * k) for k in range(count))
    return all(start + length <= size for start, length in places)
