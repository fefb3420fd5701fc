"""A patch store: the pictures of a data set as uint8 patches in one file that is mapped into memory, and an index.

A store is a folder with `patches.bin` and `index.json`; the index is written last, so a folder without it is no store.
The file holds the patches of one picture after another, row by row from the picture's top left; of a pair, the degraded
patch and then the target's. Training on a store needs no decoding and no memory for the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from runir.config import build
from runir.errors import RunirError, UsageError

DATA_FILE, INDEX_FILE = "patches.bin", "index.json"
FORMAT = "runir patch store 1"
Patch = NDArray[np.uint8]
T = TypeVar("T")


class Entry(NamedTuple):
    """One picture (or pair) of a store: its name in the data set, and its size in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Index:
    """What is in a store. patch: side of the patches; overlap: pixels that neighbours share at least.

    paired: whether degraded and target patches alternate. pictures: in the order of the file.
    """

    format: str
    data_set: str
    part: str
    licence: str
    paired: bool
    patch: int
    overlap: int
    pictures: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.format != FORMAT:
            raise UsageError(f"format {self.format!r} is not {FORMAT!r}; prepare it again")
        if self.patch < 1 or not 0 <= self.overlap < self.patch:
            what = f"patch {self.patch} and overlap {self.overlap}"
            raise UsageError(f"{what}: patch must be positive, and overlap less than patch")

    @property
    def sides(self) -> int:
        """Pictures per patch: 2 for pairs."""
        return 2 if self.paired else 1

    def boxes(self, entry: Entry) -> tuple[tuple[int, int, int, int], ...]:
        """(top, left, height, width) of the picture's patches."""
        return _boxes(entry.height, entry.width, self.patch, self.overlap)

    def bytes_of(self, entry: Entry) -> int:
        """Bytes that a picture takes in the file."""
        return sum(height * width * 3 * self.sides for _, _, height, width in self.boxes(entry))

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return sum(map(self.bytes_of, self.pictures))

    def to_json(self) -> str:
        """The text of the index file."""
        return json.dumps(asdict(self), ensure_ascii=False)


@lru_cache(maxsize=4096)
def _boxes(height: int, width: int, patch: int, overlap: int) -> tuple[tuple[int, int, int, int], ...]:
    tops, lefts = (corners(side, patch, overlap) for side in (height, width))
    return tuple((top, left, min(patch, height), min(patch, width)) for top in tops for left in lefts)


def corners(side: int, patch: int, overlap: int) -> list[int]:
    """Where patches begin along a side: evenly spread, the last one ending at the side's end."""
    if side <= patch:
        return [0]
    count = 1 + -(-(side - patch) // (patch - overlap))
    return [(side - patch) * k // (count - 1) for k in range(count)]


def is_store(folder: Path) -> bool:
    """Whether a folder is a patch store."""
    return (folder / INDEX_FILE).is_file() and (folder / DATA_FILE).is_file()


def read_index(file: Path) -> Index:
    """Read an index. Raises RunirError naming the file when it is none."""
    try:
        data: dict[str, Any] = json.loads(file.read_text("utf-8"))
        pictures = tuple(Entry(str(name), int(width), int(height)) for name, width, height in data.pop("pictures"))
        return replace(build(Index, data | {"pictures": []}), pictures=pictures)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UsageError) as error:
        raise RunirError(f"{file}: is not the index of a patch store ({error}); prepare it again") from error


class _Box(NamedTuple):
    """One patch (or pair of patches) of the file."""

    offset: int
    height: int
    width: int


class Patches(Sequence[T], Generic[T]):
    """Patches of a store's file, mapped into memory when one is first asked for, in each process anew."""

    def __init__(self, file: Path, boxes: Sequence[_Box], cut: Callable[[Patch, _Box], T]) -> None:
        """cut: makes an item of the file's bytes and its box."""
        self._file, self._boxes, self._cut = file, list(boxes), cut
        self._map: Patch | None = None

    def __len__(self) -> int:
        """Number of patches (or pairs)."""
        return len(self._boxes)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        """One, or a part of the sequence."""
        if isinstance(index, slice):
            return Patches(self._file, self._boxes[index], self._cut)
        if self._map is None:
            self._map = np.memmap(self._file, np.uint8, "r").view(np.ndarray)
        return self._cut(self._map, self._boxes[index])

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping: another process makes its own."""
        return self.__dict__ | {"_map": None}


def _clean(data: Patch, box: _Box) -> Patch:
    return data[box.offset : box.offset + box.height * box.width * 3].reshape(box.height, box.width, 3)


def _pair(data: Patch, box: _Box) -> tuple[Patch, Patch]:
    return _clean(data, box), _clean(data, box._replace(offset=box.offset + box.height * box.width * 3))


class Split(NamedTuple, Generic[T]):
    """Patches to train on, and of each held-out picture the one in the middle."""

    training: Sequence[T]
    held_out: Sequence[T]


@dataclass(frozen=True, slots=True)
class Store:
    """An opened store."""

    folder: Path
    index: Index

    def clean(self, held_out: frozenset[str] = frozenset()) -> Split[Patch]:
        """Clean patches, uint8 H x W x 3. held_out: names, or last parts of names, of pictures."""
        return self._split(held_out, _clean)

    def pairs(self, held_out: frozenset[str] = frozenset()) -> Split[tuple[Patch, Patch]]:
        """(degraded, target) patches, uint8 H x W x 3 each. held_out: as for `clean`."""
        return self._split(held_out, _pair)

    def _split(self, held_out: frozenset[str], cut: Callable[[Patch, _Box], T]) -> Split[T]:
        training: list[_Box] = []
        middle: list[_Box] = []
        for entry, boxes in self._boxes():
            if entry.name in held_out or PurePosixPath(entry.name).name in held_out:
                middle.append(boxes[len(boxes) // 2])
            else:
                training += boxes
        file = self.folder / DATA_FILE
        return Split(Patches(file, training, cut), Patches(file, middle, cut))

    def _boxes(self) -> Iterable[tuple[Entry, list[_Box]]]:
        offset = 0
        for entry in self.index.pictures:
            boxes = []
            for _, _, height, width in self.index.boxes(entry):
                boxes.append(_Box(offset, height, width))
                offset += height * width * 3 * self.index.sides
            yield entry, boxes


def open_store(folder: Path) -> Store:
    """Open a store. Raises RunirError when the index cannot be read or the file has not the size it should have."""
    index = read_index(folder / INDEX_FILE)
    size = (folder / DATA_FILE).stat().st_size
    if size != index.bytes:
        raise RunirError(f"{folder / DATA_FILE}: has {size:,} bytes, not {index.bytes:,}; prepare the store again")
    return Store(folder, index)


class Joined(Sequence[T], Generic[T]):
    """Several sequences, one after another, without copying them."""

    def __init__(self, parts: Sequence[Sequence[T]]) -> None:
        """parts: in order."""
        self._parts = [part for part in parts if len(part)]
        self._ends = np.cumsum([len(part) for part in self._parts], dtype=np.int64)

    def __len__(self) -> int:
        """The sum of the lengths."""
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        """One, or a list of several."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        part = int(np.searchsorted(self._ends, index, "right"))
        return self._parts[part][index - (int(self._ends[part - 1]) if part else 0)]

    def __iter__(self) -> Iterator[T]:
        """All of the first part, then of the next."""
        for part in self._parts:
            yield from part
