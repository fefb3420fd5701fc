"""Pictures inside MATLAB files: SIDD's validation and benchmark blocks.

Such a file holds one uint8 array of pictures x blocks x height x width x 3, under the name of the file without its
ending. SciPy (extra `data`) reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.data.pictures import load_rgb8, picture_size
from runir.errors import RunirError, UsageError


@dataclass(frozen=True, slots=True)
class Block:
    """One picture of a MATLAB file: the file, and its two indices, from 0."""

    file: Path
    index: tuple[int, int]

    def __str__(self) -> str:
        """As error messages name it."""
        return f"{self.file}, picture {self.index[0] + 1}, block {self.index[1] + 1}"


Source = Path | Block
"""Where one picture is."""


def read_source(source: Source) -> NDArray[np.uint8]:
    """One picture, uint8 H x W x 3. Raises RunirError naming the file when it cannot be read, UsageError for a block
    without SciPy."""
    if isinstance(source, Path):
        return load_rgb8(source)
    with _LOADING:  # a thread that asks for what another one loads waits for it, instead of loading it too
        array = _load(source.file, source.file.stat().st_mtime_ns)
    if isinstance(array, str):
        raise RunirError(array)
    block: NDArray[np.uint8] = array[source.index]
    return block


def source_size(source: Source) -> tuple[int, int]:
    """(width, height), without decoding. Raises RunirError naming the file when it cannot be read."""
    if isinstance(source, Path):
        return picture_size(source)
    height, width = shape_of(source.file)[2:4]
    return width, height


def shape_of(file: Path) -> tuple[int, ...]:
    """The shape of the array in a MATLAB file, pictures x blocks x height x width x 3.

    Raises RunirError naming the file when it cannot be read or holds something else, UsageError without SciPy.
    """
    return _shape(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _shape(file: Path, _: int) -> tuple[int, ...]:
    with _reading(file) as io:
        found = {name: (shape, kind) for name, shape, kind in io.whosmat(file)}
    shape, kind = found.get(file.stem, ((), ""))
    if len(shape) != 5 or shape[4] != 3 or kind != "uint8":
        what = f"holds no uint8 array {file.stem!r} of 5 axes, the last of 3"
        raise RunirError(f"{file}: {what}; get the file of the official page again")
    return tuple(int(side) for side in shape)


_LOADING = Lock()


@lru_cache(maxsize=2)
def _load(file: Path, _: int) -> NDArray[np.uint8] | str:
    """The whole array, or what is wrong with the file: a broken one is read once, not once for each of its blocks.

    SIDD's arrays are 252 MB each, and a pair of files is in use at a time.
    """
    try:
        shape_of(file)
        with _reading(file) as io:
            array: NDArray[np.uint8] = io.loadmat(file, variable_names=[file.stem])[file.stem]
    except UsageError:  # no SciPy: nothing is wrong with the file
        raise
    except RunirError as error:
        return str(error)
    return array


class _reading:  # noqa: N801 - a context manager
    """SciPy's MATLAB reader, with its errors in one line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Any:
        try:
            import scipy.io
        except ModuleNotFoundError as error:
            raise UsageError(f"{self._file}: SciPy reads such files; pip install 'runir[data]'") from error
        return scipy.io

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, NotImplementedError):
            remedy = "save it with -v7, or get the original"
            raise RunirError(f"{self._file}: is a MATLAB file of version 7.3; {remedy}") from error
        if isinstance(error, Exception) and not isinstance(error, RunirError):
            remedy = "get it again"
            raise RunirError(f"{self._file}: cannot be read as a MATLAB file ({error}); {remedy}") from error
