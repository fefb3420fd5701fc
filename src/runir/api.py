"""One call that restores one picture: what the command line and `runir.restore` share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from runir.errors import RunirError, UsageError, nearest
from runir.images import EXTENSIONS, MAX_PIXELS, open_picture
from runir.images.headers import read_header
from runir.images.messages import line
from runir.images.picture import ENDINGS, READ_ONLY, READ_ONLY_EXTENSIONS
from runir.images.place import check_free
from runir.images.read import check_is_file
from runir.inference import Restorer
from runir.inference.engines import Precision
from runir.inference.file import FileOptions, restore_file
from runir.inference.foreign import CHECKPOINTS, SCRIPTED
from runir.inference.restorer import as_picture, check_strength, mixed
from runir.inspection import RAIN_NETWORK, Findings, inspect, plan
from runir.inspection.files import inspect_file
from runir.weights import find_model, list_models
from runir.weights.registry import CARD

DEFAULT_QUALITY = 95
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Models in the order they are applied, and why; no model: nothing is wrong with the picture."""

    models: tuple[str, ...]
    reasons: tuple[str, ...] = ()


def tasks() -> tuple[str, ...]:
    """What the shipped models do."""
    return tuple(sorted({m.card.task for m in list_models()}))


def model_of(task: str, fast: bool = False) -> str:
    """The name of the model for a task: the larger one, or the smaller one if `fast`; whichever there is.

    Raises UsageError for an unknown task.
    """
    names = [m.card.name for m in list_models() if m.card.task == task]
    if not names:
        raise UsageError(f"unknown task {task!r}; {nearest(task, [AUTO, *tasks()])}")
    wanted = f"{'run-t' if fast else 'run-s'}.{task}"
    return wanted if wanted in names else names[0]


def choose(task: str | None, model: str | None, look: Callable[[], Findings], fast: bool = False) -> Chosen:
    """The models to use.

    Args:
        task: one, several with commas between, "auto" (whatever `look` finds), or None: that of the model, or denoise.
        model: a model's name, for one task.
        look: inspects the picture.
        fast: the smaller networks.

    Raises:
        UsageError: an unknown task or model, a model of another task, or a model beside several tasks.
    """
    if fast and model is not None:
        raise UsageError(f"model {model!r} and fast: give one of the two")
    of_model = None if model is None else _task_of(model)
    if task is None:
        return Chosen((model or model_of("denoise", fast),))
    if task == AUTO:
        if model is not None:
            raise UsageError("task 'auto' chooses the models: leave the model out, or name a task")
        steps = plan(look())
        return Chosen(tuple(model_of(s.task, fast) for s in steps), tuple(s.reason for s in steps))
    names = [name.strip() for name in task.split(",")]
    if AUTO in names:
        raise UsageError(f"task {task!r}: 'auto' stands alone, it finds the tasks itself")
    models = tuple(model_of(name, fast) for name in names)
    if model is None:
        return Chosen(models)
    if of_model is not None and [of_model] != names:
        raise UsageError(f"model {model!r} is for task {of_model!r}, not {task!r}; give one of the two")
    return Chosen((model,))


def _task_of(model: str) -> str | None:
    """The task of a shipped or exported model; None for a network of others, which says nothing of it, and which is
    looked for when it is opened. Raises UsageError for an unknown name."""
    of_others = Path(model).suffix.lower() in (*CHECKPOINTS, SCRIPTED)
    return None if of_others else find_model(model).card.task


State = tuple[str, int]


def _state(model: str) -> State | None:
    """What tells a model on disk from one that was there before: path and time of change; None: no such file."""
    path = Path(model, CARD) if Path(model).is_dir() else Path(model)
    return (str(path.resolve()), path.stat().st_mtime_ns) if path.is_file() else None


class Kit:
    """Restorers by model name, each compiled when it is first needed. For any number of threads."""

    def __init__(
        self, engine: str = AUTO, device: str = AUTO, precision: Precision = "f32", threads: int | None = None
    ) -> None:
        """As of Restorer."""
        self._engine, self._device, self._precision, self._threads = engine, device, precision, threads
        self._held: dict[tuple[str, Precision, State | None], Restorer] = {}
        self._lock = threading.Lock()

    def get(self, models: Sequence[str]) -> list[Restorer]:
        """The restorers of these models. Raises what Restorer raises."""
        return [self._restorer(name, self._precision) for name in models]

    def rain_network(self) -> Restorer:
        """The one that rain is told by, in float32, as its thresholds were found. Raises what Restorer raises."""
        return self._restorer(RAIN_NETWORK, "f32")

    def _restorer(self, name: str, precision: Precision) -> Restorer:
        key = name, precision, _state(name)
        with self._lock:
            if key not in self._held:
                self._held = {held: restorer for held, restorer in self._held.items() if held[:2] != key[:2]}
                self._held[key] = Restorer(
                    name, engine=self._engine, device=self._device, precision=precision, threads=self._threads
                )
            return self._held[key]


def default_output(path: Path, what: str = "restored", ending: str | None = None) -> Path:
    """NAME.restored.EXT beside the input; .tif for what can only be read."""
    return path.with_name(f"{path.stem}.{what}{_own_ending(path) if ending is None else ending}")


def _own_ending(path: Path) -> str:
    """The ending that a result of the same container gets: the input's own, unless its content is of another kind."""
    named = {**EXTENSIONS, **READ_ONLY_EXTENSIONS}.get(path.suffix.lower(), "")
    found = named
    with suppress(OSError, RunirError):  # told when it is read
        if path.is_file():  # a pipe would be waited for
            with path.open("rb") as file:
                found = read_header(file, MAX_PIXELS).format
    if found in READ_ONLY:
        return ENDINGS["TIFF"]
    return path.suffix if found == named else ENDINGS[found]


def check_paths(source: Path, output: Path | None, overwrite: bool, default: Path | None = None) -> Path:
    """Refuse early what would fail after the work. Returns where the result goes: `output`, else `default`, else
    NAME.restored.EXT beside the input.

    Raises UsageError; RunirError when a file stands where the output's folder should be, or when the input has neither
    an ending nor a content that runir knows.
    """
    check_is_file(source)
    target = output or default or default_output(source)
    if target.suffix.lower() not in EXTENSIONS and not target.is_dir():
        if output is None:
            with open_picture(source):  # tells what it is that runir cannot read, and so gives no ending to
                pass
        raise UsageError(line(target, "unknown format", f"use an ending of {' '.join(EXTENSIONS)}"))
    if target.exists() and source.samefile(target):
        raise UsageError(line(target, "is the original, which is never overwritten", "choose another name"))
    check_free(target, overwrite)
    return target


@lru_cache(maxsize=2)
def _kit(engine: str, device: str, precision: Precision, threads: int | None) -> Kit:
    return Kit(engine, device, precision, threads)


@overload
def restore(
    picture: NDArray[Any],
    *,
    task: str | None = ...,
    model: str | None = ...,
    output: None = ...,
    strength: float = ...,
    fast: bool = ...,
    tta: bool = ...,
    engine: str = ...,
    device: str = ...,
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
    fast: bool = ...,
    tta: bool = ...,
    engine: str = ...,
    device: str = ...,
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
    fast: bool = False,
    tta: bool = False,
    engine: str = AUTO,
    device: str = AUTO,
    precision: Precision = "f32",
    threads: int | None = None,
    quality: int = DEFAULT_QUALITY,
    overwrite: bool = False,
) -> NDArray[np.float32] | Path:
    """Restore one picture, a file or an array.

    Args:
        picture: a path, or a float array H x W x 3, H x W x 1 or H x W in [0, 1].
        task: what is wrong with it: "denoise", "photo", "lowlight", "deblur", "derain", several with commas between,
            or "auto": looks at the picture first. Of several, each restores what the one before made of an array; of a
            file the exposure for "lowlight" goes by the picture as it came, and results differ in the details.
        model: a model's name; default: the larger one of the task, and of "denoise" if neither is given.
        output: for a path: where the result goes (default NAME.restored.EXT beside the input).
        strength: s from 0 (unchanged) to 1 (full): x + s (f(x) - x), where f is all tasks together.
        fast: the smaller networks.
        tta: average over the eight flips and turns: about 0.1 dB better, eight times the time (docs/design-notes.md).
        engine, device, precision, threads: as of Restorer.
        quality: of lossy formats, 1 to 100.
        overwrite: whether an existing output may be replaced.

    Returns:
        For a path, the path of the result; for an array, a new float32 array of its shape.

    Raises:
        UsageError: a wrong argument. RunirError: a picture that cannot be read or written.
    """
    kit = _kit(engine, device, precision, threads)
    if isinstance(picture, str | os.PathLike):
        source = Path(picture)
        target = check_paths(source, None if output is None else Path(output), overwrite)
        chosen = choose(task, model, lambda: inspect_file(source, network=kit.rain_network), fast)
        options = FileOptions(strength=check_strength(strength), quality=quality, overwrite=overwrite, tta=tta)
        return Path(restore_file(kit.get(chosen.models), source, target, options).output)
    if output is not None:
        raise UsageError("output is for files; for an array use the returned array")
    check_strength(strength)
    pixels = as_picture(picture)
    chosen = choose(task, model, lambda: inspect(pixels, kit.rain_network), fast)
    result: NDArray[np.float32] = pixels.reshape(np.shape(picture)).copy()
    for restorer in kit.get(chosen.models) if strength else ():
        result = restorer(result, tta=tta)
    return mixed(pixels.reshape(result.shape), result, strength)
