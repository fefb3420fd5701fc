"""The Restorer: an array in, a restored array of the same shape out."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runir.errors import RunirError, UsageError
from runir.inference.engines import Engine, Precision, build_engine
from runir.inference.tiles import Blender, plan_tiles, tiles
from runir.weights import Model, ModelCard, find_model

Progress = Callable[[int, int], None]


class Restorer:
    """Restores pictures with one model. Build it once, call it often: nothing is compiled again.

    >>> restorer = Restorer("run-s.denoise")
    >>> clean = restorer(noisy)
    """

    def __init__(
        self,
        model: str | Model = "run-s.denoise",
        *,
        engine: str = "openvino",
        precision: Precision = "f32",
        threads: int | None = None,
    ) -> None:
        """Compile the network.

        Args:
            model: a name that `runir.list_models()` lists, or a Model.
            engine: "openvino", "onnxruntime" (extra of that name) or "torch" (extra `train`).
            precision: "f32", "bf16" (OpenVINO only), or "auto" (the engine's choice).
            threads: processors to use; None: all that this process may use.

        Raises:
            UsageError: unknown model, engine or precision; an engine that is not installed; threads < 1.
            RunirError: a damaged weight file.
        """
        self._model = find_model(model) if isinstance(model, str) else model
        self._engine: Engine = build_engine(engine, self._model, threads, precision)

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
        self, picture: ArrayLike, *, strength: float = 1.0, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Restore one picture.

        Args:
            picture: H x W x 3, H x W x 1 or H x W, sRGB-encoded in [0, 1]; values outside are allowed (noise is not
                clipped). Not changed.
            strength: s in [0, 1]; the result is x + s (f(x) - x).
            progress: called with (tiles done, tiles in all) after each tile.

        Returns:
            A new float32 array of the picture's shape, not clipped.

        Raises:
            UsageError: a wrong shape or type, NaN or infinity, or a strength outside [0, 1].
            RunirError: the engine gave a result that is not finite.
        """
        strength = check_strength(strength)
        source = as_picture(picture)
        if strength == 0:
            return source.reshape(np.shape(picture)).copy()
        gray = source.shape[2] == 1
        rgb = np.broadcast_to(source, (*source.shape[:2], 3)) if gray else source
        restored = self._run(rgb, progress)
        if gray:
            restored = restored.mean(axis=2, keepdims=True, dtype=np.float32)
        result = restored if strength == 1 else source + np.float32(strength) * (restored - source)
        return result.reshape(np.shape(picture)).astype(np.float32, copy=False)

    def _run(self, picture: NDArray[np.float32], progress: Progress | None) -> NDArray[np.float32]:
        plan = plan_tiles(picture.shape[0], picture.shape[1], self.card.tile, self.card.overlap)
        blender = Blender(plan, 3)
        for done, (top, left, tile) in enumerate(tiles(picture, plan), 1):
            out = self._engine(np.ascontiguousarray(tile.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
            if not np.isfinite(out).all():
                raise RunirError(
                    f"{self.card.name}: the result is not finite; try --precision f32 or --engine onnxruntime"
                )
            blender.add(top, left, out)
            if progress is not None:
                progress(done, len(plan))
        return blender.picture()


def check_strength(strength: Any) -> float:
    """Strength as a float. Raises UsageError outside [0, 1]."""
    if not isinstance(strength, Real) or not 0 <= float(strength) <= 1:
        raise UsageError(f"strength = {strength}: a number from 0 (unchanged) to 1 (full) is needed")
    return float(strength)


def as_picture(picture: ArrayLike) -> NDArray[np.float32]:
    """A float32 H x W x C view or copy of an array. Raises UsageError for what is not a float picture."""
    array = np.asarray(picture)
    if not np.issubdtype(array.dtype, np.floating):
        raise UsageError(f"a picture of type {array.dtype}: floating-point values in [0, 1] are needed (divide by 255)")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)) or 0 in array.shape:
        raise UsageError(f"a picture of shape {array.shape}: H x W, H x W x 1 or H x W x 3 is needed")
    if not np.isfinite(array).all():
        raise UsageError("the picture holds NaN or infinity; replace those values first")
    return np.asarray(array[..., None] if array.ndim == 2 else array, np.float32)
