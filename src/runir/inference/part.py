"""A part of a picture file as the network sees it, and as it is written again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.errors import UsageError
from runir.images import PictureReader, fill_transparent, finite, from_float, keep_hidden, to_float
from runir.images.depth import change_depth
from runir.images.reduce import clearest
from runir.inference.overlap import ahead
from runir.inference.restorer import mixed
from runir.inference.shown import Array
from runir.inference.tiles import GRID

CHUNK = 64  # rows that travel between the threads at once, at most,
CHUNK_PIXELS = 2**19  # and pixels, about: several chunks are on their way at any time, as float32 too
CONTEXT = 64  # pixels around a previewed region that the network sees too,
VIEW = 512  # and more around a small one: channel attention depends on all that a tile shows
WithAlpha = tuple[NDArray[Any], NDArray[Any]]
WrittenRows = tuple[NDArray[Any], NDArray[Any] | None]  # pixels and alpha, as they are written


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


class Piped:
    """The restored rows of models as the next one's Source."""

    def __init__(self, part: Part, rows: Iterator[Array], restore: Callable[[Array], Array]) -> None:
        """Rows: of `part`, restored; restore: does the same to a picture."""
        self.height, self.width, self.channels = part.height, part.width, part.channels
        self.reduced = part.reduced  # of the picture as it came: what the exposure depends on is still seen there
        self._part, self._restore = part, restore
        self._rows, self._waiting = rows, np.empty((0, part.width, part.channels), np.float32)

    def views(self, side: int, count: int) -> list[Array]:
        """See Source."""
        return [self._restore(view) for view in self._part.views(side, count)]

    def clearest(self, side: int, count: int, most: int) -> list[Array]:
        """See Source; the contrast is that of the picture as it came."""
        return [self._restore(view) for view in self._part.clearest(side, count, most)]

    def rows(self, top: int, bottom: int) -> Array:
        """See Source."""
        parts = [self._waiting]
        while sum(map(len, parts)) < bottom - top:
            parts.append(next(self._rows).copy())
        held = np.concatenate(parts)
        self._waiting = held[bottom - top :]
        return held[: bottom - top]


class _Waiting:
    """Rows as they were, until the restored ones come, in other portions."""

    def __init__(self) -> None:
        self._portions = deque[NDArray[Any]]()

    def put(self, rows: NDArray[Any]) -> None:
        self._portions.append(rows)

    def take(self, count: int) -> NDArray[Any]:
        """The next `count` rows."""
        taken = list[NDArray[Any]]()
        while count:
            rows = self._portions.popleft()
            taken.append(rows[:count])
            if len(rows) > count:
                self._portions.appendleft(rows[count:])
            count -= len(taken[-1])
        return np.concatenate(taken)


class Original:
    """A part of a file as a Source that keeps its rows until the restored ones are mixed with them."""

    def __init__(self, part: Part) -> None:
        """Part: no row has been read yet."""
        self.height, self.width, self.channels = part.height, part.width, part.channels
        self.reduced, self.views, self.clearest = part.reduced, part.views, part.clearest
        self._part, self._waiting = part, _Waiting()

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """See Source."""
        rows = self._part.rows(top, bottom)
        self._waiting.put(rows)
        return rows

    def mix(self, restored: Array, strength: float) -> Array:
        """The next restored rows, mixed with what they were."""
        return mixed(to_float(self._waiting.take(len(restored))), restored, strength)


class _Hidden:
    """Fills the colour under transparent pixels chunk by chunk, each with what lies above and below it in view."""

    def __init__(self) -> None:
        self._above: Array | None = None  # the last row, filled

    def filled(self, pixels: NDArray[Any], alpha: NDArray[Any], below: WithAlpha | None) -> Array:
        """float32 h x W x C of this chunk."""
        shown, seen = [to_float(pixels)], [alpha != 0]
        if self._above is not None:
            shown, seen = [self._above, *shown], [np.ones((1, alpha.shape[1]), bool), *seen]
        if below is not None:
            shown, seen = [*shown, to_float(below[0])], [*seen, below[1] != 0]
        visible = np.concatenate(seen)
        whole = fill_transparent(np.concatenate(shown), visible)
        first = 0 if self._above is None else 1
        result = whole[first : first + len(pixels)]
        if visible[: first + len(pixels)].any() or below is not None:
            self._above = result[-1:].copy()
        return result


def _with_context(start: int, length: int, side: int) -> tuple[int, int]:
    """Where the network's view of a part begins, and how long it is."""
    view = min(side, max(length + 2 * CONTEXT, VIEW))
    first = min(max(0, start - (view - length) // 2), side - view)
    aligned = first // GRID * GRID  # as tiles of the whole picture lie, unless that costs the context at its far end
    return (aligned if aligned + view >= min(side, start + length + CONTEXT // 2) else first), view


class Part:
    """A region of a file, with the context around it, as a Source; keeps what the writer needs again.

    chunk: rows that travel between the threads at once.
    """

    def __init__(self, reader: PictureReader, region: Region) -> None:
        """Reader: no row has been read yet. region: inside the picture."""
        info = reader.info
        self._left, self.width = _with_context(region.x, region.width, info.width)
        self._top, self.height = _with_context(region.y, region.height, info.height)
        self.channels = info.channels
        self.chunk = max(1, min(CHUNK, CHUNK_PIXELS // self.width))
        self._reader, self._region, self._replaced = reader, region, 0
        self._chunks = ahead(self._read())
        self._waiting: list[NDArray[Any]] = []
        self._kept = _Waiting(), _Waiting()  # pixels and alpha as they were, of pictures with alpha
        self._written = self._top

    def _read(self) -> Iterator[tuple[NDArray[Any], WithAlpha | None]]:
        chunks = self._chunks_of_rows()
        if not self._reader.info.alpha:
            yield from ((pixels, None) for pixels, _ in chunks)
            return
        hidden = _Hidden()
        held = next(chunks)
        for below in chunks:
            yield hidden.filled(*held, below), held
            held = below
        yield hidden.filled(*held, None), held

    def _chunks_of_rows(self) -> Iterator[WithAlpha]:
        """Pixels (finite) and alpha (empty where there is none) of the next `chunk` rows."""
        columns, end = slice(self._left, self._left + self.width), self._top + self.height
        for top in range(self._top, end, self.chunk):
            pixels, alpha = self._reader.rows(top, min(end, top + self.chunk))
            pixels, bad = finite(pixels[:, columns])
            self._replaced += 0 if bad is None else int(np.count_nonzero(bad))
            yield pixels, np.empty(0) if alpha is None else alpha[:, columns]

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """See Source."""
        while sum(map(len, self._waiting)) < bottom - top:
            shown, kept = next(self._chunks)
            self._waiting.append(shown)
            if kept is not None:
                for waiting, rows in zip(self._kept, kept, strict=True):
                    waiting.put(rows)
        held = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting = [held[bottom - top :]]
        return held[: bottom - top]

    def reduced(self, side: int) -> Array:
        """See Source; of the whole picture, so that a region comes out as it would in the whole."""
        return self._reader.reduced(side)

    def views(self, side: int, count: int) -> list[Array]:
        """See Source; of the whole picture too."""
        info = self._reader.info
        whole = (self.height, self.width) == (info.height, info.width)
        return [] if whole and max(info.height, info.width) <= side else self._reader.views(side, count)

    def clearest(self, side: int, count: int, most: int) -> list[Array]:
        """See Source; of the whole picture too."""
        return clearest(self._reader.views(side, count), most)

    def finished(self, restored: Array, dtype: str) -> WrittenRows:
        """The next restored rows (at most `chunk`) as they are written: cut to the region, in the file's type, with
        their alpha; where that is zero, the colours are those that came in."""
        top, region = self._written, self._region
        self._written += len(restored)
        inside = (
            slice(max(0, region.y - top), max(0, region.y + region.height - top)),
            slice(region.x - self._left, region.x - self._left + region.width),
        )
        pixels = from_float(restored[inside], dtype)
        pixels = pixels.copy() if pixels.base is not None else pixels  # restored rows are reused
        if not self._reader.info.alpha:
            return pixels, None
        before, alpha = (change_depth(waiting.take(len(restored))[inside], dtype) for waiting in self._kept)
        return keep_hidden(pixels, before, alpha), alpha

    @property
    def notes(self) -> list[str]:
        """What a person should be told about the values."""
        return [f"{self._replaced} values that are no numbers were replaced"] if self._replaced else []

    def close(self) -> None:
        """Stop reading."""
        self._chunks.close()
