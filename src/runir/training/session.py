"""One `runir train` call: recipe and folders in; a run folder with weights, log and checkpoint out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from runir.config import dump_toml, to_plain
from runir.data.degrade import build_degrade
from runir.data.pictures import find_pictures, load_all, read_name_list, split_held_out
from runir.data.samples import CleanSource, MixedSource, PairedSource, PairSource
from runir.errors import UsageError
from runir.images.place import place
from runir.models.config import RUNConfig
from runir.models.presets import preset
from runir.models.run import RUN
from runir.training.checkpoint import load_tensors, save_tensors
from runir.training.loop import Progress, Trainer
from runir.training.norms import fold_norms
from runir.training.recipe import Recipe, load_recipe
from runir.training.validation import (
    ValidationSet,
    averaged_network,
    clean_validation,
    pair_validation,
    validate,
    working_channels,
)

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
RECIPE = "recipe.toml"
HELD_OUT = "held_out.txt"


def network_config(recipe: Recipe) -> RUNConfig:
    """The network that the recipe names or describes."""
    if recipe.model.preset is not None:
        return replace(preset(recipe.model.preset), context=recipe.model.context)
    return RUNConfig.from_dict(recipe.model.network or {})


def build_network(recipe: Recipe) -> RUN:
    """A fresh network from the recipe's seed, or one with the starting weights that the recipe names."""
    torch.manual_seed(recipe.seed)
    model = RUN(network_config(recipe))
    if recipe.model.start is not None:
        tensors, _ = load_tensors(_start_file(recipe.model.start))
        # Starting weights may lack the context, which starts as nearly nothing.
        fresh = {name: t for name, t in model.state_dict().items() if name.startswith("context.")}
        try:
            model.load_state_dict(fresh | {name: t.float() for name, t in tensors.items()})
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"model.start = {recipe.model.start!r} does not fit the network: {reason}") from error
    return model


def _start_file(start: str) -> Path:
    if start.endswith(".safetensors"):
        return Path(start)
    from runir.weights import find_model

    return find_model(start).safetensors


def load_data(recipe: Recipe, held_out: frozenset[str], folders: Sequence[Path]) -> tuple[PairSource, ValidationSet]:
    """Read the folders: (training source, validation set). Held-out pictures are never in the source."""
    clean, paired = split_folders(recipe.data.kind, folders)
    source: PairSource | None = None
    groups = ValidationSet({})
    if clean:
        training, kept = split_held_out(find_pictures(clean), held_out)
        source = CleanSource(load_all(training), build_degrade(recipe.data.degradation))
        groups = clean_validation(load_all(kept), recipe.validation.levels, recipe.validation.crop)
    if paired:
        inputs, targets = _paired(paired)
        training, kept = split_held_out(inputs, held_out)
        partner = dict(zip(inputs, targets, strict=True))

        def pairs(paths: list[Path]) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
            return list(zip(load_all(paths), load_all([partner[p] for p in paths]), strict=True))

        given = PairedSource(pairs(training))
        source = given if source is None else MixedSource(source, given, recipe.data.pairs)
        groups = ValidationSet(groups.groups | pair_validation(pairs(kept), recipe.validation.crop).groups)
    if source is None:
        raise UsageError("no training folders; give --data DIR")
    return source, groups


def split_folders(kind: str, folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(folders of clean pictures, folders of pairs). Raises UsageError for a missing folder or one without pictures."""
    paired = [f for f in folders if kind == "pairs" or (kind == "both" and (f / "input").is_dir())]
    clean = [f for f in folders if f not in paired]
    find_pictures([*clean, *(f / side for f in paired for side in ("input", "target"))])
    if kind == "both" and not (clean and paired):
        raise UsageError('data.kind = "both" needs folders of clean pictures and folders with input/ and target/')
    return clean, paired


def _paired(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    inputs: list[Path] = []
    targets: list[Path] = []
    for folder in folders:
        here = find_pictures([folder / "input"])
        by_stem = {p.stem: p for p in find_pictures([folder / "target"])}
        for path in here:
            if path.stem not in by_stem:
                raise UsageError(f"{path}: no picture of this name in {folder / 'target'}")
            targets.append(by_stem[path.stem])
        inputs += here
    return inputs, targets


class Session:
    """Holds what a run writes: log lines, TensorBoard, validation.csv, checkpoint, weights."""

    def __init__(self, trainer: Trainer, data: ValidationSet, out: Path) -> None:
        """Out: the run folder, made if missing."""
        self.trainer, self.data, self.out = trainer, data, out
        self.main = trainer.accelerator.is_main_process
        self.board = SummaryWriter(str(out / "tensorboard")) if self.main else None

    def close(self) -> None:
        """Flush what TensorBoard still holds."""
        if self.board is not None:
            self.board.close()

    def at_step(self, step: int) -> dict[str, float] | None:
        """Save and validate when due. Returns validation PSNRs if it validated."""
        recipe, last = self.trainer.recipe, step == self.trainer.total
        if self.main and (last or step % recipe.checkpoint_every == 0):
            self.save()
        due = last or (recipe.validation.every and step % recipe.validation.every == 0)
        if not (self.main and due and self.data.groups):
            return None
        trainer = self.trainer
        device = trainer.accelerator.device
        network = averaged_network(trainer.model.config, trainer.average, device)
        scores = validate(network, self.data, device)
        self._append_scores(step, scores)
        pictures = [degraded for pairs in self.data.groups.values() for degraded, _ in pairs[:2]]
        shares = working_channels(network, pictures, device)
        block, share = min(shares.items(), key=lambda item: item[1])
        print(f"step {step}: channels at work in the least active feed-forward: {share:.0%} ({block})", flush=True)
        return scores

    def _append_scores(self, step: int, scores: dict[str, float]) -> None:
        path = self.out / "validation.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *scores])
            writer.writerow([step, *(f"{value:.4f}" for value in scores.values())])

    def save(self) -> None:
        """The averaged weights so far, then the checkpoint, each atomically: whoever finds the one has the other."""
        trainer = self.trainer
        description = {
            "network": to_plain(trainer.model.config),
            "recipe": to_plain(trainer.recipe),
            "step": trainer.step,
        }
        save_tensors(fold_norms(trainer.average.tensors), description, self.out / WEIGHTS)
        save_tensors(trainer.tensors(), trainer.state(), self.out / CHECKPOINT)

    def report(self, p: Progress) -> None:
        """One line for people, and the same numbers for TensorBoard."""
        if not self.main or self.board is None:
            return
        minutes, seconds = divmod(round(p.eta_s), 60)
        line = (
            f"step {p.step}/{p.total}  loss {p.loss:.5f}  grad {p.gradient_norm:.3f}  rate x{p.rate:.3f}  "
            f"{p.mpx_per_s:.3f} Mpx/s  ETA {minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        )
        if p.psnr:
            line += "  | " + "  ".join(f"{name} {value:.3f} dB" for name, value in p.psnr.items())
        print(line, flush=True)
        values = {"loss": p.loss, "gradient_norm": p.gradient_norm, "rate": p.rate, "mpx_per_s": p.mpx_per_s}
        for name, value in (values | {f"psnr/{k}": v for k, v in (p.psnr or {}).items()}).items():
            self.board.add_scalar(name, value, p.step)


def _prepare(recipe: Recipe, source: Path, folders: Sequence[Path], out: Path) -> tuple[Recipe, frozenset[str]]:
    """Make the run folder with the effective recipe and its own copy of the held-out list."""
    names: frozenset[str] = frozenset()
    data = replace(recipe.data, folders=tuple(str(folder.resolve()) for folder in folders))
    if recipe.data.held_out is not None:
        names = read_name_list(source.parent / recipe.data.held_out)
        data = replace(data, held_out=HELD_OUT)
    recipe = replace(recipe, data=data)
    place(dump_toml(to_plain(recipe)).encode(), out / RECIPE, overwrite=True)
    if recipe.data.held_out is not None:
        place("".join(f"{name}\n" for name in sorted(names)).encode(), out / HELD_OUT, overwrite=True)
    return recipe, names


def run_training(
    recipe_path: Path, folders: Sequence[Path], out: Path, assignments: Sequence[str] = (), resume: bool = False
) -> Path:
    """Train and return the path of the final weights (safetensors).

    folders: of training pictures; empty means those that the recipe names. A resumed run uses the recipe, folders and
    held-out list that the run folder holds. Raises UsageError for a wrong recipe, folder or run folder;
    KeyboardInterrupt after saving a checkpoint.
    """
    if resume:
        if assignments:
            raise UsageError("--resume goes on with the saved recipe: leave --set out")
        recipe_path = out / RECIPE
    elif (out / CHECKPOINT).exists():
        raise UsageError(f"{out}: holds a run already; add --resume to go on with it, or choose another --out")
    recipe = load_recipe(recipe_path, assignments)
    folders = folders or [Path(folder) for folder in recipe.data.folders]
    if not folders:
        raise UsageError(f"{recipe_path}: names no data.folders; give --data DIR")
    split_folders(recipe.data.kind, folders)  # refused before anything is made
    held_out = frozenset[str]()
    if recipe.data.held_out is not None:
        held_out = read_name_list(recipe_path.parent / recipe.data.held_out)
    source, data = load_data(recipe, held_out, folders)
    trainer = Trainer(recipe, build_network(recipe), source)
    if resume:
        trainer.load(*load_tensors(out / CHECKPOINT))
    elif trainer.accelerator.is_main_process:
        trainer.recipe, _ = _prepare(recipe, recipe_path, folders, out)
    session = Session(trainer, data, out)
    if session.main:
        counts = {len(group) for group in data.groups.values()} or {0}
        print(f"{recipe.name}: validation on {max(counts)} held-out pictures, precision "
              f"{trainer.accelerator.mixed_precision}", flush=True)  # fmt: skip
    try:
        trainer.run(session.report, session.at_step)
    except KeyboardInterrupt:
        if session.main and trainer.total:
            session.save()
            print(f"interrupted at step {trainer.step}: saved; go on with --resume", flush=True)
        raise
    finally:
        session.close()
    return out / WEIGHTS
