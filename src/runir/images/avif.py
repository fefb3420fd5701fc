"""What libvips does not write into an AVIF file, put into the finished one.

That is EXIF, which it would rewrite, with a made-up resolution, and what is said of the colours without a profile.

Boxes are those of ISO/IEC 14496-12 (meta, iinf, iloc, iref) and 23008-12 (items of type Exif).
"""

import struct

from runir.images.boxes import COLOURS_HEAD, box, boxes, with_colours

_EXIF_HEADER = b"\0\0\0\0"  # where the TIFF block begins: at once


def completed(data: bytes, exif: bytes | None, colours: bytes | None, matrix: int) -> bytes:
    """Return the AVIF file `data` with EXIF and a description of its colours, both of the main picture.

    exif: the TIFF block. colours: as in PNG's cICP chunk, of which the first two bytes count. matrix: what the samples
    were coded with, which has to stand beside them where the file does not say it yet.
    Raises ValueError for a file that is not built as libheif builds it.
    """
    if not exif and not colours:
        return data
    outer = {name: (start, end) for name, start, end in boxes(data, 0, len(data))}
    if b"meta" not in outer or b"mdat" not in outer:
        raise ValueError("AVIF without meta or mdat box")
    start, end = outer[b"meta"]
    inner = {name: data[a + 8 : b] for name, a, b in boxes(data, start + 12, end)}
    if colours:
        head = struct.pack(COLOURS_HEAD, b"nclx", colours[0], colours[1])
        inner[b"iprp"] = with_colours(inner[b"iprp"], _main(inner), head, matrix)
    block, new_id = b"", 0
    if exif:
        block, new_id = _EXIF_HEADER + exif, 1 + max(_item_ids(inner[b"iinf"]))
        _describe(inner, new_id)
    # The size of the new table of places is known before its content.
    longer = len(_iloc(inner[b"iloc"], 0, 0, (new_id, 0, len(block))))
    grown = 12 + sum(8 + (longer if name == b"iloc" else len(inner[name])) for name in inner) - (end - start)
    inner[b"iloc"] = _iloc(inner[b"iloc"], end, grown, (new_id, len(data) + grown + 8, len(block)))
    meta = box(b"meta", data[start + 8 : start + 12] + b"".join(box(name, inner[name]) for name in inner))
    return data[:start] + meta + data[end:] + (box(b"mdat", block) if block else b"")


def _main(inner: dict[bytes, bytes]) -> int:
    return int(struct.unpack_from(">H", inner[b"pitm"], 4)[0])


def _describe(inner: dict[bytes, bytes], new_id: int) -> None:
    """Add an item of EXIF data that is about the main picture."""
    entry = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", new_id, 0, b"Exif") + b"\0")
    (count,) = struct.unpack_from(">H", inner[b"iinf"], 4)
    inner[b"iinf"] = inner[b"iinf"][:4] + struct.pack(">H", count + 1) + inner[b"iinf"][6:] + entry
    inner[b"iref"] = inner.get(b"iref", bytes(4)) + box(b"cdsc", struct.pack(">HHH", new_id, 1, _main(inner)))


def _item_ids(iinf: bytes) -> list[int]:
    if iinf[0] != 0:
        raise ValueError("iinf of another version")
    return [struct.unpack_from(">H", iinf, a + 12)[0] for _, a, _ in boxes(iinf, 6, len(iinf))]


def _iloc(iloc: bytes, behind: int, by: int, new: tuple[int, int, int]) -> bytes:
    """Return the table with places at or after `behind` moved by `by`, and the `new` item: number (0: none), place,
    length."""
    version, sizes = iloc[0], struct.unpack_from(">H", iloc, 4)[0]
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version > 1 or offset_size not in (4, 8) or length_size not in (4, 8):
        raise ValueError("iloc of another version")
    (count,) = struct.unpack_from(">H", iloc, 6)
    number, where, length = new
    out = bytearray(iloc[:6] + struct.pack(">H", count + (number > 0)))
    place = 8
    for _ in range(count):
        head = 2 + (2 if version == 1 else 0) + 2
        in_file = version == 0 or iloc[place + 3] & 15 == 0
        base = int.from_bytes(iloc[place + head : place + head + base_size], "big")
        head += base_size
        (extents,) = struct.unpack_from(">H", iloc, place + head)
        out += iloc[place : place + head + 2]
        place += head + 2
        for _ in range(extents):
            index = 0 if version == 0 else index_size
            out += iloc[place : place + index]
            offset = int.from_bytes(iloc[place + index : place + index + offset_size], "big")
            moved = offset + by if in_file and base + offset >= behind else offset
            out += moved.to_bytes(offset_size, "big")
            place += index + offset_size
            out += iloc[place : place + length_size]
            place += length_size
    if not number:
        return bytes(out)
    out += struct.pack(">H", number) + (bytes(2) if version == 1 else b"") + bytes(2) + bytes(base_size)
    out += struct.pack(">H", 1) + bytes(index_size if version == 1 else 0)
    out += where.to_bytes(offset_size, "big") + length.to_bytes(length_size, "big")
    return bytes(out)
