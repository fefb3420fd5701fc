"""Where (name, degraded, target) comes from: clean files and a degradation, or two folders."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runir.degradations.spec import Degradation
from runir.errors import RunirError, UsageError
from runir.images import EXTENSIONS, read_picture
from runir.images.messages import line, reason

Pixels = npt.NDArray[np.float32]
Reader = Callable[[Path], Pixels]


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
        An iterator that reads and degrades one picture at a time.

    Raises:
        UsageError: no files, or a negative seed.
        RunirError: while iterating, if a file cannot be read.
    """
    if not files:
        raise UsageError("no clean pictures to degrade; name at least one")
    if seed < 0:
        raise UsageError(f"the seed must be zero or more, not {seed}")
    return _degrade(sorted(files, key=lambda path: (path.name, path)), degradation, seed, read)


def _degrade(files: list[Path], degradation: Degradation, seed: int, read: Reader) -> Iterator[Pair]:
    for k, path in enumerate(files):
        clean = read(path)
        yield Pair(path.name, degradation.apply(clean, np.random.default_rng(seed + k)), clean)


def paired_folders(input_dir: Path, target_dir: Path, *, read: Reader = read_pixels) -> Iterator[Pair]:
    """Match the pictures of two folders by file name without its suffix, in the order of these names.

    Args:
        input_dir: degraded pictures; sub-folders, hidden files and files that are no pictures are left out.
        target_dir: what they should become.
        read: how a file becomes pixels.

    Returns:
        An iterator that reads one pair at a time; pairs are named by the input file.

    Raises:
        UsageError: a folder does not exist or holds no pictures.
        RunirError: pictures without a partner or two of one name; while iterating, if a file cannot be read
            or the two of a pair differ in size or channels.
    """
    return _read_pairs(match_folders(input_dir, target_dir), read)


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


def _read_pairs(files: list[tuple[Path, Path]], read: Reader) -> Iterator[Pair]:
    for input_file, target_file in files:
        degraded, target = read(input_file), read(target_file)
        if degraded.shape != target.shape:
            what = f"is {_size(degraded)}, but its target {target_file.name} is {_size(target)}"
            raise RunirError(line(input_file, what, "make sizes and channels of the pair equal"))
        yield Pair(input_file.name, degraded, target)


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
