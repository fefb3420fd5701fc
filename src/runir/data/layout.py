"""Where a data set's pictures lie: path patterns with named fields, and the search for what matches them.

A pattern is a relative path such as "train/{scene}/blur/{frame}.png". A {field} stands for any part of one file or
folder name; two files belong together when all their fields are equal. The ending ".*" stands for any picture.
Upper and lower case are the same. Only the folders that a pattern names are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from runir.data.pictures import EXTENSIONS

Fields = tuple[tuple[str, str], ...]
"""The fields of one file: (name, value) pairs in the order of the pattern."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Patterns of one arrangement on disk. degraded: None for clean pictures; target: None where no one has it.

    A pattern that ends in ".mat" names a file of many pictures, see `runir.data.blocks`. generic: nothing in the
    patterns tells this data set from others, so they hold only in a folder that bears its name.
    """

    degraded: str | None
    target: str | None
    generic: bool = False


class Match(NamedTuple):
    """Files under one folder: pairs by fields (a side is None where the layout has none), and those without partner."""

    pairs: dict[Fields, tuple[Path | None, Path | None]]
    lonely: list[Path]


def match(place: Path, layout: Layout) -> Match:
    """What the layout's patterns name under `place`, put together by its fields, in order of names."""
    sides = [dict(_scan(place, pattern)) if pattern else {} for pattern in (layout.degraded, layout.target)]
    degraded, target = sides
    if layout.degraded is None or layout.target is None:
        both = degraded or target
        one = [(path, None) if layout.target is None else (None, path) for path in both.values()]
        return Match(dict(zip(both, one, strict=True)), [])
    pairs: dict[Fields, tuple[Path | None, Path | None]] = {
        key: (degraded[key], target[key]) for key in degraded if key in target
    }
    lonely = [path for ours, theirs in (sides, sides[::-1]) for key, path in ours.items() if key not in theirs]
    return Match(pairs, lonely)


def _scan(place: Path, pattern: str) -> Iterator[tuple[Fields, Path]]:
    head, _, rest = pattern.partition("/")
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return
    for entry in entries:
        found = None if entry.name.startswith(".") else _expression(head).fullmatch(entry.name)
        if found is None:
            continue
        fields = tuple((name, value.casefold()) for name, value in found.groupdict().items())
        if not rest:
            if entry.is_file():
                yield fields, entry
        elif entry.is_dir():
            for more, path in _scan(entry, rest):
                yield fields + more, path


@lru_cache(maxsize=256)
def _expression(part: str) -> re.Pattern[str]:
    """The regular expression of one name of a pattern."""
    stem = part.removesuffix(".*")
    pieces = re.split(r"\{(\w+)\}", stem)
    text = "".join(f"(?P<{piece}>.+?)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))
    if stem != part:
        text += "(?:" + "|".join(map(re.escape, EXTENSIONS)) + ")"
    return re.compile(text, re.IGNORECASE)
