"""What is missing, damaged or unpaired in a data set, and which of its pictures another one has too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from runir.data.blocks import Source, read_source, source_size
from runir.data.catalogue import OVERLAPS, Overlap, get_data_set
from runir.data.dataset import DataSet, Found, Item, Part, find_part, require_root
from runir.data.fingerprint import fingerprints, shared
from runir.errors import RunirError

Watch = Callable[[int, int], None]
"""Told how many pictures are done, and of how many."""
Kind = Literal["missing", "too many", "wrong size", "unreadable", "unpaired"]


def _no_watch(done: int, total: int) -> None:
    """Nobody watches."""


class Problem(NamedTuple):
    """One thing that is wrong, in one line."""

    kind: Kind
    text: str


class PartReport(NamedTuple):
    """A part, where it is (None: not found), what was found in it and what is wrong with it."""

    part: Part
    place: Path | None
    found: int
    problems: tuple[Problem, ...]


class Common(NamedTuple):
    """A known overlap between two parts that are both here. shared: how many pictures; examples: (name, name)."""

    overlap: Overlap
    shared: int
    examples: tuple[tuple[str, str], ...]


class Comparison(NamedTuple):
    """What parts share; left_out: one line for each picture that cannot be read, so that it was not compared."""

    common: tuple[Common, ...]
    left_out: tuple[str, ...]


def check_part(
    data_set: DataSet, part: Part, root: Path, *, quick: bool = False, watch: Watch = _no_watch
) -> PartReport:
    """Look for a part below `root` and check it.

    quick: read the heads of the files only; a picture that is cut off is then not noticed.

    Raises UsageError when the folder is missing.
    """
    require_root(root)
    try:
        found = find_part(data_set, part, root)
    except RunirError as error:  # a MATLAB file, or SciPy to read it is not installed: other parts may do without
        return PartReport(part, None, 0, (Problem("unreadable", str(error)),))
    problems = [
        *_missing(found, data_set, root),
        *(Problem("unpaired", f"{path}: has no partner") for path in found.lonely),
    ]
    if found.items:
        problems += dict.fromkeys(_check_items(found, quick, watch))  # one line for all blocks of a MATLAB file
    return PartReport(part, found.place, len(found.items), tuple(problems))


def _what(part: Part) -> str:
    return "pairs" if part.paired else "pictures"


def _missing(found: Found, data_set: DataSet, root: Path) -> Iterator[Problem]:
    part = found.part
    if not found.items and not found.lonely:
        expected = " or ".join(p for layout in part.layouts[:2] for p in (layout.degraded or layout.target,) if p)
        count = f"all {part.count:,} {_what(part)}" if part.count else f"the {_what(part)}"
        where = f"{root} or its folder {' or '.join(data_set.folders)}"
        yield Problem("missing", f"{count}: nothing matches {expected} in {where}")
        return
    if part.groups:
        yield from _missing_by_group(found)
        return
    if part.names:
        have = {list(key.values())[-1] for key in found.keys}
        for name in part.names:
            if name.casefold() not in have:
                yield Problem("missing", f"{found.place}: {_shown(found, name)}")
    elif part.count is not None and not part.whole(len(found.items)) and len(found.items) < part.count:
        short = f"{part.count - len(found.items):,} of {part.count:,} {_what(part)}"
        yield Problem("missing", f"{found.place}: {short} (their names are not known)")
    if part.count is not None and not part.whole(len(found.items)) and len(found.items) > part.count:
        yield Problem("too many", f"{found.place}: {len(found.items):,} {_what(part)}, {part.count:,} belong here")


def _shown(found: Found, name: str) -> str:
    """The files of an item with this name, by the layout."""
    assert found.layout is not None
    patterns = [p for p in (found.layout.degraded, found.layout.target) if p]
    return " and ".join(pattern.replace("{name}", name) for pattern in patterns)


def _missing_by_group(found: Found) -> Iterator[Problem]:
    have = Counter(next(iter(key.values())) for key in found.keys)
    known = {name.casefold(): (name, count) for name, count in found.part.groups.items()}
    for key, (name, count) in known.items():
        if have[key] < count:
            which = f"all {count}" if not have[key] else f"{count - have[key]} of {count}"
            yield Problem("missing", f"{found.place}: {which} {_what(found.part)} of {name}")
        elif have[key] > count:
            yield Problem("too many", f"{found.place}: {have[key]} {_what(found.part)} of {name}, {count} belong there")
    for key in have.keys() - known.keys():
        yield Problem("too many", f"{found.place}: {key} does not belong here ({have[key]} {_what(found.part)})")


def _check_items(found: Found, quick: bool, watch: Watch) -> Iterator[Problem]:
    def check(item: Item) -> list[Problem]:
        return list(_check_item(found.part, item, quick))

    with ThreadPoolExecutor(2) as pool:
        for index, problems in enumerate(pool.map(check, found.items)):
            watch(index + 1, len(found.items))
            yield from problems


def _check_item(part: Part, item: Item, quick: bool) -> Iterator[Problem]:
    sizes = []
    for source in item.sources:
        try:
            size = source_size(source) if quick else read_source(source).shape[1::-1]
        except RunirError as error:
            yield Problem("unreadable", str(error))
            continue
        sizes.append(size)
        wrong = _wrong_size(part, *size)
        if wrong:
            yield Problem("wrong size", f"{_path(source)}: is {size[0]} x {size[1]}, {wrong}")
    if len(set(sizes)) > 1:
        shown = " and ".join(f"{width} x {height}" for width, height in sizes)
        yield Problem("wrong size", f"{_path(item.sources[0])}: differs from its partner in size ({shown})")


def _path(source: Source) -> Path:
    return source if isinstance(source, Path) else source.file


def _wrong_size(part: Part, width: int, height: int) -> str:
    """What the size should be, or nothing when it is right or not known."""
    if part.sizes is not None and (width, height) not in part.sizes:
        return "not " + " or ".join(f"{w} x {h}" for w, h in part.sizes)
    if part.longest is not None and max(width, height) != part.longest:
        return f"the longer side should have {part.longest} pixels"
    return ""


def known_overlaps(data_set: DataSet) -> list[Overlap]:
    """The known overlaps that this data set is part of."""
    return [overlap for overlap in OVERLAPS if data_set.name in (overlap.one[0], overlap.other[0])]


def check_overlaps(data_set: DataSet, root: Path, *, watch: Watch = _no_watch) -> Comparison:
    """Compare, by content, the parts that are known to overlap and are both below `root`; only those that do share
    pictures are in the result."""
    cache: dict[tuple[str, str], Found] = {}

    def found(name: str, part: str) -> Found:
        if (name, part) not in cache:
            other = get_data_set(name)
            cache[name, part] = find_part(other, other.part(part), root)
        return cache[name, part]

    known = [
        overlap for overlap in known_overlaps(data_set) if found(*overlap.one).items and found(*overlap.other).items
    ]
    wanted = {side for overlap in known for side in (overlap.one, overlap.other)}
    total, done = sum(len(cache[side].items) for side in wanted), 0
    prints = {}
    left_out: list[str] = []
    for side in sorted(wanted):
        start = done
        sources = [item.clean for item in cache[side].items]
        prints[side], failed = fingerprints(sources, lambda count, start=start: watch(start + count, total))  # type: ignore[misc]
        left_out += failed
        done += len(sources)
    common = []
    for overlap in known:
        pictures = shared(prints[overlap.one], prints[overlap.other])
        names = [(cache[overlap.one].items[s.one].name, cache[overlap.other].items[s.other].name) for s in pictures]
        if names:
            common.append(Common(overlap, len(names), tuple(names[:3])))
    return Comparison(tuple(common), tuple(left_out))
