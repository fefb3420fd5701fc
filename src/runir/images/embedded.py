"""What stands beside the pixels in a file: EXIF, XMP, IPTC, ICC, resolution, comments. Read here and not by libvips,
whose EXIF library rewrites what it reads, and which gives a resolution to files that have none.
"""

import contextlib
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from runir.images import ifd, iptc, metadata
from runir.images.headers import Header
from runir.images.messages import UnfitError
from runir.images.picture import Text
from runir.images.rawexif import exif_of_raw
from runir.images.skeleton import (
    EXIF_IN_JPEG,
    ICC_IN_JPEG,
    XMP_IN_JPEG,
    crc_holds,
    jpeg_segments,
    png_chunks,
    webp_chunks,
)

_MORE_XMP_IN_JPEG = b"http://ns.adobe.com/xmp/extension/\0"
XMP_IN_PNG = b"XML:com.adobe.xmp"
_EXIF_IN_PNG = b"Raw profile type exif"
_PNG_TEXTS = frozenset({b"iTXt", b"zTXt", b"tEXt"})
_PNG_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}  # and their lengths
_PNG_READ = _PNG_TEXTS | _PNG_COLOURS.keys() | {b"iCCP", b"eXIf", b"pHYs", b"acTL"}
_MP_NUMBER_OF_IMAGES = 0xB001
_LARGEST = 1 << 24
DAMAGED_PNG = "damaged PNG metadata dropped"
_DAMAGED_ICC, _DAMAGED_EXIF = "damaged ICC profile dropped", "damaged EXIF data dropped"
_DAMAGED_IPTC = "damaged IPTC data dropped"
_TOO_MUCH = "PNG metadata dropped: more than 16 MiB"


@dataclass(slots=True)
class Embedded:
    """The raw blocks of a file, and what was noticed while they were read."""

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    iptc: bytes | None = None
    texts: list[Text] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    orientation: int = 1
    """What the pixels still have to be brought to, 1 to 8."""


def read_embedded(file: BinaryIO, header: Header) -> Embedded:
    """Return the metadata of an open JPEG, PNG, WebP or TIFF file (of others: nothing), made ready to be written."""
    read = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "TIFF": _tiff, "RAW": _raw}.get(header.format)
    found = Embedded() if read is None else read(file)
    if header.format in ("TIFF", "RAW"):
        found.orientation = header.turned
    return upright(found, turn_exif=header.format not in ("TIFF", "RAW"))


def upright(found: Embedded, *, turn_exif: bool) -> Embedded:
    """Return metadata that are true of the upright picture; damaged EXIF and ICC are left out with a note.

    `turn_exif`: whether the orientation is the one that the EXIF block gives.
    """
    exif, orientation, notes = found.exif, found.orientation, list(found.notes)
    try:
        if exif and turn_exif:
            exif, orientation = metadata.upright_exif(exif)
    except ValueError:
        exif = None
        notes.append(_DAMAGED_EXIF)
    icc = found.icc
    if icc is not None and not metadata.valid_icc(icc):
        icc = None
        notes.append(_DAMAGED_ICC)
    dpi = metadata.clean_dpi(found.dpi) or (metadata.exif_dpi(exif) if exif else None)
    return replace(
        found,
        exif=exif or None,
        icc=icc,
        xmp=metadata.upright_xmp(found.xmp) if found.xmp and orientation != 1 else found.xmp or None,
        dpi=(dpi[1], dpi[0]) if dpi and orientation >= 5 else dpi,
        notes=list(dict.fromkeys(notes)),
        orientation=orientation,
    )


def _jpeg(file: BinaryIO) -> Embedded:
    found = Embedded()
    profile: dict[int, bytes] = {}
    pieces, photoshop = 0, b""
    for marker, content in jpeg_segments(file):
        if marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 12:
            unit, across, down = struct.unpack_from(">BHH", content, 7)
            scale = {1: 1.0, 2: 2.54}.get(unit)
            found.dpi = (across * scale, down * scale) if scale else None
        elif marker == 0xE1 and content.startswith(EXIF_IN_JPEG) and found.exif is None:
            found.exif = content[len(EXIF_IN_JPEG) :]
        elif marker == 0xE1 and content.startswith(XMP_IN_JPEG) and found.xmp is None:
            found.xmp = content[len(XMP_IN_JPEG) :]
        elif marker == 0xE1 and content.startswith(_MORE_XMP_IN_JPEG):
            found.notes.append("extended XMP data dropped")
        elif marker == 0xED and content.startswith(iptc.IN_JPEG):
            photoshop += content[len(iptc.IN_JPEG) :]
        elif marker == 0xFE and content:
            found.texts.append(("COM", content))
        elif marker == 0xE2 and content.startswith(ICC_IN_JPEG) and len(content) >= 14:
            profile[content[12]], pieces = content[14:], content[13]
        elif marker == 0xE2 and content.startswith(b"MPF\0") and _many(content[4:]):
            found.notes.append("several pictures: only the first was read")
    if profile:
        found.icc = b"".join(profile.get(k, b"") for k in range(1, pieces + 1))
    found.iptc = iptc.records(photoshop)
    return found


def _many(mpf: bytes) -> bool:
    """Whether the list of pictures in a JPEG file of several has more than one; a damaged list does not count."""
    try:
        block = ifd.open_block(mpf)
        return (block.integers(block.directory(block.first)[0].get(_MP_NUMBER_OF_IMAGES)) or (1,))[0] > 1
    except ValueError:
        return False


def _png(file: BinaryIO) -> Embedded:
    found = Embedded()
    left = _LARGEST
    for name, start, length in png_chunks(file):
        if name not in _PNG_READ:
            continue
        if length > left:
            found.notes.append(_TOO_MUCH)
            continue
        left -= length
        if not crc_holds(file, start + 4, length + 4):
            found.notes.append(DAMAGED_PNG)
            continue
        file.seek(start + 8)
        _png_chunk(found, name, file.read(length))
    return found


def _png_chunk(found: Embedded, name: bytes, data: bytes) -> None:
    if name == b"iCCP" and found.icc is None:
        found.icc = _inflated(data.partition(b"\0")[2][1:])
    elif name == b"eXIf" and found.exif is None:
        found.exif = data
    elif name == b"pHYs" and len(data) == 9 and data[8] == 1:
        across, down = struct.unpack_from(">II", data)
        found.dpi = across * 0.0254, down * 0.0254
    elif name == b"acTL" and len(data) == 8 and int.from_bytes(data[:4], "big") > 1:
        found.notes.append("animated: only the first frame was read")
    elif name in _PNG_COLOURS and len(data) == _PNG_COLOURS[name]:
        found.texts.append((name.decode(), data))
    elif name in _PNG_TEXTS:
        _png_text(found, name, data)


def _png_text(found: Embedded, name: bytes, data: bytes) -> None:
    """Take a text for what it is: XMP, a raw profile, or words that a person wrote."""
    key, _, rest = data.partition(b"\0")
    if key == XMP_IN_PNG and name == b"iTXt":
        text = rest[2:].split(b"\0", 2)[-1]
        found.xmp = found.xmp or (_inflated(text) if rest[:1] == b"\1" else text)
    elif key in (_EXIF_IN_PNG, iptc.IN_PNG):
        text = rest if name == b"tEXt" else _inflated(rest[1:] if name == b"zTXt" else rest.split(b"\0", 2)[-1])
        try:
            profile = iptc.from_digits(text)
        except ValueError:
            found.notes.append(_DAMAGED_EXIF if key == _EXIF_IN_PNG else _DAMAGED_IPTC)
            return
        if key == _EXIF_IN_PNG:
            found.exif = found.exif or profile
        else:
            found.iptc = found.iptc or iptc.records(profile)
    else:
        found.texts.append((name.decode(), data))


def _inflated(data: bytes) -> bytes:
    """Decompress at most 16 MiB; nothing when it cannot be done."""
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(data, _LARGEST)
    return b""


def _webp(file: BinaryIO) -> Embedded:
    found = Embedded()
    for name, start, length in webp_chunks(file):
        if name == b"ANMF" and "animated: only the first frame was read" not in found.notes:
            found.notes.append("animated: only the first frame was read")
        if name not in (b"ICCP", b"EXIF", b"XMP "):
            continue
        file.seek(start)
        data = file.read(length)
        if name == b"ICCP":
            found.icc = data
        elif name == b"EXIF":
            found.exif = data
        else:
            found.xmp = data
    return found


def _tiff(file: BinaryIO) -> Embedded:
    found = _raw(file)
    try:
        block = ifd.open_block(file)
        entries, link = block.directory(block.first)
        follows = int.from_bytes(block.bytes_at(link, 8 if block.big else 4), "little")
    except ValueError as fault:
        raise UnfitError(f"the TIFF directory is damaged or cut off ({fault})") from fault
    if follows:
        found.notes.append("several pages: only the first was read")
    for tag, name in ((ifd.ICC, "icc"), (ifd.XMP, "xmp"), (iptc.TIFF_TAG, "iptc")):
        with contextlib.suppress(ValueError):
            if tag in entries:
                setattr(found, name, b"")
                setattr(found, name, block.value(entries[tag]))
    found.iptc = iptc.records(found.iptc or b"")
    found.dpi = metadata.resolution(block, entries)
    return found


def _raw(file: BinaryIO) -> Embedded:
    try:
        return Embedded(exif=exif_of_raw(file))
    except (ValueError, UnfitError):
        return Embedded(notes=[_DAMAGED_EXIF])


def from_blocks(exif: bytes | None, xmp: bytes | None, icc: bytes | None, colours: bytes | None) -> Embedded:
    """Metadata as decoders of AVIF and HEIC give them; those have turned the pixels upright already.

    colours: what is said of them in the form of PNG's cICP chunk, which counts where there is no profile.
    """
    raw = exif[4:] if exif and exif[:4] == b"\0\0\0\0" else exif
    found = upright(Embedded(exif=raw, xmp=xmp, icc=icc), turn_exif=True)
    texts = [("cICP", colours)] if colours and found.icc is None else []
    return replace(found, orientation=1, texts=texts)
