"""The Restorer: a picture in, a restored picture of the same shape out, whole or row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runir.errors import UsageError
from runir.images.reduce import clearest, shrink, views
from runir.inference.engines import Engine, Precision, Statistics, build_engine
from runir.inference.exposure import ExposureCurve
from runir.inference.foreign import ForeignModel, open_model
from runir.inference.shown import Array, Cut, Glimpses, cutter
from runir.inference.threads import available_threads
from runir.inference.tiles import plan_tiles, reflected, restore_rows
from runir.weights import Model, ModelCard

Progress = Callable[[int, int], None]
LOW, HIGH = -1.0, 2.0  # what networks are shown; values beyond (float files) keep their distance
RGB = 3
SOME = 100_000  # values of an array whose median tells its scale
SYMMETRIES = 8  # flips and quarter turns of a square


class Source(Protocol):
    """A picture that is read from top to bottom; `height`, `width`, `channels` (1 or 3)."""

    height: int
    width: int
    channels: int

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Rows top..bottom-1, h x W x C, uint8, uint16 or float32 in [0, 1]; each row once, in order."""
        ...

    def reduced(self, side: int) -> Array:
        """The whole picture, shrunk to fit into side x side; h x w x C in [0, 1]."""
        ...

    def views(self, side: int, count: int) -> list[Array]:
        """Parts of the whole picture as they are, see `runir.images.reduce.views`; none where the rows are all there is
        and fit into side x side."""
        ...

    def clearest(self, side: int, count: int, most: int) -> list[Array]:
        """The `most` such parts with the most contrast; the picture itself where it fits into side x side."""
        ...


class Restorer:
    """Restores pictures with one model. Build it once, call it often: nothing is compiled again.

    >>> restorer = Restorer("run-s.denoise")
    >>> clean = restorer(noisy)
    """

    def __init__(
        self,
        model: str | Model | ForeignModel = "run-s.denoise",
        *,
        engine: str = "auto",
        precision: Precision = "f32",
        threads: int | None = None,
        device: str = "auto",
    ) -> None:
        """Compile the network.

        Args:
            model: a name that `runir.list_models()` lists, the path of an exported model's folder or of a checkpoint
                of another network (extra `spandrel`), or a model itself.
            engine: "auto", "openvino", "onnxruntime" (extra of that name) or "torch" (extra `train`).
            precision: "f32", "bf16" (OpenVINO only), or "auto" (the engine's choice).
            threads: processors to use; None: all that this process may use.
            device: "auto", "cpu", "gpu" or "npu" (Intel), "cuda", "directml" or "coreml" (builds of ONNX Runtime).

        Raises:
            UsageError: unknown model, engine, device or precision; an engine or device that is not there; threads < 1.
            RunirError: a damaged weight file.
        """
        self._model = open_model(model) if isinstance(model, str) else model
        self._threads, self.precision = threads, precision
        self._engine: Engine
        self._engine, self.device = build_engine(engine, self._model, threads, precision, device)
        self._exact: Engine | None = None
        file = self._model.exposure
        self._exposure = ExposureCurve.read(file) if file is not None else None
        self._guides = int(self.card.network.get("guides", 0))

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._model.card

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self._engine.name

    def tile_count(self, height: int, width: int) -> int:
        """How many tiles a picture of this size takes; time is proportional to it."""
        return len(plan_tiles(height, width, self.card.tile, self.card.overlap))

    def __call__(
        self,
        picture: ArrayLike,
        *,
        strength: float = 1.0,
        tta: bool = False,
        progress: Progress | None = None,
        notes: list[str] | None = None,
    ) -> Array:
        """Restore one picture.

        Args:
            picture: H x W x 3, H x W x 1 or H x W, sRGB-encoded in [0, 1]; values outside are allowed (noise is not
                clipped). Not changed.
            strength: s in [0, 1]; the result is x + s (f(x) - x).
            tta, progress, notes: see `stream`.

        Returns:
            A new float32 array of the picture's shape, not clipped.

        Raises:
            UsageError: a wrong shape or type, NaN or infinity, a median far from [0, 1], or a strength outside [0, 1].
        """
        strength = check_strength(strength)
        source = as_picture(picture)
        if strength == 0:
            return source.reshape(np.shape(picture)).copy()
        restored = _whole(self.stream(Held(source), tta=tta, progress=progress, notes=notes), source.shape)
        return mixed(source, restored, strength).reshape(np.shape(picture))

    def part(self, picture: Array, cut: Cut) -> Array:
        """Restore a part of a larger picture, h x w x C float32, finite, with that one's `cutter`; a new array."""
        return _whole(self.stream(Held(picture), cut=cut), picture.shape)

    def stream(
        self,
        source: Source,
        *,
        tta: bool = False,
        progress: Progress | None = None,
        notes: list[str] | None = None,
        cut: Cut | None = None,
    ) -> Iterator[tuple[NDArray[Any], Array]]:
        """Restore a picture from top to bottom with one row of tiles in memory.

        Args:
            source: the picture; its values must be finite.
            tta: restore each tile in its eight flips and quarter turns and average (eight times the time).
            progress: called with (tiles done, tiles in all): with 0 done once the whole picture was looked at (where
                the model does that), then after each tile.
            notes: gets a line when tiles were kept as they were, since the network's result for them was not finite or
                further from them than anything it was trained on; and one when no blur was found to undo.
            cut: None: what `cutter` gives for this picture.

        Yields:
            (rows as they were, restored rows float32 h x W x C, not clipped); both are reused: copy to keep.
        """
        plan = plan_tiles(source.height, source.width, self.card.tile, self.card.overlap)
        cut = cut or self.cutter(source)
        if cut.note and notes is not None:
            notes.append(cut.note)
        shared = self._shared(source, cut)
        done = kept = 0
        if progress is not None:
            progress(0, len(plan))

        def restore(tile: Array, top: int, left: int) -> Array:
            nonlocal done, kept
            out, plausible = self._tile(tile, shared, tta)
            if not plausible:
                kept += 1
            done += 1
            if progress is not None:
                progress(done, len(plan))
            return out

        for raw, rgb in restore_rows(source, plan, cut, restore, cut.context):
            yield raw, rgb if source.channels == 3 else rgb.mean(axis=2, keepdims=True, dtype=np.float32)
        if kept and notes is not None:
            brightened = "" if self._exposure is None else " (but for the brightness)"
            notes.append(
                f"{kept} of {len(plan)} tiles kept as they were{brightened}: the network's result was not plausible"
            )

    def prepared(self, picture: ArrayLike) -> tuple[Array, Statistics | None]:
        """The picture as the network is shown it (see `shown.cutter`), and what all its tiles share (see
        ModelCard.views; None: every tile goes by its own statistics)."""
        source = Held(as_picture(picture))
        cut = self.cutter(source)
        rows, columns = (reflected(-cut.context, side + cut.context, side) for side in (source.height, source.width))
        return cut(source.rows(0, source.height)[rows[:, None], columns]), self._shared(source, cut)

    def cutter(self, source: Glimpses) -> Cut:
        """What turns tiles of this picture into what the network takes. Looks at the whole picture, if the model wants
        that, which can take seconds; nothing of `source.rows` is read."""
        return cutter(source, self._exposure, self._guides, self._threads or available_threads())

    def _shared(self, source: Source, cut: Cut) -> Statistics | None:
        """What all tiles of a picture share for channel attention, if the model's tiles would differ too much without:
        the mean over parts from all over it."""
        tile, count = self.card.tile, self.card.views
        found = [self._measured(view, cut) for view in (source.views(tile, count) if count else ())]
        measured = [statistics for statistics in found if statistics is not None and np.isfinite(statistics).all()]
        return np.asarray(np.mean(measured, axis=0), np.float32) if measured else None

    def _measured(self, view: Array, cut: Cut) -> Statistics | None:
        tile = self.card.tile
        reach = tile // 2 + cut.context
        rows, columns = (reflected(side // 2 - reach, side // 2 + reach, side) for side in view.shape[:2])
        return self._engine.measure(_planes(np.clip(cut(view[rows[:, None], columns]), LOW, HIGH)))

    def _tile(self, tile: Array, shared: Statistics | None, tta: bool) -> tuple[Array, bool]:
        """The restored tile, and whether it is one; else the tile as it was. Tried again in float32 first."""
        shown = np.clip(tile, LOW, HIGH)
        run = _all_ways if tta else _run
        before = shown[..., :RGB]  # behind it are guides
        change = run(self._engine, shown, shared) - before
        if not self._plausible(change) and self.precision != "f32":
            change = run(self._in_float32(), shown, shared) - before
        return (tile[..., :RGB] + change, True) if self._plausible(change) else (tile[..., :RGB], False)

    def _plausible(self, change: Array) -> bool:
        size = float(np.abs(change).mean())
        return bool(np.isfinite(size)) and size <= self.card.residual_limit

    def _in_float32(self) -> Engine:
        if self._exact is None:
            self._exact, _ = build_engine(self._engine.name, self._model, self._threads, "f32", self.device)
        return self._exact


def mixed(before: Array, restored: Array, strength: float) -> Array:
    """x + s (f(x) - x): a new array, unless s is 1."""
    return restored if strength == 1 else before + np.float32(strength) * (restored - before)


def _whole(stream: Iterator[tuple[NDArray[Any], Array]], shape: tuple[int, ...]) -> Array:
    """The restored rows of a stream as one array of this shape."""
    result, top = np.empty(shape, np.float32), 0
    for _, rows in stream:
        result[top : top + len(rows)] = rows
        top += len(rows)
    return result


def _planes(tile: Array) -> Array:
    return np.ascontiguousarray(tile.transpose(2, 0, 1)[None])


def _run(engine: Engine, tile: Array, shared: Statistics | None) -> Array:
    out: Array = engine(_planes(tile), shared)[0].transpose(1, 2, 0)
    return out


def _all_ways(engine: Engine, tile: Array, shared: Statistics | None) -> Array:
    """Mean over the eight symmetries of the square, each undone: Timofte et al., CVPR 2016 ("self-ensemble")."""
    total = np.zeros_like(tile[..., :RGB])
    for way in range(SYMMETRIES):
        turned = np.rot90(tile, way % 4)
        out = _run(engine, turned[:, ::-1] if way >= 4 else turned, shared)
        total += np.rot90(out[:, ::-1] if way >= 4 else out, -(way % 4))
    return total / np.float32(SYMMETRIES)


class Held:
    """A picture in memory as a Source."""

    def __init__(self, picture: Array) -> None:
        """Picture: float32 H x W x C."""
        self._picture = picture
        self.height, self.width, self.channels = picture.shape

    def rows(self, top: int, bottom: int) -> Array:
        """See Source."""
        return self._picture[top:bottom]

    def reduced(self, side: int) -> Array:
        """See Source."""
        return shrink(np.clip(self._picture, 0, 1), side)

    def views(self, side: int, count: int) -> list[Array]:
        """See Source."""
        return [] if max(self.height, self.width) <= side else views(self._picture, side, count)

    def clearest(self, side: int, count: int, most: int) -> list[Array]:
        """See Source."""
        return clearest(views(self._picture, side, count), most)


def check_strength(strength: Any) -> float:
    """Strength as a float. Raises UsageError outside [0, 1]."""
    if not isinstance(strength, Real) or not 0 <= float(strength) <= 1:
        raise UsageError(f"strength = {strength}: a number from 0 (unchanged) to 1 (full) is needed")
    return float(strength)


def as_picture(picture: ArrayLike) -> Array:
    """A float32 H x W x C view or copy of an array. Raises UsageError for what is not a float picture in [0, 1] (noise
    may lead out of that, a median far outside means another scale)."""
    array = np.asarray(picture)
    if not np.issubdtype(array.dtype, np.floating):
        raise UsageError(f"a picture of type {array.dtype}: floating-point values in [0, 1] are needed (divide by 255)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)) or 0 in array.shape:
        raise UsageError(f"a picture of shape {array.shape}: H x W, H x W x 1 or H x W x 3 is needed")
    if not np.isfinite(array).all():
        raise UsageError("the picture holds NaN or infinity; replace those values first")
    middle = float(np.median(array.flat[:: max(1, array.size // SOME)]))
    if not LOW <= middle <= HIGH:
        raise UsageError(f"the picture's values lie about {middle:.4g}: values in [0, 1] are needed (divide by 255?)")
    return np.asarray(array[..., None] if array.ndim == 2 else array, np.float32)
