"""What a file is, and whether it is whole, told from its first bytes and its skeleton before any decoding."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from runir.images import ifd
from runir.images.messages import UnfitError

_CONVERT = "convert it to JPEG, PNG, WebP or TIFF first"
_FOREIGN = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop PSD"),
    (b"%PDF", "PDF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
)
_FTYP = {b"avi": "AVIF", b"crx": "camera raw", b"hei": "HEIC", b"hev": "HEIC", b"mif": "HEIC"}
_PNG_ESSENTIAL = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_LOSSY_IN_TIFF = frozenset({6, 7, 34712, 34892, 50001})
_DNG_VERSION, _SUBFILE_TYPE, _SUB_IFDS = 50706, 254, 330


@dataclass(frozen=True, slots=True)
class Header:
    """What the skeleton of a file says: container, width and height (None: ask the decoder), loss."""

    format: str
    size: tuple[int, int] | None = None
    lossless: bool = False
    gray_bits: int = 8
    """Bits of a gray PNG sample, needed because Pillow leaves its transparent value unscaled."""
    turned: int = 1
    """The orientation that Pillow applies by itself while it decodes (TIFF)."""


def read_header(file: BinaryIO, max_pixels: int) -> Header:
    """Return what an open file is, from its content alone.

    Raises UnfitError for a container or bit depth that runir does not read, for more pixels than
    `max_pixels`, and for a file whose skeleton shows that it is not whole.
    """
    file.seek(0)
    head = file.read(32)
    if not head:
        raise UnfitError("the file is empty")
    if head.startswith(b"\xff\xd8\xff"):
        return Header("JPEG")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(file, head, max_pixels)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(file, head, max_pixels)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file, head, max_pixels)
    raise _foreign(head)


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raise UnfitError for a picture without pixels or with too many of them."""
    width, height = size
    if width < 1 or height < 1:
        raise UnfitError(f"the picture has no pixels ({width} x {height})")
    if width * height > max_pixels:
        what = f"{width} x {height} is more than the limit of {max_pixels} pixels"
        raise UnfitError(what, "raise the limit or cut it up")


def check_bits(bits: int) -> None:
    """Raise UnfitError for more than 8 bits in a channel."""
    if bits > 8:
        raise UnfitError(f"{bits}-bit pictures are not supported yet", "convert it to 8 bit first")


def _truncated() -> UnfitError:
    return UnfitError("the file is truncated", "copy or download it again")


def _foreign(head: bytes) -> UnfitError:
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return UnfitError(f"{name} is not supported", _CONVERT)
    if head[4:8] == b"ftyp":
        name = _FTYP.get(head[8:11], "this container")
        return UnfitError(f"{name} is not supported", _CONVERT)
    return UnfitError("not a picture that runir can read", "give a JPEG, PNG, WebP or TIFF file")


def _png(file: BinaryIO, head: bytes, max_pixels: int) -> Header:
    if len(head) < 26:
        raise _truncated()
    length, name, width, height, bits, colour = struct.unpack_from(">I4sIIBB", head, 8)
    if name != b"IHDR" or length != 13:
        raise UnfitError("the PNG header is damaged")
    if file.seek(0, io.SEEK_END) < 33:
        raise _truncated()
    _check_crc(file, 12, 17)
    check_size((width, height), max_pixels)
    check_bits(bits)
    # Deflate cannot shrink below 1 : 1032: a small file that claims a huge picture never gets to the decoder.
    row = 1 + (width * bits * _PNG_SAMPLES.get(colour, 1) + 7) // 8
    if row * height > 1040 * _png_data(file):
        raise _truncated()
    return Header("PNG", (width, height), True, bits if colour == 0 else 8)


def _png_data(file: BinaryIO) -> int:
    """Walk all chunks, check those that make up the picture, return the bytes of compressed data."""
    total = 0
    for name, start, length in _png_chunks(file):
        if name in _PNG_ESSENTIAL:
            _check_crc(file, start + 4, length + 4)
            total += length if name == b"IDAT" else 0
    return total


def _png_chunks(file: BinaryIO) -> list[tuple[bytes, int, int]]:
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
            raise _truncated()
        chunks.append((name, start, length))
        start += 12 + length
    return chunks


def _check_crc(file: BinaryIO, start: int, size: int) -> None:
    file.seek(start)
    crc = 0
    while size > 0:
        data = file.read(min(size, 1 << 20))
        crc = zlib.crc32(data, crc)
        size -= len(data)
    if file.read(4) != crc.to_bytes(4, "big"):
        raise UnfitError("the PNG data are damaged (checksum)")


def png_without_extras(file: BinaryIO) -> io.BytesIO:
    """Return a PNG file reduced to the chunks that make up the picture, for when another one is damaged."""
    file.seek(0)
    kept = [file.read(8)]
    for name, start, length in _png_chunks(file):
        if name in _PNG_ESSENTIAL:
            file.seek(start)
            kept.append(file.read(12 + length))
    return io.BytesIO(b"".join(kept))


def _webp(file: BinaryIO, head: bytes, max_pixels: int) -> Header:
    end = file.seek(0, io.SEEK_END)
    if len(head) < 30 or int.from_bytes(head[4:8], "little") + 8 > end:
        raise _truncated()
    size = _webp_size(head)
    check_size(size, max_pixels)
    return Header("WEBP", size, _webp_lossless(file, end))


def _webp_size(head: bytes) -> tuple[int, int]:
    name = head[12:16]
    if name == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if name == b"VP8L":
        packed = int.from_bytes(head[21:25], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if name == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    raise UnfitError("the WebP header is damaged")


def _webp_lossless(file: BinaryIO, end: int) -> bool:
    """Whether the first frame is coded without loss, told by the name of its chunk."""
    place = 12
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name in (b"VP8 ", b"VP8L"):
            return bool(name == b"VP8L")
        # A frame of an animation holds its picture behind 16 bytes of its own.
        place += 24 if name == b"ANMF" else 8 + length + (length & 1)
    return False


def _tiff(file: BinaryIO, head: bytes, max_pixels: int) -> Header:
    try:
        block = ifd.open_block(file)
        entries, _ = block.directory(block.first)
        values = {tag: block.integers(entries.get(tag)) for tag in (ifd.WIDTH, ifd.HEIGHT, ifd.BITS)}
        compression = (block.integers(entries.get(ifd.COMPRESSION)) or (1,))[0]
        orientation = (block.integers(entries.get(ifd.ORIENTATION)) or (1,))[0]
        reduced = (block.integers(entries.get(_SUBFILE_TYPE)) or (0,))[0] & 1
    except ValueError as fault:
        raise UnfitError(f"the TIFF directory is damaged or cut off ({fault})") from fault
    if _DNG_VERSION in entries or head[8:10] == b"CR" or (reduced and _SUB_IFDS in entries):
        # The first directory of a camera raw file is a small preview: not what a person wants restored.
        raise UnfitError("camera raw is not supported", "develop it to JPEG, PNG, WebP or TIFF first")
    check_bits(max(values[ifd.BITS], default=1))
    if not values[ifd.WIDTH] or not values[ifd.HEIGHT]:
        raise UnfitError("the TIFF directory has no picture size")
    size = values[ifd.WIDTH][0], values[ifd.HEIGHT][0]
    check_size(size, max_pixels)
    turned = orientation if 1 <= orientation <= 8 else 1
    return Header("TIFF", size, compression not in _LOSSY_IN_TIFF, turned=turned)
