"""Walks over the segments and chunks that JPEG, PNG and WebP files are made of."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from runir.images.messages import UnfitError

EXIF_IN_JPEG, XMP_IN_JPEG, ICC_IN_JPEG = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
"""How segments of JPEG files begin that hold these."""
PNG_ESSENTIAL = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""The chunks that make up a PNG picture; all others only say something about it."""


def truncated() -> UnfitError:
    """The error for a file that ends too early."""
    return UnfitError("the file is truncated", "copy or download it again")


def jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, content) of each segment before the first scan; stops where the file is no longer JPEG."""
    file.seek(2)
    while True:
        prefix = file.read(2)
        while prefix == b"\xff\xff":
            prefix = b"\xff" + file.read(1)
        if len(prefix) < 2 or prefix[0] != 0xFF or prefix[1] in (0xD9, 0xDA):
            return
        if 0xD0 <= prefix[1] <= 0xD7 or prefix[1] == 1:
            continue
        length = int.from_bytes(file.read(2), "big")
        content = file.read(max(0, length - 2))
        if length < 2 or len(content) != length - 2:
            return
        yield prefix[1], content


def png_chunks(file: BinaryIO) -> list[tuple[bytes, int, int]]:
    """Return (name, start, data length) of every chunk up to IEND; UnfitError when the file ends earlier."""
    chunks = []
    end = file.seek(0, io.SEEK_END)
    start = 8
    name = b""
    while name != b"IEND":
        file.seek(start)
        prefix = file.read(8)
        length, name = struct.unpack(">I4s", prefix) if len(prefix) == 8 else (0, b"")
        if not name or start + 12 + length > end:
            raise truncated()
        chunks.append((name, start, length))
        start += 12 + length
    return chunks


def crc_holds(file: BinaryIO, start: int, size: int) -> bool:
    """Whether the checksum behind `size` bytes from `start` is theirs."""
    file.seek(start)
    crc = 0
    while size > 0:
        data = file.read(min(size, 1 << 20))
        crc = zlib.crc32(data, crc)
        size -= len(data)
    return file.read(4) == crc.to_bytes(4, "big")


def png_without_extras(file: BinaryIO) -> bytes:
    """Return a PNG file reduced to the chunks that make up the picture, for when another one is damaged."""
    file.seek(0)
    kept = [file.read(8)]
    for name, start, length in png_chunks(file):
        if name in PNG_ESSENTIAL:
            file.seek(start)
            kept.append(file.read(12 + length))
    return b"".join(kept)


def webp_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start of the data, length) of the chunks, those inside an animation's frames too."""
    end = file.seek(0, io.SEEK_END)
    place = 12
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        yield name, place + 8, min(length, end - place - 8)
        # A frame of an animation holds its picture behind 16 bytes of its own.
        place += 24 if name == b"ANMF" else 8 + length + (length & 1)
