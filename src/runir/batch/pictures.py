"""The work of `runir restore` on one picture of a folder."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from runir.api import AUTO, Chosen, Kit, choose, model_of, tasks
from runir.batch.pipeline import Stopped
from runir.batch.worker import Done, Tick
from runir.errors import RunirError, UsageError
from runir.images import EXTENSIONS, READ_ONLY_EXTENSIONS, open_picture
from runir.images.picture import ENDINGS
from runir.images.writer import container_of
from runir.inference.engines import Precision
from runir.inference.file import FileOptions, FileWork
from runir.inference.foreign import open_model
from runir.inference.restorer import check_strength
from runir.inference.threads import available_threads
from runir.inspection import RAIN_NETWORK, Findings
from runir.inspection.coefficients import RULES
from runir.inspection.files import inspect_file

_ROWS = 1024
"""About as many rows of a picture are in memory while it is worked off in strips."""
_HELD_WHOLE = frozenset({"WEBP", "AVIF"})
"""Their encoders want the whole picture."""
_PIXELS_PER_BYTE = {"HEIC": 8, "RAW": 1}
"""Roughly; these are decoded whole, so their size is not to be had for less."""
_NOT_PIXELS = ("overwrite", "max_pixels")
METHOD = 2
"""To be raised when the same models, rules and options give other pixels than before."""

Choose = Callable[[Path], Chosen]


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture on its way, and the models for it."""

    file: FileWork
    chosen: Chosen


class PictureWorker:
    """A Worker that restores picture files in strips, with one model after another. Made by `picture_worker`."""

    def __init__(self, kits: Sequence[Kit], choose: Choose, details: FileOptions, work: str) -> None:
        """kits: one for each picture that is computed at the same time; work: see Worker."""
        self._free: queue.SimpleQueue[Kit] = queue.SimpleQueue()
        for kit in kits:
            self._free.put(kit)
        self._choose, self._details = choose, details
        self.endings = _endings(details.format)
        self.work = work

    def cost(self, path: Path) -> int:
        """The picture's pixels that are in memory at once; 0 for one that cannot be opened (`load` says why)."""
        ending = path.suffix.lower()
        if ending in READ_ONLY_EXTENSIONS:
            return _PIXELS_PER_BYTE[READ_ONLY_EXTENSIONS[ending]] * path.stat().st_size
        try:
            with open_picture(path, max_pixels=self._details.max_pixels) as reader:
                height, width = reader.info.height, reader.info.width
                whole = not reader.streams or reader.turned
        except RunirError:
            return 0
        whole |= EXTENSIONS[self.endings[ending]] in _HELD_WHOLE
        return width * (height if whole else min(height, _ROWS))

    def load(self, source: Path, result: Path) -> Opened:
        """Look what it needs, open it, and begin its result."""
        chosen = self._choose(source)  # first: what is opened has to be let go again
        return Opened(FileWork(source, result, self._details), chosen)

    def compute(self, item: Opened, tick: Tick) -> Opened:
        """Read, restore and encode it, strip by strip."""
        kit = self._free.get()
        try:
            item.file.compute(kit.get(item.chosen.models), tick)
        finally:
            self._free.put(kit)
        return item

    def save(self, item: Opened) -> Done:
        """Flush the result to disk."""
        done = item.file.save()
        return Done(done.width * done.height, (*(f"found {reason}" for reason in item.chosen.reasons), *done.notes))

    def drop(self, item: Opened) -> None:
        """Close its files."""
        item.file.abort(Stopped())


def picture_worker(
    *,
    task: str | None = None,
    model: str | None = None,
    fast: bool = False,
    details: FileOptions = FileOptions(),  # noqa: B008 - frozen
    engine: str = AUTO,
    device: str = AUTO,
    precision: Precision = "f32",
    threads: int | None = None,
    at_once: int = 1,
) -> PictureWorker:
    """The work of `runir restore`.

    Args:
        task, model, fast: which models, as of runir.restore; with task "auto" each picture is looked at first.
        details: how files are restored and written; no region.
        engine, device, precision, threads: as of Restorer.
        at_once: pictures that are computed at the same time, each with its own networks and its share of the threads.

    Raises:
        UsageError: an unknown name, a strength or quality out of range, a region.
        RunirError: a damaged weight file.
    """
    check_strength(details.strength)
    if not 1 <= details.quality <= 100:
        raise UsageError(f"quality = {details.quality}: a number from 1 to 100 is needed")
    if details.region is not None:
        raise UsageError("a region is for one picture, not for a folder")
    if task == AUTO and model is not None:
        raise UsageError("task 'auto' chooses the models: leave the model out, or name a task")

    def look(path: Path) -> Findings:
        return inspect_file(path, max_pixels=details.max_pixels, network=kits[0].rain_network)

    def models_for(path: Path) -> Chosen:
        return choose(task, model, lambda: look(path), fast)

    each = threads if threads is not None or at_once == 1 else max(1, available_threads() // at_once)
    kits = [Kit(engine, device, precision, each) for _ in range(at_once)]
    every = (model_of(name, fast) for name in tasks())
    possible = tuple(every) if task == AUTO else models_for(Path()).models  # these, without looking
    for kit in kits:
        kit.get(possible if task != AUTO else possible[:1])  # a wrong engine is found now, not once for each picture
    return PictureWorker(kits, models_for, details, _described(task, possible, precision, details))


def _described(task: str | None, models: Sequence[str], precision: str, details: FileOptions) -> str:
    how = {name: value for name, value in asdict(details).items() if name not in _NOT_PIXELS and value is not None}
    looks = {"rules": sha256(repr(RULES).encode()).hexdigest()[:16]} if task == AUTO else {}
    cards = [open_model(name).card for name in (*models, *([RAIN_NETWORK] if looks else ()))]
    weights = [f"{card.name} {card.onnx_sha256[:16]}{card.exposure_sha256[:16]}" for card in cards]
    chosen = AUTO if looks else "given"
    return json.dumps({"method": METHOD, "models": chosen, "weights": weights, "precision": precision} | looks | how)


def _endings(format: str | None) -> Mapping[str, str]:
    """Ending of a picture -> ending of its result. HEIC and camera raw become TIFF, unless `format` says otherwise."""
    if format is None:
        return {e: e for e in EXTENSIONS} | dict.fromkeys(READ_ONLY_EXTENSIONS, ENDINGS["TIFF"])
    container = container_of(Path(), format)
    kept = {e: e if of == container else ENDINGS[container] for e, of in EXTENSIONS.items()}
    return kept | dict.fromkeys(READ_ONLY_EXTENSIONS, ENDINGS[container])
