"""Where (name, degraded, target) comes from: clean files and a degradation, or two folders."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import starmap
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from runir.degradations.spec import Degradation
from runir.errors import RunirError, UsageError
from runir.images import EXTENSIONS, read_picture
from runir.images.messages import line, reason

Pixels = npt.NDArray[np.float32]
Reader = Callable[[Path], Pixels]
Source = TypeVar("Source")


class Pair(NamedTuple):
    """One picture to restore and what it should become: float32, H x W x C, C 1 or 3, target in [0, 1]."""

    name: str
    degraded: Pixels
    target: Pixels


def read_pixels(path: Path) -> Pixels:
    """Read the pixels of a picture file: float32, H x W x C in [0, 1]; `RunirError` if it cannot be read."""
    return read_picture(path).pixels


def degraded_pairs(
    files: Sequence[Path], degradation: Degradation, seed: int, *, read: Reader = read_pixels
) -> Iterator[Pair]:
    """Degrade clean pictures one by one, as protocol `awgn-rgb` prescribes.

    Args:
        files: clean pictures; taken in the order of their file names, whatever order they are given in.
        degradation: applied to picture k with `numpy.random.default_rng(seed + k)`, k from 0.
        seed: zero or more.
        read: how a file becomes pixels.

    Returns:
        An iterator that reads and degrades one picture at a time; one that fails does not end it.

    Raises:
        UsageError: no files, or a negative seed.
        RunirError: while iterating, if a file cannot be read.
    """
    if not files:
        raise UsageError("no clean pictures to degrade; name at least one")
    if seed < 0:
        raise UsageError(f"the seed must be zero or more, not {seed}")
    in_order = sorted(files, key=lambda path: (path.name, path))

    def degrade(k: int, path: Path) -> Pair:
        clean = read(path)
        return Pair(path.name, degradation.apply(clean, np.random.default_rng(seed + k)), clean)

    return starmap(degrade, enumerate(in_order))  # unlike a generator, it goes on after an error


def paired_folders(input_dir: Path, target_dir: Path, *, read: Reader = read_pixels) -> Iterator[Pair]:
    """Match the pictures of two folders by file name without its suffix, in the order of these names.

    Args:
        input_dir: degraded pictures; sub-folders, hidden files and files that are no pictures are left out.
        target_dir: what they should become.
        read: how a file becomes pixels.

    Returns:
        An iterator that reads one pair at a time, named by the input file; one that fails does not end it.

    Raises:
        UsageError: a folder does not exist or holds no pictures.
        RunirError: pictures without a partner or two of one name; while iterating, if a file cannot be read
            or the two of a pair differ in size or channels.
    """
    files = match_folders(input_dir, target_dir)
    return read_pairs(((input_file.name, input_file, target) for input_file, target in files), read)


def match_folders(
    input_dir: Path, target_dir: Path, extensions: Collection[str] = EXTENSIONS
) -> list[tuple[Path, Path]]:
    """(input, target) files of two folders; matching, order and errors as of `paired_folders`, nothing is read.

    Args:
        input_dir, target_dir: see `paired_folders`.
        extensions: endings of pictures, lower case.
    """
    inputs, targets = _by_stem(input_dir, extensions), _by_stem(target_dir, extensions)
    _require_partners(inputs, targets, target_dir)
    _require_partners(targets, inputs, input_dir)
    return [(inputs[stem], targets[stem]) for stem in sorted(inputs)]


def read_pairs(pairs: Iterable[tuple[str, Source, Source]], read: Callable[[Source], Pixels]) -> Iterator[Pair]:
    """Read (name, degraded, target) one by one as it is iterated; a pair that fails does not end it.

    Raises:
        RunirError: while iterating, if a side cannot be read or the two differ in size or channels.
    """

    def both(name: str, input_file: Source, target_file: Source) -> Pair:
        degraded, target = read(input_file), read(target_file)
        if degraded.shape != target.shape:
            partner = target_file.name if isinstance(target_file, Path) else target_file
            what = f"is {_size(degraded)}, but its target {partner} is {_size(target)}"
            raise RunirError(line(str(input_file), what, "make sizes and channels of the pair equal"))
        return Pair(name, degraded, target)

    return starmap(both, pairs)


def picture_files(folder: Path, extensions: Collection[str] = EXTENSIONS) -> list[Path]:
    """The pictures directly in a folder, sorted by file name, hidden files left out; `UsageError` if none."""
    found = _pictures(folder, extensions)
    if not found:
        what = f"no pictures in this folder ({', '.join(extensions)})"
        raise UsageError(line(folder, what, "give a folder of pictures"))
    return found


def _by_stem(folder: Path, extensions: Collection[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in picture_files(folder, extensions):
        if path.stem in found:
            what = f"holds both {found[path.stem].name} and {path.name}"
            raise RunirError(line(folder, what, "remove one of them"))
        found[path.stem] = path
    return found


def _pictures(folder: Path, extensions: Collection[str]) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as fault:
        what = f"cannot be listed ({reason(fault)})"
        raise UsageError(line(folder, what, "give a folder of pictures")) from fault
    visible = (path for path in entries if not path.name.startswith("."))
    return [path for path in visible if path.suffix.lower() in extensions and path.is_file()]


def _require_partners(have: dict[str, Path], other: dict[str, Path], place: Path) -> None:
    missing = sorted(have.keys() - other.keys())
    if missing:
        more = f" (nor have {len(missing) - 1} more)" if len(missing) > 1 else ""
        what = f"has no partner of the same name in {place}{more}"
        raise RunirError(line(have[missing[0]], what, "add or remove it"))


def _size(pixels: Pixels) -> str:
    height, width, channels = pixels.shape
    return f"{width} x {height} with {channels} channel{'s' if channels > 1 else ''}"
