"""The work of `runir restore` on one picture of a folder."""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from runir.batch.pipeline import Stopped
from runir.batch.worker import Done, Tick
from runir.errors import RunirError, UsageError
from runir.images import EXTENSIONS, READ_ONLY_EXTENSIONS, open_picture
from runir.images.writer import container_of
from runir.inference import Restorer
from runir.inference.file import FileOptions, FileWork
from runir.inference.restorer import check_strength

_ROWS = 1024
"""About as many rows of a picture are in memory while it is worked off in strips."""
_HELD_WHOLE = frozenset({"WEBP", "AVIF"})
"""Their encoders want the whole picture."""
_PIXELS_PER_BYTE = {"HEIC": 8, "RAW": 1}
"""Roughly; these are decoded whole, so their size is not to be had for less."""
_NOT_PIXELS = ("overwrite", "max_pixels")
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "AVIF": ".avif"}


class PictureWorker:
    """A Worker that restores picture files in strips, with one model after another."""

    def __init__(self, chains: Sequence[Sequence[Restorer]], options: FileOptions = FileOptions()) -> None:
        """Remember what to do.

        Args:
            chains: the models, in order; once for each picture that is to be computed at the same time.
            options: how files are restored and written. `overwrite` and `region` are not for folders.

        Raises:
            UsageError: a strength, quality or format that does not exist, or a region.
        """
        check_strength(options.strength)
        if not 1 <= options.quality <= 100:
            raise UsageError(f"quality = {options.quality}: a number from 1 to 100 is needed")
        if options.region is not None:
            raise UsageError("a region is for one picture, not for a folder")
        self._options = options
        self._free: queue.SimpleQueue[Sequence[Restorer]] = queue.SimpleQueue()
        for chain in chains:
            self._free.put(chain)
        self.endings = _endings(options.format)
        self.work = _described(chains[0], options)

    def cost(self, path: Path) -> int:
        """The picture's pixels that are in memory at once; 0 for one that cannot be opened (`load` says why)."""
        ending = path.suffix.lower()
        if ending in READ_ONLY_EXTENSIONS:
            return _PIXELS_PER_BYTE[READ_ONLY_EXTENSIONS[ending]] * path.stat().st_size
        try:
            with open_picture(path, max_pixels=self._options.max_pixels) as reader:
                height, width = reader.info.height, reader.info.width
        except RunirError:
            return 0
        whole = EXTENSIONS[self.endings[ending]] in _HELD_WHOLE
        return width * (height if whole else min(height, _ROWS))

    def load(self, source: Path, result: Path) -> FileWork:
        """Open it, and begin its result."""
        return FileWork(source, result, self._options)

    def compute(self, item: FileWork, tick: Tick) -> FileWork:
        """Read, restore and encode it, strip by strip."""
        chain = self._free.get()
        try:
            item.compute(chain, tick)
        finally:
            self._free.put(chain)
        return item

    def save(self, item: FileWork) -> Done:
        """Flush the result to disk."""
        done = item.save()
        return Done(done.width * done.height, done.notes)

    def drop(self, item: FileWork) -> None:
        """Close its files."""
        item.abort(Stopped())


def _endings(format: str | None) -> Mapping[str, str]:
    """Ending of a picture -> ending of its result. HEIC and camera raw become TIFF, unless `format` says otherwise."""
    if format is None:
        return {e: e for e in EXTENSIONS} | dict.fromkeys(READ_ONLY_EXTENSIONS, _ENDINGS["TIFF"])
    container = container_of(Path(), format)
    kept = {e: e if of == container else _ENDINGS[container] for e, of in EXTENSIONS.items()}
    return kept | dict.fromkeys(READ_ONLY_EXTENSIONS, _ENDINGS[container])


def _described(chain: Sequence[Restorer], options: FileOptions) -> str:
    cards = [restorer.card for restorer in chain]
    models = {card.name: f"{card.onnx_sha256[:16]}{card.exposure_sha256[:16]}" for card in cards}
    precision = sorted({restorer.precision for restorer in chain})
    how = {name: value for name, value in asdict(options).items() if name not in _NOT_PIXELS and value is not None}
    return json.dumps({"models": models, "precision": precision} | how, sort_keys=False)
