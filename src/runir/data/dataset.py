"""What is known about a public data set, and finding it under a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from runir.data.blocks import Block, Source, shape_of
from runir.data.layout import Layout, match
from runir.errors import UsageError, nearest

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a data set, such as its training pairs.

    name: "train", "test", "rain100h", ... role: what it is for. count: pairs (or clean pictures) in it; None: unknown.
    or_count: another count that is stated of it.
    sizes: (width, height) that occur; None: unknown, or many. longest: of the sides, where all pictures share it.
    layouts: arrangements that are known, the official one first. groups: the first field of the layout -> count, where
    these are known; names: values of the last field, where these are known. protocol: how it is scored. note: what a
    user must know.
    """

    name: str
    role: Literal["train", "validation", "test"]
    count: int | None
    layouts: tuple[Layout, ...]
    sizes: tuple[tuple[int, int], ...] | None = None
    longest: int | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    protocol: str | None = None
    note: str = ""
    or_count: int | None = None

    def whole(self, found: int) -> bool:
        """Whether so many are all of it, as far as that is known."""
        return self.count is None or found in (self.count, self.or_count)

    @property
    def paired(self) -> bool:
        """Whether it has both degraded pictures and targets."""
        return all(layout.degraded and layout.target for layout in self.layouts)

    @property
    def clean(self) -> bool:
        """Whether it has clean pictures only."""
        return all(layout.degraded is None for layout in self.layouts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A public data set. folders: names it goes by on disk. licence: "unknown" where its page states none."""

    name: str
    title: str
    task: str
    source: str
    page: str
    licence: str
    folders: tuple[str, ...]
    parts: tuple[Part, ...]

    def part(self, name: str) -> Part:
        """A part by name; UsageError names the nearest one if there is none."""
        for part in self.parts:
            if part.name == name.lower():
                return part
        raise UsageError(f"{self.name} has no part {name!r}; {nearest(name, [part.name for part in self.parts])}")

    def default(self, role: str) -> Part:
        """The only part for this role, else the only part; UsageError names the parts where one must be chosen."""
        fit = [part for part in self.parts if part.role == role] or list(self.parts)
        if len(fit) > 1:
            raise UsageError(f"{self.name} has several parts; choose with --part: {', '.join(p.name for p in fit)}")
        return fit[0]


class Item(NamedTuple):
    """One pair, or one picture where a side is None. name: the path of its first picture below the data set."""

    name: str
    degraded: Source | None
    target: Source | None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pictures of the item, degraded first."""
        return tuple(source for source in (self.degraded, self.target) if source is not None)

    @property
    def clean(self) -> Source:
        """The picture to compare contents by: the target, else the only one."""
        return self.sources[-1]


@dataclass(frozen=True, slots=True)
class Found:
    """A part on disk: the folder that its layout starts from, its items, and files without a partner.

    keys: the fields of each item, lower case. place and layout are None when nothing was found.
    """

    part: Part
    place: Path | None = None
    layout: Layout | None = None
    items: tuple[Item, ...] = ()
    keys: tuple[dict[str, str], ...] = ()
    lonely: tuple[Path, ...] = ()


def find_part(data_set: DataSet, part: Part, root: Path) -> Found:
    """Look for a part in `root` and in its folders that bear the data set's name; the richest arrangement counts.

    Raises UsageError for a missing folder, RunirError for a MATLAB file that cannot be read (UsageError without SciPy).
    """
    require_root(root)
    best = Found(part)
    for place in _places(data_set, root):
        named = place.name.casefold() in _names(data_set)
        for layout in part.layouts:
            if layout.generic and not named:
                continue
            found = _found(part, place, layout)
            if (len(found.items), len(found.lonely)) > (len(best.items), len(best.lonely)):
                best = found
    return best


def require_root(root: Path) -> None:
    """Raise UsageError where there is no such folder."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "no such folder"
        raise UsageError(f"{root}: {what}; give --root the folder that holds the data sets")


def _names(data_set: DataSet) -> set[str]:
    return {folder.casefold() for folder in data_set.folders}


def _places(data_set: DataSet, root: Path) -> Iterator[Path]:
    yield from sorted(p for p in root.iterdir() if p.name.casefold() in _names(data_set) and p.is_dir())
    yield root.resolve()


def _found(part: Part, place: Path, layout: Layout) -> Found:
    pairs, lonely = match(place, layout)
    items: list[Item] = []
    keys: list[dict[str, str]] = []
    for fields, (degraded, target) in pairs.items():
        for item in _expand(place, degraded, target):
            items.append(item)
            keys.append(dict(fields))
    return Found(part, place, layout, tuple(items), tuple(keys), tuple(lonely))


def _expand(place: Path, degraded: Path | None, target: Path | None) -> Iterator[Item]:
    """The item of two files, or the items of two MATLAB files; those have as many as the shorter one."""
    first = degraded or target
    assert first is not None
    name = first.relative_to(place).as_posix()
    if first.suffix.lower() != ".mat":
        yield Item(name, degraded, target)
        return
    shapes = [shape_of(path)[:2] for path in (degraded, target) if path is not None]
    pictures, blocks = (min(sides) for sides in zip(*shapes, strict=True))
    for picture in range(pictures):
        for block in range(blocks):
            here = [None if path is None else Block(path, (picture, block)) for path in (degraded, target)]
            yield Item(f"{name}/{picture + 1:04d}_{block + 1:02d}", *here)
