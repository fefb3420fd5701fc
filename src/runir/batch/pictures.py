"""The work of `runir restore` on one picture of a folder."""

from __future__ import annotations

import json
import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from PIL import Image

from runir.api import DEFAULT_QUALITY, Restored, restore_file
from runir.batch.worker import Done, Tick
from runir.errors import UsageError
from runir.images import EXTENSIONS
from runir.images.decode import quiet
from runir.images.messages import DECODER_FAULTS
from runir.inference import Restorer
from runir.inference.engines import Precision
from runir.inference.restorer import check_strength

_HUGE = 1 << 31  # more than Pillow opens unasked; such a picture goes alone


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on its way."""

    source: Path
    result: Path
    restored: Restored | None = None


class PictureWorker:
    """A Worker that reads, restores and writes a picture with a Restorer, all in its step `compute`."""

    endings: ClassVar[Mapping[str, str]] = {ending: ending for ending in EXTENSIONS}

    def __init__(
        self,
        restorers: Sequence[Restorer],
        *,
        precision: Precision = "f32",
        strength: float = 1.0,
        quality: int = DEFAULT_QUALITY,
    ) -> None:
        """restorers: of one model; as many pictures are computed at once, one with each. The rest as of runir.restore.

        Raises UsageError for a strength or quality out of range.
        """
        if not 1 <= quality <= 100:
            raise UsageError(f"quality = {quality}: a number from 1 to 100 is needed")
        self._free: queue.SimpleQueue[Restorer] = queue.SimpleQueue()
        for restorer in restorers:
            self._free.put(restorer)
        self._precision, self._strength, self._quality = precision, check_strength(strength), quality
        card = restorers[0].card
        options = {"precision": precision, "strength": self._strength, "quality": quality}
        self.work = json.dumps({"model": card.name, "weights": card.onnx_sha256[:16], **options})

    def cost(self, path: Path) -> int:
        """The picture's pixels, as its header has them; 0 for one that cannot be opened (`load` says why)."""
        try:
            with quiet(), Image.open(path) as image:
                return image.width * image.height
        except Image.DecompressionBombError:
            return _HUGE
        except DECODER_FAULTS:
            return 0

    def load(self, source: Path, result: Path) -> Picture:
        """Nothing yet."""
        return Picture(source, result)

    def compute(self, item: Picture, tick: Tick) -> Picture:
        """Read, restore and write."""
        restorer = self._free.get()
        try:
            restored = restore_file(
                restorer,
                item.source,
                item.result,
                strength=self._strength,
                quality=self._quality,
                precision=self._precision,
                progress=tick,
            )
        finally:
            self._free.put(restorer)
        return replace(item, restored=restored)

    def save(self, item: Picture) -> Done:
        """Tell what was done."""
        assert item.restored is not None
        return Done(item.restored.width * item.restored.height, item.restored.notes)
