"""EXIF data of camera raw files.

DNG, NEF, CR2, ARW and PEF are TIFF files; ORF and RW2 are but for the number that says so. RAF has a JPEG preview with
EXIF data at a place that its head names. CR3 is made of boxes (ISO/IEC 14496-12), and one of them holds the directories
one by one. The formats are not published: layouts as ExifTool's documentation has them.
"""

import io
import struct
from typing import BinaryIO

from runir.images import ifd, metadata
from runir.images.boxes import boxes, content_of
from runir.images.skeleton import EXIF_IN_JPEG, jpeg_segments

_RAF = b"FUJIFILMCCD-RAW"
_RAF_PREVIEW = 84  # where its offset and length stand, big-endian
_NUMBERS = frozenset({42, 0x4F52, 0x5352, 0x0055})  # TIFF; ORF ("RO" and "RS"); RW2
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_FIRST, _EXIF, _GPS = b"CMT1", b"CMT2", b"CMT4"
_LARGEST = 1 << 26


def exif_of_raw(file: BinaryIO) -> bytes | None:
    """Return the EXIF block of an open camera raw file, true of an upright picture; None where there is none.

    Raises ValueError when it is damaged.
    """
    file.seek(0)
    head = file.read(16)
    if head.startswith(_RAF):
        return _from_preview(file)
    if head[4:8] == b"ftyp":
        return _from_boxes(file)
    return metadata.exif_from_tiff(ifd.open_block(file, _NUMBERS))


def _from_preview(file: BinaryIO) -> bytes | None:
    file.seek(_RAF_PREVIEW)
    place = file.read(8)
    offset, length = struct.unpack(">II", place) if len(place) == 8 else (0, 0)
    if length > _LARGEST:
        raise ValueError("preview of a wrong size")
    file.seek(offset)
    for marker, content in jpeg_segments(io.BytesIO(file.read(length))):
        if marker == 0xE1 and content.startswith(EXIF_IN_JPEG):
            return metadata.upright_exif(content)[0]
    return None


def _from_boxes(file: BinaryIO) -> bytes | None:
    found: dict[bytes, bytes] = {}
    movie = content_of(file, b"moov", _LARGEST)
    for name, start, end in boxes(movie, 0, len(movie)):
        if name == b"uuid" and movie[start + 8 : start + 24] == _CANON:
            found |= {inner: movie[at + 8 : to] for inner, at, to in boxes(movie, start + 24, end)}
    blocks = {name: ifd.open_block(found[name]) for name in (_FIRST, _EXIF, _GPS) if name in found}
    if _FIRST not in blocks:
        return None
    exif, gps = ((blocks[name], blocks[name].first) if name in blocks else None for name in (_EXIF, _GPS))
    return metadata.exif_from_directories(blocks[_FIRST], exif, gps)
