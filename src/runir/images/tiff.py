"""A TIFF writer that takes rows as they come: deflate with a predictor; 8, 16 bit or float; BigTIFF above 4 GiB.

Written here because libvips writes no EXIF into TIFF, and pulls pixels where runir pushes them. In a classic
file the EXIF block, which is a TIFF file without a picture, is the front of the file: all its offsets stay
true, maker notes included.
"""

import struct
import sys
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from runir.images import ifd, iptc, metadata
from runir.images.depth import Raw
from runir.images.picture import PictureInfo

_STRIP_OFFSETS, _SAMPLES, _ROWS, _STRIP_SIZES, _PREDICTOR, _EXTRA, _FORMAT = 273, 277, 278, 279, 317, 338, 339
_STRIP_BYTES = 1 << 20
_DEFLATE, _HORIZONTAL, _FLOATING, _UNASSOCIATED, _INCH, _UNSIGNED, _IEEE = 8, 2, 3, 2, 2, 1, 3
_CLASSIC = 2**32 - 2**26
_POINTERS = (ifd.EXIF_IFD, ifd.GPS_IFD)


class TiffEncoder:
    """Rows in, a TIFF file out."""

    def __init__(self, file: BinaryIO, info: PictureInfo, bits: int) -> None:
        """Begin a file at the start of `file`, which must be seekable, for `bits` (8, 16, 32) per channel.

        `info.exif` must be a sound EXIF block (a damaged one raises ValueError before anything is written).
        """
        self._file, self._info, self._bits = file, info, bits
        self._bands = info.channels + info.alpha
        row = info.width * self._bands * bits // 8
        self._big = info.height * row * 65 // 64 > _CLASSIC
        self._step = max(1, _STRIP_BYTES // row)
        self._waiting: list[Raw] = []
        self._rows = 0
        self._places: list[int] = []
        self._sizes: list[int] = []
        # Looked at here and not at the end, so that damage shows before any work is done.
        self._order, self._described = _described(info.exif) if info.exif else ("<", [])
        self._below = _below(info.exif) if info.exif and self._big else {}
        if self._big:
            order = "II" if self._order == "<" else "MM"
            self._at = self._put(order.encode() + struct.pack(self._order + "HHHQ", 43, 8, 0, 0))
        else:
            self._at = self._put(info.exif or b"II*\0\0\0\0\0")

    def write(self, rows: Raw) -> None:
        """Take the next rows: h x W x bands of the type that `bits` means."""
        self._waiting.append(rows)
        self._rows += len(rows)
        if self._rows < self._step:
            return
        block = np.concatenate(self._waiting) if len(self._waiting) > 1 else rows
        whole = len(block) - len(block) % self._step
        for top in range(0, whole, self._step):
            self._strip(block[top : top + self._step])
        self._waiting = [block[whole:].copy()] if whole < len(block) else []
        self._rows = len(block) - whole

    def finish(self) -> None:
        """Write what is left and the directory, and make the header point to it."""
        if self._rows:
            self._strip(np.concatenate(self._waiting))
        if self._big:
            self._described = self._moved()
        self._align()
        place = self._at
        self._put(ifd.pack(self._fields(), self._order, place, big=self._big))
        self._file.seek(8 if self._big else 4)
        self._file.write(struct.pack(self._order + ("Q" if self._big else "I"), place))

    def _put(self, data: bytes) -> int:
        """Append; return the new end."""
        self._file.write(data)
        self._at = self._at + len(data) if hasattr(self, "_at") else len(data)
        return self._at

    def _align(self) -> None:
        self._put(bytes(self._at & 1))

    def _strip(self, rows: Raw) -> None:
        data = zlib.compress(_predicted(rows, self._order), 6)
        self._align()
        self._places.append(self._at)
        self._sizes.append(len(data))
        self._put(data)

    def _fields(self) -> list[ifd.Field]:
        info, long = self._info, ifd.LONG8 if self._big else ifd.LONG
        fields: list[tuple[int, int, list[int]]] = [
            (ifd.WIDTH, ifd.LONG, [info.width]),
            (ifd.HEIGHT, ifd.LONG, [info.height]),
            (ifd.BITS, ifd.SHORT, [self._bits] * self._bands),
            (ifd.COMPRESSION, ifd.SHORT, [_DEFLATE]),
            (ifd.PHOTOMETRIC, ifd.SHORT, [1 if info.channels == 1 else 2]),
            (_STRIP_OFFSETS, long, self._places),
            (_SAMPLES, ifd.SHORT, [self._bands]),
            (_ROWS, ifd.LONG, [self._step]),
            (_STRIP_SIZES, long, self._sizes),
            (_PREDICTOR, ifd.SHORT, [_FLOATING if self._bits == 32 else _HORIZONTAL]),
            (_FORMAT, ifd.SHORT, [_IEEE if self._bits == 32 else _UNSIGNED] * self._bands),
        ]
        if info.alpha:
            fields.append((_EXTRA, ifd.SHORT, [_UNASSOCIATED]))
        packed = [(tag, kind, len(values), self._numbers(kind, values)) for tag, kind, values in fields]
        packed += self._resolution()
        packed += [(ifd.XMP, ifd.BYTE, len(info.xmp), info.xmp)] if info.xmp else []
        packed += [(ifd.ICC, ifd.UNDEFINED, len(info.icc), info.icc)] if info.icc else []
        if info.iptc and all(tag != iptc.TIFF_TAG for tag, *_ in self._described):
            packed.append((iptc.TIFF_TAG, ifd.UNDEFINED, len(info.iptc), info.iptc))
        return self._described + packed

    def _numbers(self, kind: int, values: list[int]) -> bytes:
        code = {ifd.SHORT: "H", ifd.LONG: "I", ifd.LONG8: "Q"}[kind]
        return struct.pack(f"{self._order}{len(values)}{code}", *values)

    def _resolution(self) -> list[ifd.Field]:
        if self._info.dpi is None:
            return []
        across, down = (struct.pack(self._order + "II", round(d * 10000), 10000) for d in self._info.dpi)
        return [
            (ifd.X_RESOLUTION, ifd.RATIONAL, 1, across),
            (ifd.Y_RESOLUTION, ifd.RATIONAL, 1, down),
            (ifd.RESOLUTION_UNIT, ifd.SHORT, 1, self._numbers(ifd.SHORT, [_INCH])),
        ]

    def _moved(self) -> list[ifd.Field]:
        """Append the EXIF block's sub-directories in BigTIFF's form; return the fields of the main directory."""
        moved = []
        for tag, kind, count, raw in self._described:
            if tag in self._below:
                self._align()
                moved.append((tag, ifd.LONG8, 1, self._numbers(ifd.LONG8, [self._at])))
                self._put(ifd.pack(self._below[tag], self._order, self._at, big=True))
            elif tag not in _POINTERS:
                moved.append((tag, kind, count, raw))
        return moved


def _described(exif: bytes) -> tuple[str, list[ifd.Field]]:
    """Return the byte order of an EXIF block and the fields of it that belong in a picture's directory."""
    block = ifd.open_block(exif)
    entries = block.directory(block.first)[0].values()
    kept = [e for e in entries if e.tag in metadata.DESCRIPTIVE and e.kind in ifd.CLASSIC]
    return block.order, [(e.tag, e.kind, e.count, block.value(e)) for e in kept]


def _below(exif: bytes) -> dict[int, list[ifd.Field]]:
    """Return the fields of an EXIF block's sub-directories, by the tags that point to them."""
    block = ifd.open_block(exif)
    entries, below = block.directory(block.first)[0], {}
    for tag in _POINTERS:
        if (where := block.pointer(entries.get(tag))) is not None:
            inner = [e for e in block.directory(where)[0].values() if e.tag != ifd.INTEROP_IFD]
            below[tag] = [(e.tag, e.kind, e.count, block.value(e)) for e in inner if e.kind in ifd.CLASSIC]
    return below


def _predicted(rows: Raw, order: str) -> bytes:
    """Return the bytes of a strip as the predictor wants them (TIFF 6.0, and Technical Note 3 for floats)."""
    if rows.dtype == np.float32:
        return _float_planes(rows)
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]  # wraps around, as the predictor wants
    swap = rows.dtype.itemsize > 1 and (order == ">") != (sys.byteorder == "big")
    return (differences.byteswap() if swap else differences).tobytes()


def _float_planes(rows: NDArray[np.float32]) -> bytes:
    """Per row: all most significant bytes first, then all next ones, ...; differences at the distance of a pixel."""
    height, width, bands = rows.shape
    octets = rows.astype(">f4").view(np.uint8).reshape(height, width * bands, 4)
    planes = np.ascontiguousarray(octets.swapaxes(1, 2)).reshape(height, -1)
    differences = planes.copy()
    differences[:, bands:] -= planes[:, :-bands]
    return differences.tobytes()
