"""What `runir evaluate` scores: a folder of clean pictures, two folders, or a part of a public data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.api import model_of
from runir.batch.text import pictures
from runir.data.blocks import Source, read_source
from runir.data.catalogue import DATA_SETS, get_data_set
from runir.data.dataset import DataSet, Item, Part, find_part
from runir.data.degrade import to_unit
from runir.degradations import Degradation, parse_degradation
from runir.errors import UsageError
from runir.evaluation import (
    Protocol,
    Report,
    Restore,
    evaluate,
    get_protocol,
    paired_folders,
    picture_files,
    score_pairs,
)
from runir.evaluation.evaluate import Failed
from runir.evaluation.pairs import read_pairs, read_pixels

_TASKS = {
    "camera": "photo", "blur": "deblur", "rain": "derain", "lowlight": "lowlight",
    "gopro-rgb": "deblur", "shift": "deblur", "sidd-rgb": "photo", "rain13k-y-uint8": "derain",
    "lol-rgb": "lowlight", "lol-gtmean": "lowlight",
}  # fmt: skip
"""What repairs a degradation, or what a protocol scores; denoise else."""
_WAYS = "--clean DIR --degrade SPEC, or --input DIR --target DIR, or --dataset NAME --root DIR"


@dataclass(frozen=True, slots=True)
class Job:
    """What to score. task: of the model to take where none is named; data_set: "gopro test", or None; notes: to print.

    clean or pairs is None. seen: names of these pictures where they are meant to train on.
    """

    protocol: Protocol
    task: str
    degradation: Degradation | None = None
    clean: Sequence[Path] | None = None
    pairs: Sequence[tuple[str, Source, Source]] | None = None
    folders: tuple[Path, Path] | None = None
    data_set: str | None = None
    notes: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    def trained_on(self, training_data: str) -> str | None:
        """The name by which a card says that a model was trained on these pictures, or on some of them."""
        return next((name for name in self.seen if name in training_data), None)

    @property
    def model(self) -> str:
        """The model for the task."""
        return model_of(self.task)

    def score(self, restore: Restore, seed: int, failed: Failed) -> Report:
        """Score; `failed` is told of pictures that cannot be. Raises as `score_pairs`."""
        if self.degradation is not None:
            read = read_pixels if self.data_set is None else _read_rgb
            return evaluate(
                restore, self.clean or (), self.degradation, self.protocol, seed=seed, read=read, failed=failed
            )
        pairs = paired_folders(*self.folders) if self.folders else read_pairs(self.pairs or (), _read_rgb)
        return score_pairs(restore, pairs, self.protocol, failed=failed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to score."""
    parser.add_argument("--clean", type=Path, metavar="DIR", help="clean pictures, to be degraded by --degrade")
    parser.add_argument("--degrade", metavar="SPEC", help="such as awgn:25, gray-awgn:25, camera, blur, rain, lowlight")
    parser.add_argument("--input", type=Path, metavar="DIR", help="degraded pictures")
    parser.add_argument("--target", type=Path, metavar="DIR", help="their clean partners, of the same file names")
    parser.add_argument("--dataset", metavar="NAME", help="a public data set's test part, see `runir data list`")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder that holds the data sets")
    parser.add_argument("--part", metavar="PART", help="of the data set (default: its test)")
    protocols = "rgb, y-float, y-uint8, gopro-rgb, sidd-rgb, rain13k-y-uint8, lol-rgb, lol-gtmean, shift, awgn-rgb"
    default = "default: the data set's own; awgn-rgb for Gaussian noise; else rgb"
    parser.add_argument("--protocol", metavar="NAME", help=f"{protocols} ({default})")


def choose(options: argparse.Namespace) -> Job:
    """What these options ask for. Raises UsageError for options that do not fit together or name nothing."""
    given = [bool(options.clean), bool(options.input or options.target), bool(options.dataset)]
    if sum(given) != 1 or (options.clean and options.degrade is None) or bool(options.input) != bool(options.target):
        raise UsageError(f"evaluate: give {_WAYS}")
    if bool(options.dataset) != bool(options.root) or (options.part and not options.dataset):
        raise UsageError("evaluate: --dataset NAME and --root DIR go together, and --part with them")
    if options.input and options.degrade is not None:
        raise UsageError("evaluate: --degrade goes with --clean; the pictures of --input are degraded already")
    degradation = None if options.degrade is None else parse_degradation(options.degrade)
    make = (
        partial(_of_data_set, get_data_set(options.dataset), options)
        if options.dataset
        else partial(_of_folders, options)
    )
    job = make(degradation)
    if job.protocol.name == "awgn-rgb" and not _gaussian(degradation):
        raise UsageError("evaluate: protocol awgn-rgb is for --degrade awgn:SIGMA; use --protocol rgb")
    return job


def _gaussian(degradation: Degradation | None) -> bool:
    return degradation is not None and degradation.name.startswith("awgn:")


def _of_folders(options: argparse.Namespace, degradation: Degradation | None) -> Job:
    protocol = get_protocol(options.protocol or ("awgn-rgb" if _gaussian(degradation) else "rgb"))
    if degradation is None:
        return Job(protocol, _TASKS.get(protocol.name, "denoise"), folders=(options.input, options.target))
    return Job(protocol, _task(degradation), degradation, picture_files(options.clean))


def _task(degradation: Degradation) -> str:
    return _TASKS.get(degradation.name.partition(":")[0], "denoise")


def _of_data_set(data_set: DataSet, options: argparse.Namespace, degradation: Degradation | None) -> Job:
    part = data_set.part(options.part) if options.part else data_set.default("test")
    what = f"{data_set.name} {part.name}"
    if not (part.paired or part.clean):
        raise UsageError(f"evaluate: {what} has no public targets; {data_set.page} scores it")
    if part.clean and degradation is None:
        raise UsageError(f"evaluate: {what} holds clean pictures; say what is done to them, such as --degrade awgn:25")
    if part.paired and degradation is not None:
        raise UsageError(f"evaluate: {what} holds pairs, which are degraded already: leave --degrade out")
    found = find_part(data_set, part, options.root)
    items = found.items
    if not items:
        remedy = f"runir data verify {data_set.name} --root {options.root} says what is looked for"
        raise UsageError(f"{options.root}: {what} is not there; {remedy}")
    notes = _incomplete(what, len(items), part)
    if found.lonely:
        notes += (f"{pictures(len(found.lonely))} without a partner left out; the first: {found.lonely[0]}",)
    seen = _other_names(data_set) if part.role == "train" else ()
    own = "awgn-rgb" if _gaussian(degradation) else "rgb" if degradation else part.protocol
    protocol = get_protocol(options.protocol or own or "rgb")
    if degradation is not None:
        files = [item.clean for item in items if isinstance(item.clean, Path)]
        return Job(protocol, _task(degradation), degradation, clean=files, data_set=what, notes=notes, seen=seen)
    return Job(protocol, data_set.task, pairs=_pairs(items), data_set=what, notes=notes, seen=seen)


def _incomplete(what: str, found: int, part: Part) -> tuple[str, ...]:
    if part.count is None or part.whole(found):
        return ()
    return (f"{what} has {part.count:,} pictures, here are {found:,}: the scores do not compare with published ones",)


def _other_names(data_set: DataSet) -> tuple[str, ...]:
    """What cards call the pictures of this data set: its own names, and those of data sets that it was drawn from."""
    known = {name for one in DATA_SETS.values() for name in one.folders if name in data_set.source}
    return (*data_set.folders, *sorted(known))


def _pairs(items: Sequence[Item]) -> list[tuple[str, Source, Source]]:
    return [(i.name, i.degraded, i.target) for i in items if i.degraded is not None and i.target is not None]


def _read_rgb(source: Source) -> NDArray[np.float32]:
    """float32 H x W x 3 in [0, 1]."""
    return to_unit(read_source(source))


class Watch:
    """Counts pictures on a terminal, and prints what failed."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.failures: list[str] = []
        self._terminal, self._count = sys.stderr.isatty(), 0

    def __call__(self) -> None:
        """One more picture begins."""
        self._count += 1
        if self._terminal:
            print(f"\rpicture {self._count} ", end="", file=sys.stderr, flush=True)

    def failed(self, error: Exception) -> None:
        """Say so, and go on."""
        self.failures.append(str(error))
        print(f"{self._head()}failed: {error}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the count off the terminal."""
        print(self._head(), end="", file=sys.stderr, flush=True)

    def _head(self) -> str:
        return "\r" + " " * 20 + "\r" if self._terminal else ""
