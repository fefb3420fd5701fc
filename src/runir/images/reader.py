"""A picture file read from top to bottom, a few rows at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from runir.errors import RunirError, UsageError
from runir.images.boxes import colours_of
from runir.images.decode import Rows, StoredRows, VipsRows
from runir.images.depth import Raw, finite, to_float
from runir.images.embedded import DAMAGED_PNG, Embedded, from_blocks, read_embedded
from runir.images.extras import DEVELOPED, read_heic, read_raw
from runir.images.headers import Header, read_header
from runir.images.messages import UnfitError, line, reason
from runir.images.picture import PictureInfo, dtype_of
from runir.images.reduce import view_starts
from runir.images.skeleton import png_without_extras
from runir.images.transparency import fill_transparent
from runir.images.upright import turn, upright_rows

MAX_PIXELS = 2**32
"""What `open_picture` takes unasked: four gigapixels. A picture is never held whole, so this is a guard only."""
_GRID = 64  # squares a side, of which the scale of floating-point values is told
_TWICE_WHITE, _SCALES = 2, (255, 65535)


def open_picture(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, scratch: Path | None = None
) -> "PictureReader":
    """Open a JPEG, PNG, WebP, TIFF or AVIF file (HEIC, camera raw: with their extras), whatever its name ends in.

    Only headers and metadata are read here (HEIC and camera raw: everything). A picture that has to be turned
    upright is decoded when its first row is asked for, into memory up to 128 MiB, else into an unnamed file in
    `scratch` (default: the system's temporary folder), as large as the raw picture.

    Raises UsageError for a path that is missing or not a file, and RunirError for a file that cannot be read:
    damaged, truncated, empty, of more than `max_pixels` pixels, or of a kind that runir does not support.
    """
    return PictureReader(Path(path), max_pixels, scratch)


def check_is_file(path: Path) -> None:
    """Raise UsageError unless `path` is an ordinary file."""
    try:
        if path.is_dir():
            raise UsageError(line(path, "is a folder", "give a picture file"))
        if not path.exists():
            raise UsageError(line(path, "no such file", "check the name"))
        if not path.is_file():
            raise UsageError(line(path, "is not an ordinary file", "give a picture file"))
    except (OSError, ValueError) as fault:
        raise UsageError(line(path, f"cannot be opened ({reason(fault)})", "check the name")) from fault


class PictureReader:
    """An open picture: what is known of it, and its rows. A context manager; made by `open_picture`."""

    info: PictureInfo
    streams: bool
    """Whether the decoder hands out rows without holding the whole picture."""

    def __init__(self, path: Path, max_pixels: int, scratch: Path | None) -> None:
        """See `open_picture`."""
        check_is_file(path)
        self.path = path
        self._kept_from, self._kept = 0, np.empty((0, 0, 0), np.uint8)
        with one_line(path), path.open("rb") as file:
            header = read_header(file, max_pixels)
            rows, found, notes = _opened(path, file, header, max_pixels)
        self._stored, self._orientation, self._scratch = rows, found.orientation, scratch
        self.streams = header.streams
        self._upright: Rows | None = None
        turned = found.orientation >= 5
        self.info = PictureInfo(
            height=rows.width if turned else rows.height,
            width=rows.height if turned else rows.width,
            channels=1 if rows.bands <= 2 else 3,
            dtype=dtype_of(rows.bits),
            alpha=rows.bands in (2, 4),
            format=header.format,
            lossless=header.lossless,
            bits=rows.bits,
            icc=found.icc,
            exif=found.exif,
            xmp=found.xmp,
            dpi=found.dpi,
            iptc=found.iptc,
            texts=tuple(found.texts),
            notes=tuple(dict.fromkeys((*header.notes, *notes, *found.notes))),
        )

    @property
    def turned(self) -> bool:
        """Whether the file stores the picture in another orientation than upright."""
        return self._orientation != 1

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column, 0 to 7 each, of the first corner of the stored picture's 8 x 8 blocks (JPEG's), upright."""
        down = self.info.height % 8 if self._orientation in (3, 4, 7, 8) else 0
        return down, self.info.width % 8 if self._orientation in (2, 3, 6, 7) else 0

    def rows(self, top: int, bottom: int) -> tuple[Raw, Raw | None]:
        """Return rows `top` to `bottom` (exclusive): raw samples h x W x C, and alpha h x W or None.

        Forward only: `top` must not lie before the `top` of the call before. Ranges may overlap: rows that the
        call before returned are taken from there, for which the reader keeps that one block.

        Raises ValueError for rows that are not there or have gone by, RunirError where the file is damaged.
        """
        if not 0 <= top < bottom <= self.info.height:
            raise ValueError(f"rows {top} to {bottom} of a picture of {self.info.height}")
        have_to = self._kept_from + len(self._kept)
        if top < self._kept_from:
            raise ValueError(f"row {top} has gone by; rows are read forward from {self._kept_from}")
        parts = [self._kept[top - self._kept_from : bottom - self._kept_from]] if top < have_to else []
        if bottom > have_to:
            with one_line(self.path):
                if self._upright is None:
                    self._upright = upright_rows(self._stored, self._orientation, self._scratch)
                parts.append(self._upright.fetch(max(top, have_to), bottom))
        block = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if bottom >= have_to:
            self._kept_from, self._kept = top, block
        if not self.info.alpha:
            return block, None
        return block[..., :-1], np.ascontiguousarray(block[..., -1])

    def reduced(self, side: int) -> NDArray[np.float32]:
        """Return the whole picture shrunk to fit `side` x `side`, h x w x C float32 in [0, 1], alpha left out.

        Every value is the mean of a square of pixels, of one whole-numbered size. Fully transparent ones do not
        count (a square of nothing else looks like its surroundings); NaN and infinity do, as `finite` has them.
        The file is read for it once more and never held whole.
        Raises ValueError for a `side` below 1, RunirError where the file is damaged.
        """
        if side < 1:
            raise ValueError(f"side must be 1 or more, not {side}")
        factor = -(-max(self.info.height, self.info.width) // side)
        with one_line(self.path):
            small = turn(self._stored.shrunk(factor), self._orientation)
        clean: NDArray[np.float32] = np.clip(finite(small[..., : self.info.channels])[0], 0, 1)
        return fill_transparent(clean, small[..., -1]) if self.info.alpha else clean

    def views(self, side: int, count: int) -> list[NDArray[np.float32]]:
        """Return parts of at most `side` x `side` pixels as they are, evenly spread: up to `count` in each direction.

        Each h x w x C float32, NaN and infinity as `finite` has them, alpha left out; where a pixel is fully
        transparent, the colours of its surroundings. Parts that are transparent throughout are left out, unless all
        are. The file is read for it once more, those rows are held. Raises RunirError where the file is damaged.
        """
        stored = self._stored
        starts = [view_starts(length, side, count) for length in (stored.height, stored.width)]
        places = [np.unique(np.add.outer(s, np.arange(min(side, length))))
                  for s, length in zip(starts, (stored.height, stored.width), strict=True)]  # fmt: skip
        with one_line(self.path):
            picked = stored.picked(*places)
        tops, lefts = (np.searchsorted(held, s) for held, s in zip(places, starts, strict=True))
        parts = [picked[top : top + side, left : left + side] for top in tops for left in lefts]
        shown = [part for part in parts if part[..., -1].any()] if self.info.alpha else parts
        return [self._view(part) for part in shown or parts]

    def _view(self, picked: Raw) -> NDArray[np.float32]:
        samples = turn(picked, self._orientation)
        clean = finite(to_float(samples[..., : self.info.channels]))[0]
        return fill_transparent(clean, samples[..., -1]) if self.info.alpha else clean

    def check_range(self) -> None:
        """Refuse floating-point values that were not meant as 0 (black) to 1 (white), such as those up to 255.

        Highlights may lie beyond 1, and in HDR pictures far beyond; when half of the picture lies above 2, its scale is
        another one, and which one would be a guess. A floating-point file is read for it once more, others are not.
        Raises RunirError, also where the file is damaged.
        """
        if self.info.bits != 32:
            return
        factor = -(-max(self.info.height, self.info.width) // _GRID)
        with one_line(self.path):
            means = self._stored.shrunk(factor)
            seen = means[..., -1] > 0 if self.info.alpha else np.ones(means.shape[:2], bool)
            values = finite(means[..., : self.info.channels])[0][seen]
            if values.size and np.median(values) > _TWICE_WHITE:
                likely = next((white for white in _SCALES if white / 8 < values.max() <= 1.2 * white), None)
                remedy = f"divide them by {likely} first" if likely else "bring them into that range first"
                what = f"floating-point values around {np.median(values):.4g}, but 0 (black) to 1 (white) are expected"
                raise UnfitError(what, remedy)

    def close(self) -> None:
        """Let go of the file."""
        for rows in (self._upright, self._stored):
            if rows is not None:
                rows.close()
        self._kept = self._kept[:0]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, where: object) -> None:
        """Let go of the file."""
        self.close()


def _opened(path: Path, file: BinaryIO, header: Header, max_pixels: int) -> tuple[StoredRows, Embedded, list[str]]:
    """Return the rows as they are stored, what stands beside them, and notes."""
    if header.format == "HEIC":
        return *read_heic(file, header, max_pixels), []
    found = read_embedded(file, header)
    if header.format == "RAW":
        rows = read_raw(path, header, max_pixels)
        found.orientation = 1  # rawpy has turned it already
        return rows, found, [DEVELOPED]
    lean = png_without_extras(file) if header.format == "PNG" and DAMAGED_PNG in found.notes else None
    decoder = VipsRows(path, header, max_pixels, data=lean)
    notes = decoder.notes
    if header.format == "AVIF":
        found = from_blocks(*decoder.blocks, colours_of(file))
        notes += ["several pictures: only the first was read"] if decoder.many else []
    if decoder.cmyk:
        found.icc = None  # the profile of the ink has been used up
    return decoder, found, notes


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file that is read into RunirError with the path, the fault and a remedy."""
    try:
        yield
    except UnfitError as fault:
        raise RunirError(line(path, fault.what, fault.remedy)) from fault
    except MemoryError as fault:
        raise RunirError(line(path, "too large for the memory of this machine", "cut it up first")) from fault
    except OSError as fault:
        what = f"cannot be read ({reason(fault)})"
        raise RunirError(line(path, what, "check the disk and the permissions")) from fault
