"""One picture file: read, restored and written at the same time, with one row of tiles in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from runir.images import (
    MAX_PIXELS,
    create_picture,
    open_picture,
    to_float,
)
from runir.images.picture import EXTENSIONS, NAMES, dtype_of
from runir.images.place import copy_file
from runir.images.writer import container_of
from runir.inference.overlap import Behind
from runir.inference.part import Original, Part, Piped, Region, WrittenRows
from runir.inference.restorer import Progress, Restorer, Source
from runir.inference.shown import Array, Cut


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How one file is restored and written.

    strength: 0 (unchanged) to 1, of all models together. quality: of lossy formats, 1 to 100. format: container, None:
    by the name's ending. bit_depth: 8, 16 or 32, None: as it was. region: restore and write only this part. tta: see
    Restorer.stream. max_pixels: larger pictures are refused.
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


class _Unchanged(Exception):  # noqa: N818 - no error: the draft is not needed
    """The result is a copy of the file."""


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
        self._unchanged = False
        with ExitStack() as stack:
            reader = stack.enter_context(open_picture(source, max_pixels=options.max_pixels))
            self.info = reader.info
            wanted = container_of(target, options.format)
            if options.format is None and self.info.format != wanted == EXTENSIONS.get(source.suffix.lower()):
                self._notes.append(f"is {NAMES[self.info.format]}, whatever its name says: written as {NAMES[wanted]}")
            reader.check_range()
            self._turned = reader.turned
            whole = Region(0, 0, self.info.width, self.info.height)
            self.region = (options.region or whole).inside(self.info.height, self.info.width)
            self._part = stack.enter_context(closing(Part(reader, self.region)))
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
        self._unchanged = not self._restorers and self._writes_what_came()
        if self._unchanged:
            return
        try:
            with Behind[WrittenRows](lambda item: self._writer.write(*item)) as behind:
                for rows in self._chained(progress):
                    for first in range(0, len(rows), self._part.chunk):
                        done = self._part.finished(rows[first : first + self._part.chunk], self._dtype)
                        if len(done[0]):
                            behind.put(done)
        except BaseException as error:
            self.abort(error)
            raise

    def _writes_what_came(self) -> bool:
        """Whether a copy of the file is the result of doing nothing."""
        same = container_of(self.target, self.options.format) == self.info.format
        same &= self.options.bit_depth in (None, self.info.bits) and self.options.region is None
        return same and not self._turned

    def abort(self, error: BaseException) -> None:
        """Give up: close the file, and leave nothing of the result."""
        self._stack.__exit__(type(error), error, error.__traceback__)

    def save(self) -> Restored:
        """Write the result where it belongs, whole. Raises RunirError when that cannot be done."""
        if self._unchanged:
            self.abort(_Unchanged())
            copy_file(self.source, self.target, self.options.overwrite)
        else:
            self._stack.close()
        first = self._restorers[0] if self._restorers else None
        return Restored(
            str(self.source), str(self.target), tuple(r.card.name for r in self._restorers),
            first.engine if first else "", first.device if first else "", first.precision if first else "",
            float(self.options.strength), self.region.width, self.region.height,
            round(time.perf_counter() - self._begun, 3),
            () if self._unchanged else (*self.info.notes, *self._notes, *self._part.notes, *self._writer.notes),
        )  # fmt: skip

    def _all_of(self, steps: Sequence[tuple[Restorer, Cut]], picture: Array) -> Array:
        for restorer, cut in steps:
            picture = restorer.part(picture, cut)
        return picture

    def _chained(self, progress: Progress | None) -> Iterator[Array]:
        """Restored rows, with their context, float32 h x W x C from top to bottom; reused: copy to keep."""
        total, done = self.tiles(self._restorers), [0] * len(self._restorers)

        def counted(index: int) -> Progress:
            def report(so_far: int, _: int) -> None:
                done[index] = so_far
                if progress is not None:
                    progress(sum(done), total)

            return report

        part, strength = self._part, self.options.strength
        original = Original(part) if strength < 1 else None
        source: Source = original or part
        rows: Iterator[Array] | None = None
        steps: list[tuple[Restorer, Cut]] = []
        for index, restorer in enumerate(self._restorers):
            steps.append((restorer, restorer.cutter(source)))
            stream = restorer.stream(
                source, tta=self.options.tta, progress=counted(index), notes=self._notes, cut=steps[-1][1]
            )
            rows = (restored for _, restored in stream)
            source = Piped(part, rows, partial(self._all_of, tuple(steps)))
        if rows is not None:
            return rows if original is None else (original.mix(restored, strength) for restored in rows)
        tops = range(0, part.height, part.chunk)  # nothing to do: a copy
        return (to_float(part.rows(top, min(part.height, top + part.chunk))) for top in tops)


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
