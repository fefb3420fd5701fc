"""A recipe's folders: what is trained on, and what is held out for validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.data.degrade import build_degrade
from runir.data.pictures import EXTENSIONS, find_pictures, load_all, split_held_out
from runir.data.samples import CleanSource, MixedSource, PairedSource, PairSource
from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.evaluation.pairs import match_folders
from runir.training.recipe import Recipe
from runir.training.validation import ValidationSet, clean_validation, pair_validation

Pairs = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def load_data(recipe: Recipe, held_out: frozenset[str], folders: Sequence[Path]) -> tuple[PairSource, ValidationSet]:
    """Read the folders: (training source, validation set). Held-out pictures are never in the source.

    Raises UsageError for a wrong degradation, level or folder, before any picture is read, and for pairs of
    different size; RunirError for pictures without a partner or that cannot be read.
    """
    clean, paired = split_folders(recipe.data.kind, folders)
    degrade = build_degrade(recipe.data.degradation)
    for level in recipe.validation.levels:
        parse_degradation(level)
    source: PairSource | None = None
    groups = ValidationSet({})
    if clean:
        training, kept = split_held_out(find_pictures(clean), held_out)
        source = CleanSource(load_all(training), degrade)
        groups = clean_validation(load_all(kept), recipe.validation.levels, recipe.validation.crop)
    if paired:
        partner = {a: b for folder in paired for a, b in match_folders(folder / "input", folder / "target", EXTENSIONS)}
        training, kept = split_held_out(partner, held_out)
        given = PairedSource(_load_pairs(training, partner))
        checks = pair_validation(_load_pairs(kept, partner), recipe.validation.crop)
        source = given if source is None else MixedSource(source, given, recipe.data.pairs)
        groups = ValidationSet(groups.groups | checks.groups)
    if source is None:
        raise UsageError("no training folders; give --data DIR")
    return source, groups


def _load_pairs(inputs: Sequence[Path], partner: dict[Path, Path]) -> Pairs:
    targets = [partner[path] for path in inputs]
    pairs = list(zip(load_all(inputs), load_all(targets), strict=True))
    for path, target, (degraded, clean) in zip(inputs, targets, pairs, strict=True):
        if degraded.shape != clean.shape:
            raise UsageError(f"{path} and {target} differ in size; crop or remove one of them")
    return pairs


def split_folders(kind: str, folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(folders of clean pictures, folders of pairs). Raises UsageError for a missing folder or one without pictures."""
    paired = [f for f in folders if kind == "pairs" or (kind == "both" and (f / "input").is_dir())]
    clean = [f for f in folders if f not in paired]
    find_pictures([*clean, *(f / side for f in paired for side in ("input", "target"))])
    if kind == "both" and not (clean and paired):
        raise UsageError('data.kind = "both" needs folders of clean pictures and folders with input/ and target/')
    return clean, paired
