"""Training pictures in memory: decoded once, kept as uint8."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runir.errors import RunirError, UsageError

EXTENSIONS = (".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """All pictures directly in the folders, sorted by folder order, then file name.

    Raises UsageError for a missing folder or one without pictures.
    """
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; give --data a folder of pictures")
        here = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and p.is_file())
        if not here:
            raise UsageError(f"{folder}: no pictures in this folder; known endings: {' '.join(EXTENSIONS)}")
        found += here
    return found


def load_rgb8(path: Path) -> NDArray[np.uint8]:
    """Decode one picture to uint8 H x W x 3. Raises RunirError naming the file when it cannot be read."""
    with opened(path) as image:
        return np.asarray(image.convert("RGB"))


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) from the file's head. Raises RunirError naming the file when it cannot be read."""
    with opened(path) as image:
        return image.size


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An open Pillow image. Raises RunirError naming the file when it, or what is done with it, cannot be read."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunirError(f"{path}: cannot be read as a picture ({error}); remove or replace it") from error


def load_all(paths: Sequence[Path], threads: int = 2) -> list[NDArray[np.uint8]]:
    """Decode many pictures, in order, on several threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(load_rgb8, paths))


def read_name_list(path: Path) -> frozenset[str]:
    """File names, one per line; empty lines and lines starting with # are skipped."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a list of held-out file names, one per line")
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def split_held_out(paths: Iterable[Path], names: frozenset[str]) -> tuple[list[Path], list[Path]]:
    """(training, held out): a picture is held out when its file name is on the list."""
    training: list[Path] = []
    held_out: list[Path] = []
    for path in paths:
        (held_out if path.name in names else training).append(path)
    if not training:
        raise UsageError("every picture is on the held-out list; nothing is left to train on")
    return training, held_out
