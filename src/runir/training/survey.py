"""What lies in a run's folders, without reading the pictures: names to hold out, and lines for a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from runir.data.blurs import blurs_of
from runir.data.catalogue import get_data_set
from runir.data.degrade import build_degrade
from runir.data.pictures import EXTENSIONS, find_pictures, picture_size
from runir.data.store import INDEX_FILE, is_store, open_store, read_index
from runir.errors import RunirError, UsageError
from runir.evaluation.pairs import match_folders
from runir.training.folders import split_folders
from runir.training.network import network_config
from runir.training.recipe import Recipe

SHARE = 0.15  # of the pictures are held out at most,
FEWEST = 4  # of at least so many,
LEAST = 2  # and then at least so many


class Line(NamedTuple):
    """One line about a folder; wrong: whether training would refuse it; short: whether something lacks."""

    text: str
    wrong: bool = False
    short: bool = False


def chosen_names(names: Iterable[str], most: int) -> frozenset[str]:
    """Up to `most` of the names, evenly spread in their order: about one in seven, none of fewer than four."""
    ordered = sorted(set(names))
    if len(ordered) < FEWEST or not most:
        return frozenset()
    count = min(most, max(LEAST, round(SHARE * len(ordered))))
    return frozenset(ordered[(2 * k + 1) * len(ordered) // (2 * count)] for k in range(count))


def held_out_of(recipe: Recipe, folders: Sequence[Path], listed: frozenset[str]) -> frozenset[str]:
    """The names that a run holds out: the listed ones, and those that `data.held_out_count` asks for.

    Raises what `split_folders` raises, RunirError for pairs without a partner, and UsageError when the best weights are
    to be kept and no name would be held out.
    """
    if not folders:
        raise UsageError("no training folders; give --data DIR")
    chosen = listed
    for paired, places in zip((False, True), split_folders(recipe.data.kind, folders), strict=True):
        names = [name for place in places for name in names_in(place, paired)]
        chosen |= chosen_names(names, recipe.data.held_out_count)
    if not chosen and recipe.validation.keep == "best":
        where = ", ".join(map(str, folders))
        raise UsageError(
            f"{where}: too few pictures to hold some out; at least {FEWEST} (or {FEWEST} pairs) are needed"
        )
    return chosen


def holds_pairs(folder: Path) -> bool:
    """Whether a folder has input/ (and, one hopes, target/), or is a patch store of pairs."""
    return open_store(folder).index.paired if is_store(folder) else (folder / "input").is_dir()


def names_in(folder: Path, paired: bool) -> list[str]:
    """Names of the pictures (of pairs: of the degraded ones) in a folder or patch store."""
    if is_store(folder):
        return [entry.name for entry in open_store(folder).index.pictures]
    return [path.name for path in _files(folder, paired)[0]]


def _files(folder: Path, paired: bool) -> tuple[list[Path], list[Path]]:
    """(pictures that are named, their partners)."""
    if not paired:
        return find_pictures([folder]), []
    pairs = match_folders(folder / "input", folder / "target", EXTENSIONS)
    return [degraded for degraded, _ in pairs], [target for _, target in pairs]


def survey(recipe: Recipe, folders: Sequence[Path], listed: frozenset[str]) -> list[Line]:
    """A line per folder: what is there, or what is wrong with it; and one for what else is wrong. See held_out_of."""
    held_out, wrong = listed, None
    try:
        held_out = held_out_of(recipe, folders, listed)
    except RunirError as error:
        wrong = Line(str(error), wrong=True)
    lines = [_describe(recipe, folder, held_out) for folder in folders]
    if wrong is not None and wrong not in lines:
        lines.append(wrong)
    if network_config(recipe).guides and recipe.data.kind != "pairs":
        try:
            blurs_of(build_degrade(recipe.data.degradation))
        except UsageError as error:
            lines.append(Line(str(error), wrong=True))
    return [*lines, *shortfalls(recipe, folders, held_out, every=True)]


def shortfalls(recipe: Recipe, folders: Sequence[Path], held_out: frozenset[str], *, every: bool = False) -> list[Line]:
    """What a run starts without, though its recipe means it to be there: parts of public data sets, pictures for
    validation. every: also lines about what is there."""
    lines = [_look_for(name, folders) for name in recipe.data.sets]
    if recipe.data.held_out_count and not held_out:
        lines.append(Line(f"fewer than {FEWEST} pictures: none are held out, so nothing is validated", short=True))
    return [line for line in lines if every or line.short]


def _look_for(name: str, folders: Sequence[Path]) -> Line:
    """Whether a part of a public data set is there as a patch store, and whole; UsageError for an unknown one."""
    words = name.split()
    part = get_data_set(words[0]).part(words[-1])
    count = "an unknown number" if part.count is None else f"{part.count:,}"
    for folder in filter(is_store, folders):
        index = read_index(folder / INDEX_FILE)
        if [index.data_set, index.part] == words:
            have = len(index.pictures)
            return Line(f"{name}: {have:,} of {count}", short=part.count is not None and have < part.count)
    where = f"runir data prepare {words[0]} --part {words[-1]} --root DIR, then --data DIR/{'-'.join(words)}.store"
    # Folders of another arrangement may hold the same pictures, so this alone does not keep a run from starting.
    return Line(f"{name} ({count} {'pairs' if part.paired else 'pictures'}) is no store among the folders: {where}")


def _describe(recipe: Recipe, folder: Path, held_out: frozenset[str]) -> Line:
    try:
        kind = recipe.data.kind
        if kind == "both":
            kind = "pairs" if holds_pairs(folder) else "clean"
        paired = bool(split_folders(kind, [folder])[1])
        names = names_in(folder, paired)
        files = [] if is_store(folder) else [path for side in _files(folder, paired) for path in side]
        pixels = sum(width * height for width, height in map(picture_size, files))
    except RunirError as error:
        return Line(str(error), wrong=True)
    kept = sum(name in held_out or name.rpartition("/")[2] in held_out for name in names)
    size = "mapped from disk" if is_store(folder) else f"{3 * pixels / 1e6:,.0f} MB in memory"
    return Line(f"{folder}: {len(names):,} {'pairs' if paired else 'pictures'}, {kept} of them held out, {size}")
