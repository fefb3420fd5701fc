"""A recipe's folders: what is trained on, and what is held out for validation.

A folder is one of clean pictures, one of pairs (input/ and target/), or a patch store of either (`runir.data.store`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runir.data.blurs import blurs_of
from runir.data.degrade import Degrade, build_degrade
from runir.data.pictures import EXTENSIONS, find_pictures, load_all, split_held_out
from runir.data.samples import CleanSource, MixedSource, PairedSource, PairSource
from runir.data.store import Joined, Patch, Store, is_store, open_store
from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.evaluation.pairs import match_folders
from runir.models.config import RUNConfig
from runir.training.kernels import guided, kernels_of_pairs
from runir.training.network import network_config
from runir.training.recipe import Recipe
from runir.training.validation import ValidationSet, clean_validation, pair_validation

Pairs = Sequence[tuple[Patch, Patch]]


def load_data(
    recipe: Recipe, held_out: frozenset[str], folders: Sequence[Path], kernels: Path | None = None
) -> tuple[PairSource, ValidationSet]:
    """Read the folders: (training source, validation set). Held-out pictures are never in the source.

    kernels: where those that a network with guides needs are kept: a file (.npz), and one with "given-" before its name
    for pairs.

    Raises UsageError for a wrong degradation, level or folder, before any picture is read, and for pairs of
    different size; RunirError for pictures without a partner or that cannot be read.
    """
    clean, paired = split_folders(recipe.data.kind, folders)
    degrade: Degrade = build_degrade(recipe.data.degradation)
    for level in recipe.validation.levels:
        parse_degradation(level)
    config, crop = network_config(recipe), recipe.validation.crop
    if config.guides and clean:
        blurs_of(degrade)
    source: PairSource | None = None
    groups = ValidationSet({})
    if clean:
        pictures, kept = _clean_pictures(clean, held_out)
        if config.guides:
            degrade = guided(recipe, degrade, pictures, config.guides, kernels)
        source = CleanSource(pictures, degrade, shows=config.exposure)
        groups = clean_validation(kept, recipe.validation.levels, crop, config.guides)
    if paired:
        pairs, kept_pairs = _given_pairs(paired, held_out)
        given = _paired_source(pairs, config, kernels)
        checks = pair_validation(kept_pairs, crop, config.guides)
        source = given if source is None else MixedSource(source, given, recipe.data.pairs)
        groups = ValidationSet(groups.groups | checks.groups)
    if source is None:
        raise UsageError("no training folders; give --data DIR")
    return source, groups


def _paired_source(pairs: Pairs, config: RUNConfig, kernels: Path | None) -> PairedSource:
    if not config.guides:
        return PairedSource(pairs, shows=config.exposure)
    found = kernels_of_pairs(pairs, kernels and kernels.with_name(f"given-{kernels.name}"))
    return PairedSource(pairs, guides=config.guides, kernels=found)


def _clean_pictures(places: Sequence[Path], held_out: frozenset[str]) -> tuple[Sequence[Patch], Sequence[Patch]]:
    """(training, held out) of folders of pictures and of clean stores."""
    folders, stores = _apart(places)
    training, kept = split_held_out(find_pictures(folders), held_out) if folders else ([], [])
    splits = [store.clean(held_out) for store in stores]
    pictures = Joined([load_all(training), *(split.training for split in splits)])
    return pictures, Joined([load_all(kept), *(split.held_out for split in splits)])


def _given_pairs(places: Sequence[Path], held_out: frozenset[str]) -> tuple[Pairs, Pairs]:
    """(training, held out) of folders with input/ and target/ and of stores of pairs."""
    folders, stores = _apart(places)
    partner = {a: b for folder in folders for a, b in match_folders(folder / "input", folder / "target", EXTENSIONS)}
    training, kept = split_held_out(partner, held_out) if folders else ([], [])
    splits = [store.pairs(held_out) for store in stores]
    pairs = Joined([_load_pairs(training, partner), *(split.training for split in splits)])
    return pairs, Joined([_load_pairs(kept, partner), *(split.held_out for split in splits)])


def _apart(places: Sequence[Path]) -> tuple[list[Path], list[Store]]:
    return [p for p in places if not is_store(p)], [open_store(p) for p in places if is_store(p)]


def _load_pairs(inputs: Sequence[Path], partner: dict[Path, Path]) -> Pairs:
    targets = [partner[path] for path in inputs]
    pairs = list(zip(load_all(inputs), load_all(targets), strict=True))
    for path, target, (degraded, clean) in zip(inputs, targets, pairs, strict=True):
        if degraded.shape != clean.shape:
            raise UsageError(f"{path} and {target} differ in size; crop or remove one of them")
    return pairs


def split_folders(kind: str, folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(folders and stores of clean pictures, of pairs). Raises UsageError for a missing folder, one without pictures,
    or a store of the other kind, RunirError for a store that cannot be read."""
    paired_stores = {f: open_store(f).index.paired for f in folders if is_store(f)}
    for folder, is_paired in paired_stores.items():
        if kind != "both" and is_paired != (kind == "pairs"):
            what, needed = ("pairs", "pairs") if is_paired else ("clean pictures", "clean")
            raise UsageError(f'{folder}: is a store of {what}; the recipe needs data.kind = "{needed}"')

    def has_pairs(folder: Path) -> bool:
        return paired_stores.get(folder, kind == "pairs" or (kind == "both" and (folder / "input").is_dir()))

    paired = [f for f in folders if has_pairs(f)]
    clean = [f for f in folders if f not in paired]
    pictures = [*clean, *(f / side for f in paired if f not in paired_stores for side in ("input", "target"))]
    find_pictures([f for f in pictures if f not in paired_stores])
    if kind == "both" and not (clean and paired):
        raise UsageError('data.kind = "both" needs folders of clean pictures and folders with input/ and target/')
    return clean, paired
