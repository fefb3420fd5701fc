"""The boxes that AVIF and HEIC files are made of (ISO/IEC 14496-12), and what one of them says of the colours.

A colr box of kind nclx gives colours without a profile (23001-8): numbers for the primaries, the transfer curve, and
the matrix and range of the samples as they are coded. It is a property (23008-12: ipco) that belongs to items (ipma).
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

COLOURS_HEAD = ">4sHH"
_LARGEST_META = 1 << 24
_FULL_RANGE = 0x80
_UNSAID = 2


def box(name: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I", len(content) + 8) + name + content


def boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of the boxes from `place` to `end`, heads included; ValueError for a wrong size."""
    while place + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, place)
        size = size or end - place
        if size < 8 or place + size > end:
            raise ValueError("box of a wrong size")
        yield name, place, place + size
        place += size


def cicp(primaries: int, transfer: int) -> bytes | None:
    """Return PNG's cICP chunk for the two numbers; None where they say sRGB, as a picture is taken for anyway.

    What is left unsaid is that of sRGB. Matrix and range are those of the RGB samples that a decoder gives.
    """
    primaries, transfer = 1 if primaries == _UNSAID else primaries, 13 if transfer == _UNSAID else transfer
    if (primaries, transfer) == (1, 13) or max(primaries, transfer) > 255:
        return None
    return bytes([primaries, transfer, 0, 1])


def colours_of(file: BinaryIO) -> bytes | None:
    """Return what an AVIF file says of the main picture's colours without a profile, as `cicp` does; else None."""
    try:
        meta = _meta(file)
        inner = {name: meta[start + 8 : end] for name, start, end in boxes(meta, 4, len(meta))}
        pitm = inner[b"pitm"]
        (main,) = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)
        for start, end in _properties(inner[b"iprp"], main):
            if (found := inner[b"iprp"][start:end])[4:12] == b"colrnclx":
                return cicp(*struct.unpack_from(">HH", found, 12))
    except (ValueError, KeyError, IndexError, struct.error):
        pass  # whether it is sound is for the decoder to say
    return None


def with_colours(iprp: bytes, item: int, head: bytes, matrix: int) -> bytes:
    """Return an iprp box's content in which the colr box (nclx) of the item begins with `head`; it is made if missing.

    Raises ValueError where a new one has no room.
    """
    for start, _ in _properties(iprp, item):
        if iprp[start + 4 : start + 12] == b"colrnclx":
            return iprp[: start + 8] + head + iprp[start + 8 + len(head) :]
    ipco, ipma = _halves(iprp)
    count = sum(1 for _ in boxes(ipco, 0, len(ipco)))
    wide = ipma[3] & 1
    if count + 1 > (0x7FFF if wide else 0x7F):
        raise ValueError("too many properties")
    out, place = ipma[:8], 8
    for number, start, end in _associations(ipma):
        own = ipma[start:end]
        if number == item:
            own += struct.pack(">H" if wide else ">B", count + 1)
        out += ipma[place : start - 1] + bytes([ipma[start - 1] + (number == item)]) + own
        place = end
    colr = box(b"colr", head + struct.pack(">HB", matrix, _FULL_RANGE))
    return box(b"ipco", ipco + colr) + box(b"ipma", out + ipma[place:])


def _meta(file: BinaryIO) -> bytes:
    """The content of the meta box. Raises ValueError when there is none, or one too large to be meant."""
    meta = content_of(file, b"meta", _LARGEST_META)
    if not meta:
        raise ValueError("no meta box")
    return meta


def content_of(file: BinaryIO, wanted: bytes, largest: int) -> bytes:
    """Return what the first box of this name in a file holds; nothing where there is none, or one too large to be
    meant."""
    place, end = 0, file.seek(0, io.SEEK_END)
    while place + 8 <= end:
        file.seek(place)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        size = size or end - place
        if size < head or (name == wanted and size > largest):
            break
        if name == wanted:
            return file.read(size - head)
        place += size
    return b""


def _halves(iprp: bytes) -> tuple[bytes, bytes]:
    """The contents of ipco and ipma."""
    found = [(name, iprp[start + 8 : end]) for name, start, end in boxes(iprp, 0, len(iprp))]
    if [name for name, _ in found] != [b"ipco", b"ipma"]:
        raise ValueError("iprp of another kind")
    return found[0][1], found[1][1]


def _properties(iprp: bytes, item: int) -> list[tuple[int, int]]:
    """Where the boxes of the item's properties begin and end."""
    kept: list[tuple[int, int]] = []
    indexes: list[int] = []
    for name, start, end in boxes(iprp, 0, len(iprp)):
        if name == b"ipco":
            kept = [(a, b) for _, a, b in boxes(iprp, start + 8, end)]
        elif name == b"ipma":
            ipma = iprp[start + 8 : end]
            step = 1 + (ipma[3] & 1)
            for number, first, last in _associations(ipma):
                if number == item:
                    mask = 0x7FFF if step == 2 else 0x7F
                    numbers = (ipma[k : k + step] for k in range(first, last, step))
                    indexes += [int.from_bytes(number, "big") & mask for number in numbers]
    return [kept[index - 1] for index in indexes if 1 <= index <= len(kept)]


def _associations(ipma: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each item's number, and where its list of properties begins and ends; the byte before is their count."""
    step = 1 + (ipma[3] & 1)
    code = ">I" if ipma[0] else ">H"
    (count,) = struct.unpack_from(">I", ipma, 4)
    place = 8
    for _ in range(count):
        (number,) = struct.unpack_from(code, ipma, place)
        start = place + struct.calcsize(code) + 1
        place = start + ipma[start - 1] * step
        if place > len(ipma):
            raise ValueError("ipma is too short")
        yield number, start, place
