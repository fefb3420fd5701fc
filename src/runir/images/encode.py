"""JPEG, WebP and AVIF by libvips, in a thread that takes the rows as they come."""

import queue
import struct
import threading
from typing import Any, BinaryIO

from runir.images import iptc, vips
from runir.images.avif import completed
from runir.images.depth import Raw, squeeze
from runir.images.messages import UnfitError, reason
from runir.images.picture import NAMES, PictureInfo
from runir.images.png import PngEncoder
from runir.images.skeleton import EXIF_IN_JPEG, ICC_IN_JPEG, XMP_IN_JPEG

JPEG_SEGMENT = 65533
_ICC_PIECE = JPEG_SEGMENT - len(ICC_IN_JPEG) - 2
_AVIF_EFFORT = 2
_MATRIX_RGB, _MATRIX_YCBCR = 0, 6  # what libheif codes the samples with: without loss, and else
_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
_WEBP_ALPHA = 0x10


class VipsEncoder:
    """Rows in, a file out. They travel to libvips as a PNG file without compression that is never written."""

    def __init__(self, file: BinaryIO, container: str, info: PictureInfo, bits: int, quality: int) -> None:
        """Begin; `file` gets the whole file by the end of `finish`."""
        self._file, self._container, self._info, self._bits = file, container, info, bits
        self._queue: queue.Queue[bytes | None] = queue.Queue(2)
        self._left = memoryview(b"")
        self._fault: BaseException | None = None
        self._whole = bytearray()
        self._begun = self._ended = False
        self._save = {"JPEG": self._jpeg, "WEBP": self._webp, "AVIF": self._avif}[container]
        self._quality = quality
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()
        bands = info.channels + info.alpha
        self._png = PngEncoder(self._queue.put, (info.width, info.height), bands, 8 if bits == 8 else 16, level=0)

    def write(self, rows: Raw) -> None:
        """Take the next rows: h x W x bands of uint8, or of uint16 for 10 and 12 bits."""
        if isinstance(self._fault, OSError | MemoryError):  # a full disk, say: why go on
            raise self._fault
        if self._fault is None:  # else `finish` tells
            self._png.write(rows if self._bits == 8 else squeeze(rows, self._bits))

    def finish(self) -> None:
        """Wait for the encoder. Raises OSError when the file cannot be written, UnfitError for other faults."""
        if self._fault is None:
            self._png.finish()
        self._join()
        if isinstance(self._fault, OSError | UnfitError | MemoryError):
            raise self._fault
        if self._fault is not None:
            what = f"cannot be encoded as {NAMES[self._container]} ({reason(self._fault)})"
            raise UnfitError(what, "write another kind of file") from self._fault
        if self._container == "WEBP":
            self._file.write(webp_with(bytes(self._whole), self._info))
        elif self._container == "AVIF":
            info = self._info
            colours = next((data for kind, data in info.texts if kind == "cICP"), None)
            matrix = _MATRIX_RGB if info.alpha else _MATRIX_YCBCR
            self._file.write(completed(bytes(self._whole), info.exif, colours, matrix))

    def abort(self) -> None:
        """Stop without a file."""
        self._fault = self._fault or InterruptedError()
        self._join()

    def _join(self) -> None:
        self._queue.put(None)
        self._worker.join()

    def _work(self) -> None:
        try:
            pyvips = vips.library()
            vips.forget_faults()
            source, target = pyvips.SourceCustom(), pyvips.TargetCustom()
            source.on_read(self._read)
            target.on_write(self._take)
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
            self._save(image, target)
        except BaseException as fault:  # noqa: BLE001 - told by `finish`, in the caller's thread
            self._fault = self._fault or fault
        finally:
            while not self._ended:  # so that nobody waits for room in the queue
                self._ended = self._queue.get() is None

    def _read(self, size: int) -> bytes:
        if not self._left and not self._ended:
            data = self._queue.get()
            self._ended = data is None
            self._left = memoryview(data or b"")
        piece = bytes(self._left[:size])
        self._left = self._left[size:]
        return piece

    def _take(self, data: Any) -> int:
        """Take bytes of the encoded file; what cannot be written is told by `finish`."""
        if self._fault is not None:
            return -1
        try:
            if self._container != "JPEG":
                self._whole += bytes(data)
            elif not self._begun:
                self._file.write(bytes(data[:2]) + jpeg_segments_of(self._info) + bytes(data[2:]))
            else:
                self._file.write(bytes(data))
            self._begun = True
        except (OSError, MemoryError) as fault:
            self._fault = self._fault or fault
            return -1
        return len(data)

    def _jpeg(self, image: vips.Image, target: Any) -> None:
        image.jpegsave_target(target, Q=self._quality, keep="none", subsample_mode="off")

    def _webp(self, image: vips.Image, target: Any) -> None:
        how = {"lossless": True, "exact": True} if self._info.lossless else {"Q": self._quality, "alpha_q": 100}
        image.webpsave_target(target, keep="none", **how)

    def _avif(self, image: vips.Image, target: Any) -> None:
        pyvips, info = vips.library(), self._info
        image = image.copy()
        for name, data in (("xmp-data", info.xmp), ("icc-profile-data", info.icc)):
            if data:
                image.set_type(pyvips.GValue.blob_type, name, data)
        options = {"compression": "av1", "bitdepth": self._bits, "effort": _AVIF_EFFORT, "subsample_mode": "off"}
        # Alpha has to come out as it went in, and libvips has one setting for all channels.
        how: dict[str, Any] = {"lossless": True} if info.alpha else {"Q": self._quality}
        image.heifsave_target(target, keep="xmp:icc", **options, **how)


def jpeg_segments_of(info: PictureInfo) -> bytes:
    """Return the segments that go behind the first marker of a JPEG file: JFIF, EXIF, XMP, ICC."""
    unit, across, down = (1, round(info.dpi[0]), round(info.dpi[1])) if info.dpi else (0, 1, 1)
    parts = [(0xE0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, unit, across, down, 0, 0))]
    if info.exif:
        parts.append((0xE1, EXIF_IN_JPEG + info.exif))
    if info.xmp:
        parts.append((0xE1, XMP_IN_JPEG + info.xmp))
    icc = info.icc or b""
    pieces = [icc[k : k + _ICC_PIECE] for k in range(0, len(icc), _ICC_PIECE)]
    parts += [(0xE2, ICC_IN_JPEG + bytes([k, len(pieces)]) + piece) for k, piece in enumerate(pieces, 1)]
    if info.iptc:
        parts.append((0xED, iptc.IN_JPEG + iptc.resource(info.iptc)))
    parts += [(0xFE, data) for _, data in info.texts]
    return b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in parts)


def webp_with(data: bytes, info: PictureInfo) -> bytes:
    """Return a WebP file with ICC, EXIF and XMP around the chunks of one without (RFC 9649)."""
    extras = {name: d for name, d in ((b"ICCP", info.icc), (b"EXIF", info.exif), (b"XMP ", info.xmp)) if d}
    if not extras:
        return data
    chunks = data[12:]
    alpha = _WEBP_ALPHA if info.alpha else 0
    if chunks.startswith(b"VP8X"):
        alpha = chunks[8] & _WEBP_ALPHA
        chunks = chunks[18:]
    flags = sum(_FLAGS[name] for name in extras) | alpha
    size = (info.width - 1).to_bytes(3, "little") + (info.height - 1).to_bytes(3, "little")
    body = _webp_chunk(b"VP8X", struct.pack("<I", flags) + size)
    body += _webp_chunk(b"ICCP", extras[b"ICCP"]) if b"ICCP" in extras else b""
    body += chunks
    body += b"".join(_webp_chunk(name, extras[name]) for name in (b"EXIF", b"XMP ") if name in extras)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)
