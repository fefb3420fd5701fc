"""A PNG writer that takes rows as they come (W3C PNG specification, third edition).

Written here because libvips pulls pixels where runir pushes them, rewrites EXIF, and gives every file a
resolution. With `level=0` it is also how pixels are pushed into libvips for the other encoders.
"""

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from runir.images import iptc
from runir.images.depth import Raw
from runir.images.embedded import XMP_IN_PNG
from runir.images.picture import PictureInfo

Chunk = tuple[bytes, bytes]
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
_BLOCK = 1 << 18
_SUB, _UP, _PAETH = 1, 2, 4


class PngEncoder:
    """Rows in, bytes of a PNG file out, at once."""

    def __init__(
        self, write: Callable[[bytes], object], size: tuple[int, int], bands: int, bits: int, *,
        level: int = 6, extras: Sequence[Chunk] = (),
    ) -> None:  # fmt: skip
        """`write` takes the bytes; `size`: width, height; `bits`: 8 or 16; `extras`: chunks before the pixels.

        `level` is deflate's; 0 stores the rows as they are, unfiltered.
        """
        self._write, self._level = write, level
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, 15, 9)
        self._pixel = bands * bits // 8
        self._above = np.zeros(size[0] * self._pixel, np.uint8)
        write(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, _COLOURS[bands], 0, 0, 0)))
        for name, data in extras:
            write(_chunk(name, data))

    def write(self, rows: Raw) -> None:
        """Take the next rows: h x W x bands of uint8 or uint16."""
        height = rows.shape[0]
        plain = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
        step = max(1, _BLOCK // plain.shape[1])
        for top in range(0, height, step):
            block = plain[top : top + step]
            if self._level == 0:
                lines = np.zeros((len(block), block.shape[1] + 1), np.uint8)
                lines[:, 1:] = block
            else:
                lines = _filtered(block, self._above, self._pixel)
                self._above = block[-1].copy()
            data = self._deflate.compress(lines.data)
            if data:
                self._write(_chunk(b"IDAT", data))

    def finish(self) -> None:
        """Write what is left."""
        self._write(_chunk(b"IDAT", self._deflate.flush()) + _chunk(b"IEND", b""))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def _filtered(block: NDArray[np.uint8], above: NDArray[np.uint8], pixel: int) -> NDArray[np.uint8]:
    """Filter each row in the way that makes its sum of absolute differences smallest, as the specification advises."""
    up = np.concatenate([above[None], block[:-1]])
    left = np.zeros_like(block)
    left[:, pixel:] = block[:, :-pixel]
    corner = np.zeros_like(block)
    corner[:, pixel:] = up[:, :-pixel]
    candidates = [(_SUB, block - left), (_UP, block - up), (_PAETH, block - _paeth(left, up, corner))]
    best = candidates[0][1].copy()
    kinds = np.full(len(block), _SUB, np.uint8)
    costs = _cost(best)
    for kind, rows in candidates[1:]:
        cost = _cost(rows)
        better = cost < costs
        best[better], kinds[better], costs[better] = rows[better], kind, cost[better]
    return np.concatenate([kinds[:, None], best], axis=1)


def _cost(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    sums: NDArray[np.int64] = np.minimum(rows, np.uint8(0) - rows).sum(axis=1, dtype=np.int64)
    return sums


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    a, b, c = (x.astype(np.int16) for x in (left, up, corner))
    to_left, to_up = np.abs(b - c), np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    use_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(use_left, left, np.where(to_up <= to_corner, up, corner))


def png_extras(info: PictureInfo) -> list[Chunk]:
    """Return the chunks that hold what stands beside the pixels."""
    chunks = []
    if info.icc:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(info.icc)))
    if info.dpi:
        across, down = (round(d / 0.0254) for d in info.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if info.exif:
        chunks.append((b"eXIf", info.exif))
    if info.xmp:
        # Keyword, not compressed, no language, no translated keyword; then the bytes as they are.
        chunks.append((b"iTXt", XMP_IN_PNG + b"\0\0\0\0\0" + info.xmp))
    if info.iptc:
        digits = iptc.to_digits("iptc", iptc.resource(info.iptc))
        chunks.append((b"zTXt", iptc.IN_PNG + b"\0\0" + zlib.compress(digits)))
    return chunks + [(kind.encode(), data) for kind, data in info.texts]
