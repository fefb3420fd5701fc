"""One `runir train` call: recipe and folders in; a run folder with weights, log and checkpoint out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from runir.config import build, dump_toml, to_plain
from runir.data.pictures import find_pictures, load_all, read_name_list, split_held_out
from runir.data.samples import CleanSource, Degrade, GaussianNoise, PairedSource, PairSource
from runir.errors import UsageError, nearest
from runir.models.config import RUNConfig
from runir.models.presets import preset
from runir.models.run import RUN
from runir.training.checkpoint import load_tensors, save_tensors
from runir.training.loop import Progress, Trainer
from runir.training.recipe import Recipe, load_recipe
from runir.training.validation import ValidationSet, clean_validation, pair_validation, validate

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
RECIPE = "recipe.toml"
DEGRADATIONS: dict[str, type[Degrade]] = {"awgn": GaussianNoise}


def network_config(recipe: Recipe) -> RUNConfig:
    """The network that the recipe names or describes."""
    if recipe.model.preset is not None:
        return preset(recipe.model.preset)
    return RUNConfig.from_dict(recipe.model.network or {})


def build_network(recipe: Recipe) -> RUN:
    """A fresh network from the recipe's seed, or one with the starting weights that the recipe names."""
    torch.manual_seed(recipe.seed)
    model = RUN(network_config(recipe))
    if recipe.model.start is not None:
        tensors, _ = load_tensors(_start_file(recipe.model.start))
        try:
            model.load_state_dict({name: t.float() for name, t in tensors.items()})
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"model.start = {recipe.model.start!r} does not fit the network: {reason}") from error
    return model


def _start_file(start: str) -> Path:
    if start.endswith(".safetensors"):
        return Path(start)
    from runir.weights import find_model

    return find_model(start).safetensors


def _degradation(table: dict[str, Any]) -> Degrade:
    name = table.get("name", "awgn")
    if name not in DEGRADATIONS:
        raise UsageError(f"data.degradation.name = {name!r}; {nearest(str(name), list(DEGRADATIONS))}")
    parameters = {key: value for key, value in table.items() if key != "name"}
    return build(DEGRADATIONS[name], parameters, "data.degradation.")


def load_data(recipe: Recipe, recipe_path: Path, folders: Sequence[Path]) -> tuple[PairSource, ValidationSet]:
    """Read the folders: (training source, validation set). Held-out pictures are never in the source."""
    held_out: frozenset[str] = frozenset()
    if recipe.data.held_out is not None:
        held_out = read_name_list(recipe_path.parent / recipe.data.held_out)
    check = recipe.validation
    if recipe.data.kind == "clean":
        training, kept = split_held_out(find_pictures(folders), held_out)
        source: PairSource = CleanSource(load_all(training), _degradation(recipe.data.degradation))
        return source, clean_validation(load_all(kept), check.levels, check.crop)
    inputs, targets = _paired(folders)
    training, kept = split_held_out(inputs, held_out)
    partner = dict(zip(inputs, targets, strict=True))

    def pairs(paths: list[Path]) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        return list(zip(load_all(paths), load_all([partner[p] for p in paths]), strict=True))

    return PairedSource(pairs(training)), pair_validation(pairs(kept), check.crop)


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

    def at_step(self, step: int) -> dict[str, float] | None:
        """Save and validate when due. Returns validation PSNRs if it validated."""
        recipe, last = self.trainer.recipe, step == self.trainer.total
        if self.main and (last or step % recipe.checkpoint_every == 0):
            self.save()
        due = last or (recipe.validation.every and step % recipe.validation.every == 0)
        if not (self.main and due and self.data.groups):
            return None
        trainer = self.trainer
        scores = validate(trainer.model, trainer.average, self.data, trainer.accelerator.device)
        self._append_scores(step, scores)
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
        """Checkpoint and the averaged weights so far, each atomically."""
        trainer = self.trainer
        save_tensors(trainer.tensors(), trainer.state(), self.out / CHECKPOINT)
        network = network_config(trainer.recipe).to_dict()
        description = {"network": to_plain(network), "recipe": to_plain(trainer.recipe), "step": trainer.step}
        save_tensors(trainer.average.tensors, json.loads(json.dumps(description)), self.out / WEIGHTS)

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


def run_training(
    recipe_path: Path,
    folders: Sequence[Path],
    out: Path,
    assignments: Sequence[str] = (),
    resume: bool = False,
) -> Path:
    """Train and return the path of the final weights (safetensors).

    Raises UsageError for a wrong recipe, folder or run folder; KeyboardInterrupt after saving a checkpoint.
    """
    if resume:
        if assignments:
            raise UsageError("--resume goes on with the saved recipe: leave --set out")
        recipe = load_recipe(out / RECIPE)
    else:
        recipe = load_recipe(recipe_path, assignments)
        if (out / CHECKPOINT).exists():
            raise UsageError(f"{out}: holds a run already; add --resume to go on with it, or choose another --out")
    source, data = load_data(recipe, recipe_path, folders)
    model: nn.Module = build_network(recipe)
    trainer = Trainer(recipe, model, source)
    if resume:
        trainer.load(*load_tensors(out / CHECKPOINT))
    elif trainer.accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        (out / RECIPE).write_text(dump_toml(to_plain(recipe)), "utf-8")
    session = Session(trainer, data, out)
    try:
        trainer.run(session.report, session.at_step)
    except KeyboardInterrupt:
        if session.main:
            session.save()
            print(f"interrupted at step {trainer.step}: saved; go on with --resume", flush=True)
        raise
    return out / WEIGHTS
