"""TIFF directories, the structure inside TIFF files and EXIF blocks alike: read entries, pack entries."""

import io
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import BinaryIO

SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | {16: 8, 17: 8, 18: 8}
"""Bytes per value of each field type."""
CLASSIC = frozenset(range(1, 14))
"""The field types that may stand outside BigTIFF."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
SHORT, LONG, RATIONAL, BYTE, UNDEFINED, LONG8 = 3, 4, 5, 1, 7, 16

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
XMP, ICC = 700, 34675

Field = tuple[int, int, int, bytes]
"""Tag, type, count, raw values: what `pack` takes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: its number, type, count of values, and where in the block its values begin."""

    tag: int
    kind: int
    count: int
    place: int

    @property
    def size(self) -> int:
        """Bytes that the values take."""
        return self.count * SIZES.get(self.kind, 1)


@dataclass(frozen=True, slots=True)
class Block:
    """A TIFF file or EXIF block: where its bytes are, their order, whether BigTIFF, the first directory."""

    file: BinaryIO
    order: str
    big: bool
    first: int

    def directory(self, offset: int) -> tuple[dict[int, Entry], int]:
        """Return the entries of the directory at `offset`, and where its link to the next one stands.

        Of a tag that occurs twice the first counts. Raises ValueError when the block ends too early.
        """
        count_code, entry_code, room = ("Q", "HHQ", 8) if self.big else ("H", "HHI", 4)
        head = struct.calcsize("<" + entry_code)
        start = offset + struct.calcsize("<" + count_code)
        (count,) = struct.unpack(self.order + count_code, self.bytes_at(offset, start - offset))
        if count > 65535:
            raise ValueError("directory with too many entries")
        step = head + room
        table = self.bytes_at(start, count * step)
        found: dict[int, Entry] = {}
        for i in range(count):
            tag, kind, number = struct.unpack_from(self.order + entry_code, table, i * step)
            place = start + i * step + head
            if number * SIZES.get(kind, 1) > room:
                (place,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), table, i * step + head)
            found.setdefault(tag, Entry(tag, kind, number, place))
        return found, start + count * step

    def bytes_at(self, place: int, size: int) -> bytes:
        """Return exactly `size` bytes; ValueError when the block ends before."""
        # Asked before reading: a made-up count would otherwise reserve gigabytes.
        if place + size > self.file.seek(0, io.SEEK_END):
            raise ValueError("offset beyond the end of the data")
        self.file.seek(place)
        return self.file.read(size)

    def value(self, entry: Entry) -> bytes:
        """Return the raw bytes of an entry's values."""
        return self.bytes_at(entry.place, entry.size)

    def integers(self, entry: Entry | None) -> tuple[int, ...]:
        """Return an entry's unsigned values; none at all for a missing entry or another type."""
        if entry is None or entry.kind not in _INTEGERS:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{_INTEGERS[entry.kind]}", self.value(entry))

    def pointer(self, entry: Entry | None) -> int | None:
        """Return the offset that an entry points to, if it is there and is one."""
        return next(iter(self.integers(entry)), None)


def open_block(data: bytes | bytearray | BinaryIO, numbers: Collection[int] = (42,)) -> Block:
    """Read the eight (BigTIFF: sixteen) bytes at the front; ValueError when they are not a TIFF header.

    numbers: of those, any means TIFF (some camera raw formats have one of their own).
    """
    file = io.BytesIO(data) if isinstance(data, bytes | bytearray) else data
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError("no TIFF header")
    (magic,) = struct.unpack_from(order + "H", head, 2)
    if magic == 43 and len(head) == 16:
        return Block(file, order, True, struct.unpack_from(order + "Q", head, 8)[0])
    if magic not in numbers:
        raise ValueError("no TIFF header")
    return Block(file, order, False, struct.unpack_from(order + "I", head, 4)[0])


def pack(fields: Iterable[Field], order: str, at: int, *, big: bool = False) -> bytes:
    """Return a directory for the offset `at`, as of a BigTIFF file if `big`: long values go right behind it."""
    count_code, head_code, place_code, room = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    ordered = sorted(fields)
    table = struct.pack(order + count_code, len(ordered))
    behind = bytearray()
    free = at + len(table) + (struct.calcsize("<" + head_code) + room) * len(ordered) + room
    for tag, kind, count, raw in ordered:
        table += struct.pack(order + head_code, tag, kind, count)
        if len(raw) <= room:
            table += raw.ljust(room, b"\0")
            continue
        table += struct.pack(order + place_code, free + len(behind))
        behind += raw + b"\0" * (len(raw) & 1)
    return table + bytes(room) + bytes(behind)
