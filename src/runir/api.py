"""One call that restores one picture: what the command line and `runir.restore` share."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from runir.errors import UsageError, nearest
from runir.images import EXTENSIONS, read_picture, write_picture
from runir.images.messages import line
from runir.images.place import check_free
from runir.images.read import check_is_file
from runir.inference import Restorer
from runir.inference.engines import Precision
from runir.inference.restorer import Progress
from runir.weights import list_models

DEFAULT_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done to one file. notes: what a person should be told. seconds: reading to writing."""

    input: str
    output: str
    model: str
    engine: str
    precision: str
    strength: float
    width: int
    height: int
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def default_output(path: Path) -> Path:
    """NAME.restored.EXT beside the input."""
    return path.with_name(f"{path.stem}.restored{path.suffix}")


def model_for(task: str | None, model: str | None) -> str:
    """The model to use: the one named, else the larger one of the task, else `run-s.denoise`.

    Raises UsageError for an unknown task, or a model of another task.
    """
    if task is None:
        return model or "run-s.denoise"
    tasks = sorted({m.card.task for m in list_models()})
    if task not in tasks:
        raise UsageError(f"unknown task {task!r}; {nearest(task, tasks)}")
    if model is None:
        return f"run-s.{task}"
    of_model = {m.card.name: m.card.task for m in list_models()}.get(model, task)
    if of_model != task:
        raise UsageError(f"model {model!r} is for task {of_model!r}, not {task!r}; give one of the two")
    return model


def restore_file(
    restorer: Restorer,
    source: Path,
    output: Path | None = None,
    *,
    precision: Precision = "f32",
    strength: float = 1.0,
    quality: int = DEFAULT_QUALITY,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Restore one picture file. The output appears whole or not at all; the original is never touched.

    Raises UsageError for a wrong path or option, RunirError for a picture that cannot be read or written.
    """
    begun = time.perf_counter()
    target = check_paths(source, output, overwrite)
    picture = read_picture(source)
    pixels = restorer(picture.pixels, strength=strength, progress=progress)
    written = write_picture(picture.with_pixels(pixels), target, quality=quality, overwrite=overwrite)
    height, width = picture.pixels.shape[:2]
    return Restored(
        str(source), str(target), restorer.card.name, restorer.engine, precision, float(strength), width, height,
        round(time.perf_counter() - begun, 3), (*picture.notes, *written),
    )  # fmt: skip


def check_paths(source: Path, output: Path | None, overwrite: bool) -> Path:
    """Refuse early what would fail after the work. Returns where the result goes.

    Raises UsageError; RunirError when a file stands where the output's folder should be.
    """
    check_is_file(source)
    target = output or default_output(source)
    if output is None and target.suffix.lower() not in EXTENSIONS:
        what = "has no ending of a format that can be written"
        raise UsageError(line(source, what, "name the result with -o FILE.png"))
    if target.suffix.lower() not in EXTENSIONS and not target.is_dir():
        raise UsageError(line(target, "unknown format", f"use an ending of {' '.join(EXTENSIONS)}"))
    if target.exists() and source.resolve() == target.resolve():
        raise UsageError(line(target, "is the original, which is never overwritten", "choose another name"))
    check_free(target, overwrite)
    return target


@lru_cache(maxsize=2)
def _restorer(model: str, engine: str, precision: Precision, threads: int | None) -> Restorer:
    return Restorer(model, engine=engine, precision=precision, threads=threads)


@overload
def restore(
    picture: NDArray[Any],
    *,
    task: str | None = ...,
    model: str | None = ...,
    output: None = ...,
    strength: float = ...,
    engine: str = ...,
    precision: Precision = ...,
    threads: int | None = ...,
    quality: int = ...,
    overwrite: bool = ...,
) -> NDArray[np.float32]: ...
@overload
def restore(
    picture: str | os.PathLike[str],
    *,
    task: str | None = ...,
    model: str | None = ...,
    output: str | os.PathLike[str] | None = ...,
    strength: float = ...,
    engine: str = ...,
    precision: Precision = ...,
    threads: int | None = ...,
    quality: int = ...,
    overwrite: bool = ...,
) -> Path: ...
def restore(
    picture: str | os.PathLike[str] | NDArray[Any],
    *,
    task: str | None = None,
    model: str | None = None,
    output: str | os.PathLike[str] | None = None,
    strength: float = 1.0,
    engine: str = "openvino",
    precision: Precision = "f32",
    threads: int | None = None,
    quality: int = DEFAULT_QUALITY,
    overwrite: bool = False,
) -> NDArray[np.float32] | Path:
    """Restore one picture, a file or an array.

    Args:
        picture: a path (JPEG, PNG, WebP, TIFF of 8 bit), or a float array H x W x 3, H x W x 1 or H x W in [0, 1].
        task: what is wrong with it; at present "denoise".
        model: a model's name; default: the larger one of the task.
        output: for a path: where the result goes (default NAME.restored.EXT beside the input).
        strength: 0 (unchanged) to 1 (full).
        engine, precision, threads: as of Restorer.
        quality: of JPEG and lossy WebP, 1 to 100.
        overwrite: whether an existing output may be replaced.

    Returns:
        For a path, the path of the result; for an array, a new float32 array of its shape.

    Raises:
        UsageError: a wrong argument. RunirError: a picture that cannot be read or written.
    """
    restorer = _restorer(model_for(task, model), engine, precision, threads)
    if isinstance(picture, str | os.PathLike):
        target = None if output is None else Path(output)
        done = restore_file(
            restorer,
            Path(picture),
            target,
            precision=precision,
            strength=strength,
            quality=quality,
            overwrite=overwrite,
        )
        return Path(done.output)
    if output is not None:
        raise UsageError("output is for files; for an array use the returned array")
    return restorer(picture, strength=strength)
