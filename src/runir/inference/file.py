"""One picture file: read, restored and written at the same time, with one row of tiles in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.errors import UsageError
from runir.images import (
    MAX_PIXELS,
    PictureReader,
    create_picture,
    fill_transparent,
    finite,
    from_float,
    keep_hidden,
    open_picture,
    to_float,
)
from runir.images.depth import change_depth
from runir.images.picture import dtype_of
from runir.inference.overlap import Behind, ahead
from runir.inference.restorer import Array, Progress, Restorer, Source

CHUNK = 64  # rows that travel between the threads at once
CONTEXT = 64  # pixels around a previewed region that the network sees too,
VIEW = 512  # and more around a small one: channel attention depends on all that a tile shows
_WithAlpha = tuple[NDArray[Any], NDArray[Any]]
_Rows = tuple[NDArray[Any], NDArray[Any] | None]  # pixels and alpha, as they are written


@dataclass(frozen=True, slots=True)
class Region:
    """Part of an upright picture, in pixels from its top left corner."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse what is no region."""
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise UsageError(f"region {self}: X and Y from 0 on, W and H from 1 on are needed")

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.x},{self.y},{self.width},{self.height}"

    def inside(self, height: int, width: int) -> Region:
        """The part that lies in a picture of this size. Raises UsageError when none does."""
        if self.x >= width or self.y >= height:
            raise UsageError(f"region {self} lies outside the picture of {width} x {height} pixels")
        return Region(self.x, self.y, min(self.width, width - self.x), min(self.height, height - self.y))


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How one file is restored and written.

    strength: 0 (unchanged) to 1. quality: of lossy formats, 1 to 100. format: container, None: by the name's ending.
    bit_depth: 8, 16 or 32, None: as it was. region: restore and write only this part. tta: see Restorer.stream.
    max_pixels: larger pictures are refused.
    """

    strength: float = 1.0
    quality: int = 95
    overwrite: bool = False
    format: str | None = None
    bit_depth: int | None = None
    region: Region | None = None
    tta: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done to one file. models: in the order they were applied. notes: what a person should be told.
    seconds: reading to writing."""

    input: str
    output: str
    models: tuple[str, ...]
    engine: str
    device: str
    precision: str
    strength: float
    width: int
    height: int
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class FileWork:
    """One file on its way: opened, then `compute`, then `save`. Each step may run in another thread.

    Nothing of the result is to be seen before `save` has ended; whatever fails, nothing is left behind.
    """

    def __init__(self, source: Path, target: Path, options: FileOptions = FileOptions()) -> None:
        """Open the file and check that the result can go where it shall.

        Raises UsageError for a wrong path, option or region; RunirError for a picture that cannot be read.
        """
        self._begun = time.perf_counter()
        self.source, self.target, self.options = source, target, options
        self._notes: list[str] = []
        self._restorers: Sequence[Restorer] = ()
        with ExitStack() as stack:
            reader = stack.enter_context(open_picture(source, max_pixels=options.max_pixels))
            self.info = reader.info
            whole = Region(0, 0, self.info.width, self.info.height)
            self.region = (options.region or whole).inside(self.info.height, self.info.width)
            self._part = stack.enter_context(closing(_Part(reader, self.region)))
            # Restored pixels are handed over at the depth that is asked for, so that 8 bits can become 16.
            bits = options.bit_depth or self.info.bits
            self._dtype = dtype_of(bits)
            self._writer = stack.enter_context(
                create_picture(
                    target,
                    replace(
                        self.info, height=self.region.height, width=self.region.width, bits=bits, dtype=self._dtype
                    ),
                    quality=options.quality,
                    overwrite=options.overwrite,
                    format=options.format,
                    bit_depth=options.bit_depth,
                )
            )
            self._stack = stack.pop_all()

    def tiles(self, restorers: Sequence[Restorer]) -> int:
        """How many tiles these models take; time is proportional to it."""
        return sum(restorer.tile_count(self._part.height, self._part.width) for restorer in restorers)

    def compute(self, restorers: Sequence[Restorer], progress: Progress | None = None) -> None:
        """Restore with one model after another. progress: called with (tiles done, tiles in all) over all models.

        Raises RunirError for a picture that cannot be read whole or a result that cannot be written.
        """
        self._restorers = restorers if self.options.strength else ()
        try:
            with Behind[_Rows](lambda item: self._writer.write(*item)) as behind:
                for rows in self._chained(progress):
                    for first in range(0, len(rows), CHUNK):
                        done = self._part.finished(rows[first : first + CHUNK], self._dtype)
                        if len(done[0]):
                            behind.put(done)
        except BaseException as error:
            self.abort(error)
            raise

    def abort(self, error: BaseException) -> None:
        """Give up: close the file, and leave nothing of the result."""
        self._stack.__exit__(type(error), error, error.__traceback__)

    def save(self) -> Restored:
        """Write the result where it belongs, whole. Raises RunirError when that cannot be done."""
        self._stack.close()
        first = self._restorers[0] if self._restorers else None
        return Restored(
            str(self.source), str(self.target), tuple(r.card.name for r in self._restorers),
            first.engine if first else "", first.device if first else "", first.precision if first else "",
            float(self.options.strength), self.region.width, self.region.height,
            round(time.perf_counter() - self._begun, 3),
            (*self.info.notes, *self._notes, *self._part.notes, *self._writer.notes),
        )  # fmt: skip

    def _chained(self, progress: Progress | None) -> Iterator[Array]:
        """Restored rows, with their context, float32 h x W x C from top to bottom; reused: copy to keep."""
        total, done = self.tiles(self._restorers), [0] * len(self._restorers)

        def counted(index: int) -> Progress:
            def report(so_far: int, _: int) -> None:
                done[index] = so_far
                if progress is not None:
                    progress(sum(done), total)

            return report

        part, options = self._part, self.options
        source: Source = part
        rows: Iterator[Array] | None = None
        for index, restorer in enumerate(self._restorers):
            stream = restorer.stream(
                source, strength=options.strength, tta=options.tta, progress=counted(index), notes=self._notes
            )
            rows = (restored for _, restored in stream)
            source = _Piped(part, rows)
        if rows is not None:
            return rows
        tops = range(0, part.height, CHUNK)  # nothing to do: a copy
        return (to_float(part.rows(top, min(part.height, top + CHUNK))) for top in tops)


def restore_file(
    restorers: Sequence[Restorer],
    source: Path,
    target: Path,
    options: FileOptions = FileOptions(),
    progress: Progress | None = None,
) -> Restored:
    """Restore a picture file with one model after another: see FileWork."""
    work = FileWork(source, target, options)
    work.compute(restorers, progress)
    return work.save()


class _Piped:
    """The restored rows of one model as the next one's Source."""

    def __init__(self, part: _Part, rows: Iterator[Array]) -> None:
        self.height, self.width, self.channels = part.height, part.width, part.channels
        self.reduced = part.reduced  # of the picture as it came: what the exposure depends on is still seen there
        self._rows, self._waiting = rows, np.empty((0, part.width, part.channels), np.float32)

    def rows(self, top: int, bottom: int) -> Array:
        """See Source."""
        parts = [self._waiting]
        while sum(map(len, parts)) < bottom - top:
            parts.append(next(self._rows).copy())
        held = np.concatenate(parts)
        self._waiting = held[bottom - top :]
        return held[: bottom - top]


def _with_context(start: int, length: int, side: int) -> tuple[int, int]:
    """Where the network's view of a part begins, and how long it is."""
    view = min(side, max(length + 2 * CONTEXT, VIEW))
    return min(max(0, start - (view - length) // 2), side - view), view


class _Part:
    """A region of a file, with the context around it, as a Source; keeps what the writer needs again."""

    def __init__(self, reader: PictureReader, region: Region) -> None:
        info = reader.info
        self._left, self.width = _with_context(region.x, region.width, info.width)
        self._top, self.height = _with_context(region.y, region.height, info.height)
        self.channels = info.channels
        self._reader, self._region, self._replaced = reader, region, 0
        self._chunks = ahead(self._read())
        self._waiting: list[NDArray[Any]] = []
        self._kept: deque[_WithAlpha] = deque()  # pixels and alpha as they were, of pictures with alpha
        self._written = self._top

    def _read(self) -> Iterator[tuple[NDArray[Any], _WithAlpha | None]]:
        columns, end = slice(self._left, self._left + self.width), self._top + self.height
        for top in range(self._top, end, CHUNK):
            pixels, alpha = self._reader.rows(top, min(end, top + CHUNK))
            pixels, bad = finite(pixels[:, columns])
            self._replaced += 0 if bad is None else int(np.count_nonzero(bad))
            if alpha is None:
                yield pixels, None
            else:
                alpha = alpha[:, columns]
                yield fill_transparent(to_float(pixels), alpha), (pixels, alpha)

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """See Source."""
        while sum(map(len, self._waiting)) < bottom - top:
            shown, kept = next(self._chunks)
            self._waiting.append(shown)
            if kept is not None:
                self._kept.append(kept)
        held = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting = [held[bottom - top :]]
        return held[: bottom - top]

    def reduced(self, side: int) -> Array:
        """See Source; of the whole picture, so that a region comes out as it would in the whole."""
        return self._reader.reduced(side)

    def finished(self, restored: Array, dtype: str) -> _Rows:
        """The next restored rows (at most CHUNK) as they are written: cut to the region, in the file's type, with their
        alpha; where that is zero, the colours are those that came in."""
        top, region = self._written, self._region
        self._written += len(restored)
        inside = (
            slice(max(0, region.y - top), max(0, region.y + region.height - top)),
            slice(region.x - self._left, region.x - self._left + region.width),
        )
        pixels = from_float(restored[inside], dtype)
        pixels = pixels.copy() if pixels.base is not None else pixels  # restored rows are reused
        if not self._kept:
            return pixels, None
        before, alpha = (change_depth(side[inside], dtype) for side in self._take(len(restored)))
        return keep_hidden(pixels, before, alpha), alpha

    def _take(self, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
        taken: list[tuple[NDArray[Any], NDArray[Any]]] = []
        while count:
            pixels, alpha = self._kept.popleft()
            taken.append((pixels[:count], alpha[:count]))
            if len(pixels) > count:
                self._kept.appendleft((pixels[count:], alpha[count:]))
            count -= len(taken[-1][0])
        return np.concatenate([p for p, _ in taken]), np.concatenate([a for _, a in taken])

    @property
    def notes(self) -> list[str]:
        """What a person should be told about the values."""
        return [f"{self._replaced} values that are no numbers were replaced"] if self._replaced else []

    def close(self) -> None:
        """Stop reading."""
        self._chunks.close()
