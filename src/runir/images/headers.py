"""What a file is, and whether it is whole, told from its first bytes and its skeleton before any decoding."""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from runir.images import ifd
from runir.images.messages import UnfitError
from runir.images.skeleton import PNG_ESSENTIAL, crc_holds, jpeg_segments, png_chunks, truncated, webp_chunks

_CONVERT = "convert it to JPEG, PNG, WebP, TIFF or AVIF first"
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
)
_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_LOSSY_IN_TIFF = frozenset({6, 7, 34712, 34892, 50001})
_DNG_VERSION, _SUBFILE_TYPE, _SUB_IFDS = 50706, 254, 330
_SAMPLES, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, _FORMAT = 277, 284, 322, 323, 338, 339
_SEPARATE, _IEEE = 2, 3
_LARGEST_TILE = 1 << 28
_PALETTE, _ASSOCIATED = 3, 1
_YCBCR, _JPEG_IN_TIFF = 6, (6, 7)
_TIFF_COLOURS = frozenset({0, 1, 2, 3, 5, _YCBCR})
_SENSOR = frozenset({32803, 34892})  # values under a colour filter, and linear ones: TIFF/EP and DNG
LARGEST_WHOLE = 1 << 28
"""Pixels of what a decoder or encoder holds whole, at most."""
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Header:
    """What the skeleton of a file says: container, width and height (None: ask the decoder), loss."""

    format: str
    size: tuple[int, int] | None = None
    lossless: bool = False
    streams: bool = True
    """Whether a decoder can hand out rows without holding the whole picture."""
    turned: int = 1
    """The orientation that a TIFF file's directory gives."""
    tiled: bool = False
    """Whether it is a TIFF file of tiles."""
    notes: tuple[str, ...] = ()


def read_header(file: BinaryIO, max_pixels: int) -> Header:
    """Return what an open file is, from its content alone.

    Raises UnfitError for a container that runir does not read, for more pixels than `max_pixels`, and for a
    file whose skeleton shows that it is not whole.
    """
    file.seek(0)
    head = file.read(32)
    if not head:
        raise UnfitError("the file is empty")
    if head.startswith(b"\xff\xd8\xff"):
        header = _jpeg(file)
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        header = _png(file, head, max_pixels)
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        header = _webp(file, head)
    elif head.startswith(_RAW):
        header = Header("RAW", streams=False)
    elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        header = _tiff(file, head)
    elif head[4:8] == b"ftyp":
        header = _boxes(file)
    else:
        raise _foreign(head)
    if header.size is not None:
        check_size(header, header.size, max_pixels)
    return header


def check_size(header: Header, size: tuple[int, int], max_pixels: int) -> None:
    """Raise UnfitError for a picture without pixels or with too many of them.

    What a decoder has to hold whole may have at most 2**28 pixels, whatever `max_pixels` allows.
    """
    width, height = size
    if width < 1 or height < 1:
        raise UnfitError(f"the picture has no pixels ({width} x {height})")
    if width * height > max_pixels:
        what = f"{width} x {height} is more than the limit of {max_pixels} pixels"
        raise UnfitError(what, "raise the limit or cut it up")
    if not header.streams and width * height > LARGEST_WHOLE:
        what = f"{width} x {height} is more than the {LARGEST_WHOLE} pixels that can be decoded in one piece"
        raise UnfitError(what, "convert it to a TIFF or PNG without interlacing first")


def _foreign(head: bytes) -> UnfitError:
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return UnfitError(f"{name} is not supported", _CONVERT)
    return UnfitError("not a picture that runir can read", "give a JPEG, PNG, WebP, TIFF or AVIF file")


def _jpeg(file: BinaryIO) -> Header:
    for marker, content in jpeg_segments(file):
        if marker in _JPEG_FRAMES and len(content) >= 6:
            height, width = struct.unpack_from(">HH", content, 1)
            baseline = marker in (0xC0, 0xC1)
            # A block of 8 x 8 takes two bits at least: a small file that claims a huge picture is not whole.
            if baseline and width * height > 512 * file.seek(0, io.SEEK_END):
                raise truncated()
            return Header("JPEG", (width, height), streams=baseline)
    return Header("JPEG")


def _png(file: BinaryIO, head: bytes, max_pixels: int) -> Header:
    if len(head) < 29:
        raise truncated()
    length, name, width, height, bits, colour, _, _, interlace = struct.unpack_from(">I4sIIBBBBB", head, 8)
    if name != b"IHDR" or length != 13:
        raise UnfitError("the PNG header is damaged")
    if file.seek(0, io.SEEK_END) < 33:
        raise truncated()
    _check_crc(file, 12, 17)
    header = Header("PNG", (width, height), True, not interlace, notes=_png_notes(bits, colour))
    check_size(header, (width, height), max_pixels)
    # Deflate cannot shrink below 1 : 1032: a small file that claims a huge picture never gets to the decoder.
    row = 1 + (width * bits * _PNG_SAMPLES.get(colour, 1) + 7) // 8
    if row * height > 1040 * _png_data(file):
        raise truncated()
    return header


def _png_notes(bits: int, colour: int) -> tuple[str, ...]:
    if colour == _PALETTE:
        return ("palette expanded to RGB",)
    return ("1-bit black and white expanded to gray",) if bits == 1 else ()


def _png_data(file: BinaryIO) -> int:
    """Walk all chunks, check those that make up the picture, return the bytes of compressed data."""
    total = 0
    for name, start, length in png_chunks(file):
        if name in PNG_ESSENTIAL:
            _check_crc(file, start + 4, length + 4)
            total += length if name == b"IDAT" else 0
    return total


def _check_crc(file: BinaryIO, start: int, size: int) -> None:
    if not crc_holds(file, start, size):
        raise UnfitError("the PNG data are damaged (checksum)")


def _webp(file: BinaryIO, head: bytes) -> Header:
    end = file.seek(0, io.SEEK_END)
    if len(head) < 30 or int.from_bytes(head[4:8], "little") + 8 > end:
        raise truncated()
    frame = next((name for name, _, _ in webp_chunks(file) if name in (b"VP8 ", b"VP8L")), b"")
    return Header("WEBP", _webp_size(head), frame == b"VP8L", streams=False)


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


def _boxes(file: BinaryIO) -> Header:
    """AVIF and HEIC: told apart by their brands, and whole if the boxes reach to the end of the file."""
    end = file.seek(0, io.SEEK_END)
    place, brands = 0, b""
    while place < end:
        file.seek(place)
        prefix = file.read(16)
        length = int.from_bytes(prefix[:4], "big")
        start = 16 if length == 1 else 8
        length = int.from_bytes(prefix[8:16], "big") if length == 1 else length or end - place
        if length < start or place + length > end:
            raise truncated()
        if place == 0:
            file.seek(start)
            brands = file.read(min(length - start, 256))
        place += length
    named = {brands[:4]} | {brands[k : k + 4] for k in range(8, len(brands), 4)}
    if brands[:4] == b"crx ":
        return Header("RAW", streams=False)
    if named & {b"avif", b"avis"}:
        return Header("AVIF", streams=False)
    if named & _HEIC_BRANDS:
        return Header("HEIC", streams=False)
    raise UnfitError("this container is not supported", _CONVERT)


def _tiff(file: BinaryIO, head: bytes) -> Header:
    try:
        block = ifd.open_block(file)
        entries, _ = block.directory(block.first)
        codes = (ifd.WIDTH, ifd.HEIGHT, ifd.COMPRESSION, ifd.ORIENTATION, _SUBFILE_TYPE, ifd.PHOTOMETRIC)
        more = (_SAMPLES, _PLANAR, _FORMAT, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA_SAMPLES, ifd.BITS)
        values = {tag: block.integers(entries.get(tag)) for tag in (*codes, *more)}
    except ValueError as fault:
        raise UnfitError(f"the TIFF directory is damaged or cut off ({fault})") from fault

    def first(tag: int, otherwise: int = 0) -> int:
        return (values[tag] or (otherwise,))[0]

    preview = head[8:10] == b"CR" or (first(_SUBFILE_TYPE) & 1 and _SUB_IFDS in entries)
    if _DNG_VERSION in entries or preview or first(ifd.PHOTOMETRIC) in _SENSOR:
        # The first directory of a camera raw file is a small preview, not what a person wants restored; Pentax has
        # what the sensor gave there.
        return Header("RAW", streams=False)
    if not values[ifd.WIDTH] or not values[ifd.HEIGHT]:
        raise UnfitError("the TIFF directory has no picture size")
    colour, compression = first(ifd.PHOTOMETRIC, 1), first(ifd.COMPRESSION, 1)
    if colour not in _TIFF_COLOURS or (colour == _YCBCR and compression not in _JPEG_IN_TIFF):
        raise UnfitError(f"TIFF with colours of kind {colour} is not supported", "convert it to RGB or gray first")
    bits, samples = max(values[ifd.BITS], default=1), first(_SAMPLES, 1)
    if first(_TILE_WIDTH) * first(_TILE_HEIGHT) * samples * bits // 8 > _LARGEST_TILE:
        raise UnfitError("the TIFF tiles are too large", "write it with strips or tiles of 256 x 256")
    if (first(_PLANAR), first(_FORMAT), bits) == (_SEPARATE, _IEEE, 16):  # libvips mixes up its channels
        raise UnfitError("TIFF of 16-bit floats in separate planes is not supported", "write it in 32 bit")
    notes = []
    if colour == _PALETTE:
        notes.append("palette expanded to RGB")
    elif bits == 1:
        notes.append("1-bit black and white expanded to gray")
    if values[_EXTRA_SAMPLES] and values[_EXTRA_SAMPLES][-1] == _ASSOCIATED:
        notes.append("premultiplied colour divided by alpha")
    orientation = first(ifd.ORIENTATION, 1)
    return Header(
        "TIFF",
        (first(ifd.WIDTH), first(ifd.HEIGHT)),
        compression not in _LOSSY_IN_TIFF,
        turned=orientation if 1 <= orientation <= 8 else 1,
        tiled=first(_TILE_WIDTH) > 0,
        notes=tuple(notes),
    )
