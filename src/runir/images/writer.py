"""A picture file written from top to bottom, as the rows come."""

import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from runir.errors import RunirError, UsageError
from runir.images import iptc
from runir.images.depth import Raw, change_depth, depth_for
from runir.images.encode import JPEG_SEGMENT, VipsEncoder
from runir.images.headers import LARGEST_WHOLE
from runir.images.messages import UnfitError, line
from runir.images.picture import COLOURS, EXTENSIONS, NAMES, SUPPORTED, PictureInfo, Text, dtype_of
from runir.images.place import Draft, check_free
from runir.images.png import PngEncoder, png_extras
from runir.images.skeleton import EXIF_IN_JPEG, XMP_IN_JPEG
from runir.images.tiff import TiffEncoder

_LARGEST_SIDE = {"JPEG": 65500, "PNG": 2**31 - 1, "WEBP": 16383, "TIFF": 2**32 - 1, "AVIF": 65535}
_WHOLE = frozenset({"WEBP", "AVIF"})  # their encoders want the whole picture
_JPEG_ROOM = {
    "exif": JPEG_SEGMENT - len(EXIF_IN_JPEG),
    "xmp": JPEG_SEGMENT - len(XMP_IN_JPEG),
    "iptc": JPEG_SEGMENT - iptc.JPEG_OVERHEAD,
}
_JPEG_ICC_ROOM = 255 * (JPEG_SEGMENT - 14)
_TEXTS = {
    "COM": "JPEG comment",
    **dict.fromkeys(("tEXt", "zTXt", "iTXt"), "PNG text"),
    **dict.fromkeys(COLOURS, "colour description"),
}
_OF_RGB = bytes([0, 1])  # matrix and range: RGB over the full scale, as samples are here
# What need not be said elsewhere: sRGB is what pictures without a profile are taken for.
_OF_SRGB = {
    "gAMA": (struct.pack(">I", 45455),),
    "cHRM": (struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),),
    "sRGB": tuple(bytes([intent]) for intent in range(4)),
    "cICP": (bytes([1, 13, 0, 1]), bytes([1, 1, 0, 1])),  # the curve of video is shown as that of sRGB
}


class _Encoder(Protocol):
    def write(self, rows: Raw) -> None: ...
    def finish(self) -> None: ...


def container_of(path: Path, container: str | None = None) -> str:
    """Return the container to write at `path`: the one named (in any case), else the one of its ending.

    Raises UsageError when there is none.
    """
    if container is not None:
        known = {"JPG": "JPEG", "TIF": "TIFF"}.get(container.upper(), container.upper())
        if known not in SUPPORTED:
            raise UsageError(f"format {container} cannot be written; use one of {', '.join(SUPPORTED).lower()}")
        return known
    found = EXTENSIONS.get(path.suffix.lower())
    if found is None:
        what = f"unknown picture type {path.suffix or '(none)'}"
        raise UsageError(line(path, what, f"use one of {', '.join(EXTENSIONS)}"))
    return found


def create_picture(
    path: str | os.PathLike[str],
    info: PictureInfo,
    *,
    quality: int = 95,
    overwrite: bool = False,
    bit_depth: int | None = None,
    format: str | None = None,
) -> "PictureWriter":
    """Begin a picture file: size, channels, depth and metadata from `info`, rows by `PictureWriter.write`.

    The container is `format`, else the one that the ending of `path` names. The depth is `bit_depth` (8, 10,
    12, 16, 32 for floating point, where the container has it), else that of `info`, reduced with a note if
    the container holds less. PNG and TIFF lose nothing, nor does WebP if the picture came from a lossless
    file; else `quality` (1 to 100) counts: JPEG and AVIF at full colour resolution. ICC, EXIF, XMP,
    IPTC and resolution go along where the container has room (WebP and AVIF have none for the resolution outside EXIF),
    comments of JPEG and texts of PNG into a file of their own kind, descriptions of colours into PNG and AVIF.

    Memory: PNG, TIFF and JPEG some rows; WebP and AVIF the whole picture, since their encoders want it; at most 2**28
    pixels.

    Raises UsageError for an unknown ending or format, a quality or depth out of range, and a file that exists
    unless `overwrite`; RunirError when the picture does not fit the container.
    """
    path = Path(path)
    container = container_of(path, format)
    if not 1 <= quality <= 100:
        raise UsageError(line(path, f"quality {quality} is out of range", "give 1 to 100"))
    try:
        bits, reduced = depth_for(container, info.bits, bit_depth)
    except UsageError as error:
        raise UsageError(line(path, *str(error).split("; "))) from None
    check_free(path, overwrite)
    if max(info.height, info.width) > _LARGEST_SIDE[container]:
        most = f"{NAMES[container]} can hold ({_LARGEST_SIDE[container]} a side)"
        raise RunirError(line(path, f"{info.width} x {info.height} is more than {most}", "write .png or .tif instead"))
    if container in _WHOLE and info.height * info.width > LARGEST_WHOLE:
        most = f"the {LARGEST_WHOLE} pixels that {NAMES[container]} can be encoded from in one piece"
        raise RunirError(line(path, f"{info.width} x {info.height} is more than {most}", "write .tif or .png instead"))
    kept, notes = _fit(info, container)
    return PictureWriter(path, info, kept, container, bits, quality, overwrite, (*reduced, *notes))


class PictureWriter:
    """A picture file that is being written; a context manager, made by `create_picture`.

    The file appears at the end of the `with` block, whole, or not at all: nothing stays behind when the block
    is left by an exception. A missing parent folder is made.
    """

    def __init__(
        self, path: Path, info: PictureInfo, kept: PictureInfo, container: str, bits: int, quality: int,
        overwrite: bool, notes: tuple[str, ...],
    ) -> None:  # fmt: skip
        """See `create_picture`. `kept`: `info` without what the container cannot hold."""
        self._path, self._info, self._kept, self._container = path, info, kept, container
        self._bits, self._quality, self._overwrite = bits, quality, overwrite
        self._notes = list(notes)
        self._done = 0
        self._draft: Draft | None = None
        self._encoder: _Encoder

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told: what the file could not hold."""
        return tuple(self._notes)

    def __enter__(self) -> Self:
        """Begin the file beside its place. Raises RunirError when that cannot be done."""
        self._draft = Draft(self._path, self._overwrite)
        try:
            self._encoder = self._begin(self._draft)
        except BaseException as fault:
            self._draft.discard()
            raise self._told(fault) from fault
        return self

    def write(self, pixels: Raw, alpha: Raw | None = None) -> None:
        """Take the next rows: h x W x C of `info.dtype`, and alpha h x W if `info.alpha` says so.

        Where the file has another depth they are converted; NaN and infinity, which only floating-point files
        hold, are then written as `finite` has them. Raises ValueError for rows of another shape or type,
        RunirError when they cannot be written.
        """
        info = self._info
        if pixels.ndim != 3 or pixels.shape[1:] != (info.width, info.channels) or pixels.dtype != info.dtype:
            expected = f"h x {info.width} x {info.channels} {info.dtype}"
            raise ValueError(f"rows must be {expected}, not {pixels.shape} {pixels.dtype}")
        if (alpha is not None) != info.alpha or (alpha is not None and alpha.shape != pixels.shape[:2]):
            raise ValueError("alpha must be given, h x W, exactly if the picture has it")
        if self._draft is None or self._done + len(pixels) > info.height:
            raise ValueError(f"{self._done + len(pixels)} rows of a picture of {info.height}, or outside `with`")
        try:
            samples = change_depth(pixels, dtype_of(self._bits))
            if alpha is not None and self._kept.alpha:
                samples = np.concatenate([samples, change_depth(alpha, samples.dtype)[..., None]], axis=2)
            self._encoder.write(samples)
        except (OSError, UnfitError, MemoryError) as fault:
            raise self._told(fault) from fault
        self._done += len(pixels)

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, where: object) -> None:
        """Put the file in place, or throw it away. Raises RunirError, and ValueError when rows are missing."""
        assert self._draft is not None
        try:
            if kind is not None:
                return
            if self._done != self._info.height:
                raise ValueError(f"only {self._done} of {self._info.height} rows were written")
            self._encoder.finish()
            self._draft.commit()
        except (OSError, UnfitError, MemoryError) as broken:
            raise self._told(broken) from broken
        finally:
            if isinstance(self._encoder, VipsEncoder):
                self._encoder.abort()
            self._draft.discard()
            self._draft = None

    def _begin(self, draft: Draft) -> _Encoder:
        kept, file = self._kept, draft.file
        size, bands = (kept.width, kept.height), kept.channels + kept.alpha
        if self._container == "PNG":
            return PngEncoder(file.write, size, bands, self._bits, extras=png_extras(kept))
        if self._container == "TIFF":
            try:
                return TiffEncoder(file, kept, self._bits)
            except ValueError:
                # Other containers take EXIF as one lump; here its entries are looked at, and damage shows up.
                self._notes.append("EXIF data dropped: damaged")
                return TiffEncoder(file, replace(kept, exif=None), self._bits)
        return VipsEncoder(file, self._container, kept, self._bits, self._quality)

    def _told(self, fault: BaseException) -> BaseException:
        """The one-line error for a fault, where there is one."""
        if isinstance(fault, UnfitError):
            return RunirError(line(self._path, fault.what, fault.remedy))
        if isinstance(fault, MemoryError):
            return RunirError(line(self._path, "too large for the memory of this machine", "cut it up first"))
        if isinstance(fault, OSError) and self._draft is not None:
            return self._draft.failed(fault)
        return fault


def _fit(info: PictureInfo, container: str) -> tuple[PictureInfo, tuple[str, ...]]:
    """Leave out what the container cannot hold, and say so."""
    drop: dict[str, str] = {}
    if container == "JPEG":
        if info.alpha:
            drop["alpha"] = "transparency dropped: JPEG cannot hold it"
        for name, room in _JPEG_ROOM.items():
            if len(getattr(info, name) or b"") > room:
                drop[name] = f"{name.upper()} data dropped: too long for JPEG"
        if len(info.icc or b"") > _JPEG_ICC_ROOM:
            drop["icc"] = "ICC profile dropped: too long for JPEG"
    if container in ("WEBP", "AVIF") and (info.icc or b"")[16:20] == b"GRAY":
        drop["icc"] = f"gray ICC profile dropped: {NAMES[container]} stores gray as RGB"
    if container in ("WEBP", "AVIF") and info.iptc:
        drop["iptc"] = f"IPTC data dropped: {NAMES[container]} cannot hold it"
    texts = tuple(text for text in info.texts if container in _homes(text))
    outdone = {"gAMA", "cHRM", "sRGB"} if (info.icc and "icc" not in drop) or dict(texts).get("cICP") else set()
    strange = (
        text for text in info.texts
        if text not in texts and text[0] not in outdone and text[1] not in _OF_SRGB.get(text[0], ())
    )  # fmt: skip
    told = (
        f"{what} dropped: {NAMES[container]} cannot hold it" for what in dict.fromkeys(_TEXTS[k] for k, _ in strange)
    )
    notes = [*drop.values(), *told]
    if container == "AVIF" and info.alpha:
        notes.append("AVIF with transparency written without loss: quality does not count")
    kept = replace(
        info,
        alpha=info.alpha and "alpha" not in drop,
        exif=None if "exif" in drop else info.exif,
        xmp=None if "xmp" in drop else info.xmp,
        icc=None if "icc" in drop else info.icc,
        iptc=None if "iptc" in drop else info.iptc,
        texts=texts,
    )
    return kept, tuple(notes)


def _homes(text: Text) -> tuple[str, ...]:
    """The containers that have a place for it."""
    kind, data = text
    if kind == "cICP" and data[2:] == _OF_RGB:
        return "PNG", "AVIF"
    return ("JPEG",) if kind == "COM" else ("PNG",)
