"""EXIF put into a finished AVIF file as it is: libvips would rewrite it and make up a resolution.

Boxes are those of ISO/IEC 14496-12 (meta, iinf, iloc, iref) and 23008-12 (items of type Exif).
"""

import struct
from collections.abc import Iterator

_EXIF_HEADER = b"\0\0\0\0"  # where the TIFF block begins: at once


def with_exif(data: bytes, exif: bytes) -> bytes:
    """Return the AVIF file `data` with one more item, the EXIF block, described as being of the main picture.

    Raises ValueError for a file that is not built as libheif builds it.
    """
    outer = {name: (start, end) for name, start, end in _boxes(data, 0, len(data))}
    if b"meta" not in outer or b"mdat" not in outer:
        raise ValueError("AVIF without meta or mdat box")
    start, end = outer[b"meta"]
    inner = {name: data[a + 8 : b] for name, a, b in _boxes(data, start + 12, end)}
    order = list(inner)
    new_id = 1 + max(_item_ids(inner[b"iinf"]))
    entry = _box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", new_id, 0, b"Exif") + b"\0")
    (count,) = struct.unpack_from(">H", inner[b"iinf"], 4)
    inner[b"iinf"] = inner[b"iinf"][:4] + struct.pack(">H", count + 1) + inner[b"iinf"][6:] + entry
    (main,) = struct.unpack_from(">H", inner[b"pitm"], 4)
    inner[b"iref"] = inner.get(b"iref", bytes(4)) + _box(b"cdsc", struct.pack(">HHH", new_id, 1, main))
    if b"iref" not in order:
        order.append(b"iref")
    block = _EXIF_HEADER + exif
    # The size of the new table of places is known before its content.
    longer = len(_iloc(inner[b"iloc"], 0, 0, (new_id, 0, len(block))))
    meta_size = 12 + sum(8 + (longer if name == b"iloc" else len(inner[name])) for name in order)
    grown = meta_size - (end - start)
    place = len(data) + grown + 8
    inner[b"iloc"] = _iloc(inner[b"iloc"], end, grown, (new_id, place, len(block)))
    meta = _box(b"meta", data[start + 8 : start + 12] + b"".join(_box(name, inner[name]) for name in order))
    return data[:start] + meta + data[end:] + _box(b"mdat", block)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while place + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, place)
        size = size or end - place
        if size < 8 or place + size > end:
            raise ValueError("box of a wrong size")
        yield name, place, place + size
        place += size


def _item_ids(iinf: bytes) -> list[int]:
    if iinf[0] != 0:
        raise ValueError("iinf of another version")
    return [struct.unpack_from(">H", iinf, a + 12)[0] for _, a, _ in _boxes(iinf, 6, len(iinf))]


def _iloc(iloc: bytes, behind: int, by: int, new: tuple[int, int, int]) -> bytes:
    """Return the table with places at or after `behind` moved by `by`, and the `new` item: number, place, length."""
    version, sizes = iloc[0], struct.unpack_from(">H", iloc, 4)[0]
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    if version > 1 or offset_size not in (4, 8) or length_size not in (4, 8):
        raise ValueError("iloc of another version")
    (count,) = struct.unpack_from(">H", iloc, 6)
    out = bytearray(iloc[:6] + struct.pack(">H", count + 1))
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
    number, where, length = new
    out += struct.pack(">H", number) + (bytes(2) if version == 1 else b"") + bytes(2) + bytes(base_size)
    out += struct.pack(">H", 1) + bytes(index_size if version == 1 else 0)
    out += where.to_bytes(offset_size, "big") + length.to_bytes(length_size, "big")
    return bytes(out)
