"""A TIFF writer: deflate with the horizontal predictor, 8 bit, gray or RGB, with or without alpha.

Written here because Pillow hands EXIF to libtiff value by value, which fails on sub-directories and prints on
stderr. Here the EXIF block, which is a TIFF file without a picture, is the front of the file: all its offsets
stay true, maker notes included.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from runir.images import ifd, metadata
from runir.images.messages import UnfitError

_STRIP_OFFSETS, _SAMPLES, _ROWS, _STRIP_SIZES, _PREDICTOR, _EXTRA = 273, 277, 278, 279, 317, 338
_STRIP_BYTES = 1 << 20
_DEFLATE, _HORIZONTAL, _UNASSOCIATED, _INCH = 8, 2, 2, 2


def encode_tiff(
    samples: NDArray[np.uint8],
    *,
    has_alpha: bool,
    exif: bytes | None = None,
    icc: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Return the bytes of a TIFF file.

    `samples` is uint8 H x W x 1 to 4, the last channel being alpha if `has_alpha`. `exif` is a sound EXIF
    block (a damaged one raises ValueError). Raises UnfitError when the file would pass 4 GiB.
    """
    data = bytearray(exif or b"II*\0\0\0\0\0")
    order, packed = _described(exif) if exif else ("<", [])
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels))
    places, sizes = _append_strips(data, samples, rows)
    colour = 1 if channels - has_alpha == 1 else 2
    fields = [
        (ifd.WIDTH, ifd.LONG, [width]),
        (ifd.HEIGHT, ifd.LONG, [height]),
        (ifd.BITS, ifd.SHORT, [8] * channels),
        (ifd.COMPRESSION, ifd.SHORT, [_DEFLATE]),
        (ifd.PHOTOMETRIC, ifd.SHORT, [colour]),
        (_STRIP_OFFSETS, ifd.LONG, places),
        (_SAMPLES, ifd.SHORT, [channels]),
        (_ROWS, ifd.LONG, [rows]),
        (_STRIP_SIZES, ifd.LONG, sizes),
        (_PREDICTOR, ifd.SHORT, [_HORIZONTAL]),
    ]
    if has_alpha:
        fields.append((_EXTRA, ifd.SHORT, [_UNASSOCIATED]))
    packed += [(tag, kind, len(values), _numbers(order, kind, values)) for tag, kind, values in fields]
    packed += _resolution(order, dpi)
    packed += [(ifd.XMP, ifd.BYTE, len(xmp), xmp)] if xmp else []
    packed += [(ifd.ICC, ifd.UNDEFINED, len(icc), icc)] if icc else []
    return _finish(data, order, packed)


def _described(exif: bytes) -> tuple[str, list[ifd.Field]]:
    """Return the byte order of an EXIF block and the fields of it that belong in a picture's directory."""
    block = ifd.open_block(exif)
    entries = block.directory(block.first)[0].values()
    kept = [e for e in entries if e.tag in metadata.DESCRIPTIVE and e.kind in ifd.CLASSIC]
    return block.order, [(e.tag, e.kind, e.count, block.value(e)) for e in kept]


def _append_strips(data: bytearray, samples: NDArray[np.uint8], rows: int) -> tuple[list[int], list[int]]:
    """Compress the picture strip by strip behind `data`; return the places and sizes of the strips."""
    places, sizes = [], []
    for top in range(0, samples.shape[0], rows):
        strip = samples[top : top + rows].copy()
        strip[:, 1:] -= samples[top : top + rows, :-1]  # wraps around, as the predictor wants
        packed = zlib.compress(strip.data, 6)
        _align(data)
        places.append(len(data))
        sizes.append(len(packed))
        data += packed
    return places, sizes


def _align(data: bytearray) -> None:
    data += bytes(len(data) & 1)
    if len(data) >= 2**32 - 2**24:
        raise UnfitError("a TIFF file cannot pass 4 GiB", "write .png instead")


def _numbers(order: str, kind: int, values: list[int]) -> bytes:
    return struct.pack(f"{order}{len(values)}{'H' if kind == ifd.SHORT else 'I'}", *values)


def _resolution(order: str, dpi: tuple[float, float] | None) -> list[ifd.Field]:
    if dpi is None:
        return []
    across, down = (struct.pack(order + "II", round(d * 10000), 10000) for d in dpi)
    return [
        (ifd.X_RESOLUTION, ifd.RATIONAL, 1, across),
        (ifd.Y_RESOLUTION, ifd.RATIONAL, 1, down),
        (ifd.RESOLUTION_UNIT, ifd.SHORT, 1, _numbers(order, ifd.SHORT, [_INCH])),
    ]


def _finish(data: bytearray, order: str, fields: list[ifd.Field]) -> bytes:
    """Append the directory and make the header point to it."""
    _align(data)
    data[4:8] = struct.pack(order + "I", len(data))
    data += ifd.pack(fields, order, len(data))
    return bytes(data)
