"""IPTC captions and keywords: where JPEG and PNG files keep them. The records themselves are passed on as they are.

JPEG: among Photoshop's resources in an APP13 segment (IPTC-IIM 4.2; Adobe, Photoshop File Formats, "Image Resource
Blocks"). PNG has no place of its own; ImageMagick's, a text of hexadecimal digits, is the one that readers know.
"""

import re
import struct

IN_JPEG = b"Photoshop 3.0\0"
IN_PNG = b"Raw profile type iptc"
TIFF_TAG = 33723
_SIGNATURE, _RESOURCE = b"8BIM", 0x0404
_RECORD = b"\x1c"
_HEAD = len(_SIGNATURE) + 2 + 2 + 4
JPEG_OVERHEAD = len(IN_JPEG) + _HEAD + 1
_DIGITS = 72


def records(data: bytes) -> bytes | None:
    """Return the IPTC records among Photoshop's resources, or `data` itself if it is such records; else None."""
    if data.startswith(_RECORD):
        return data
    place = 0
    while data[place : place + 4] == _SIGNATURE and place + _HEAD <= len(data):
        (kind, name) = struct.unpack_from(">HB", data, place + 4)
        place += 6 + (name + 2 & ~1)  # the name has an even number of bytes, its length included
        size = int.from_bytes(data[place : place + 4], "big")
        if kind == _RESOURCE:
            found = data[place + 4 : place + 4 + size]
            return found if found.startswith(_RECORD) and len(found) == size else None
        place += 4 + (size + 1 & ~1)
    return None


def resource(iptc: bytes) -> bytes:
    """Return the records as the one Photoshop resource that holds them."""
    return _SIGNATURE + struct.pack(">HHI", _RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) & 1)


def from_digits(text: bytes) -> bytes:
    """Return the bytes of a raw profile as ImageMagick writes it: a name, a length, then hexadecimal digits.

    Raises ValueError for anything else.
    """
    digits = b"".join(re.sub(rb"\A\s*\w+\s+\d+\s", b"", text).split())
    return bytes.fromhex(digits.decode("ascii", "replace"))


def to_digits(name: str, data: bytes) -> bytes:
    """The way back."""
    digits = data.hex()
    lines = [digits[k : k + _DIGITS] for k in range(0, len(digits), _DIGITS)]
    return "\n".join([f"\n{name}", f"{len(data):8d}", *lines, ""]).encode()
