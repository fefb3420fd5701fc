"""One `runir train` call: recipe and folders in; a run folder with weights, log and checkpoint out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from runir.config import dump_toml, to_plain
from runir.data.pictures import read_name_list
from runir.errors import UsageError
from runir.images.place import place
from runir.models.config import RUNConfig
from runir.models.presets import preset
from runir.models.run import RUN
from runir.training.checkpoint import last_line, load_tensors, save_tensors
from runir.training.folders import load_data
from runir.training.loop import Progress, Trainer
from runir.training.norms import fold_norms
from runir.training.recipe import Recipe, load_recipe
from runir.training.validation import (
    ValidationSet,
    averaged_network,
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
        return replace(preset(recipe.model.preset), exposure=recipe.model.exposure)
    return RUNConfig.from_dict(recipe.model.network or {})


def build_network(recipe: Recipe) -> RUN:
    """A fresh network from the recipe's seed, or one with the starting weights that the recipe names."""
    torch.manual_seed(recipe.seed)
    model = RUN(network_config(recipe))
    if recipe.model.start is not None:
        tensors, _ = load_tensors(_start_file(recipe.model.start))
        # Starting weights may lack what only some tasks have.
        fresh = {n: t for n, t in model.state_dict().items() if n.startswith("exposure.")}
        try:
            model.load_state_dict(fresh | {name: t.float() for name, t in tensors.items()})
        except RuntimeError as error:
            what = f"model.start = {recipe.model.start!r} does not fit the network ({last_line(error)})"
            raise UsageError(f"{what}; start from weights of the same preset") from error
    return model


def _start_file(start: str) -> Path:
    if start.endswith(".safetensors"):
        return Path(start)
    from runir.weights import find_model

    return find_model(start).safetensors


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
        due = last or (recipe.validation.every and step % recipe.validation.every == 0)
        # Validated first: a run that is killed in between goes on before this step and validates again.
        scores = self._validate(step) if self.main and due and self.data.groups else None
        if self.main and (last or step % recipe.checkpoint_every == 0):
            self.save()
        return scores

    def _validate(self, step: int) -> dict[str, float]:
        trainer = self.trainer
        device = trainer.accelerator.device
        network = averaged_network(trainer.model.config, trainer.average, device)
        scores = validate(network, self.data, device)
        self._append_scores(step, scores)
        pictures = [degraded for pairs in self.data.groups.values() for degraded, _ in pairs[:2]]
        shares = working_channels(network, pictures, device)
        if shares:
            block, share = min(shares.items(), key=lambda item: item[1])
            print(f"step {step}: channels at work in the least active feed-forward: {share:.0%} ({block})", flush=True)
        return scores

    def forget_after(self, step: int) -> None:
        """Drop validation rows of steps that a resumed run will do again."""
        path = self.out / "validation.csv"
        if self.main and path.exists():
            head, *rows = path.read_text().splitlines(keepends=True)
            kept = [row for row in rows if int(row.partition(",")[0]) <= step]
            place("".join([head, *kept]).encode(), path, overwrite=True)

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
    recipe_path = _recipe_file(recipe_path, out, assignments, resume)
    recipe = load_recipe(recipe_path, assignments)
    if resume and folders and tuple(str(f.resolve()) for f in folders) != recipe.data.folders:
        raise UsageError(f"--resume goes on with the folders in {recipe_path}: leave --data out, or change them there")
    folders = folders or [Path(folder) for folder in recipe.data.folders]
    if not folders:
        raise UsageError(f"{recipe_path}: names no data.folders; give --data DIR")
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
    session.forget_after(trainer.step)
    if session.main:
        counts = {len(group) for group in data.groups.values()} or {0}
        print(f"{recipe.name}: validation on {max(counts)} held-out pictures, precision "
              f"{trainer.accelerator.mixed_precision}", flush=True)  # fmt: skip
    try:
        trainer.run(session.report, session.at_step)
    except KeyboardInterrupt:
        if session.main and trainer.total and trainer.between_steps:
            session.save()
            print(f"interrupted at step {trainer.step}: saved; go on with --resume", flush=True)
        elif session.main:
            print("stopped at once; the last checkpoint stands, if there is one: go on with --resume", flush=True)
        raise
    finally:
        session.close()
    return out / WEIGHTS


def _recipe_file(recipe_path: Path, out: Path, assignments: Sequence[str], resume: bool) -> Path:
    """The recipe to read: the one given, or that of the run to go on with."""
    if resume:
        if assignments:
            raise UsageError("--resume goes on with the saved recipe: leave --set out")
        return out / RECIPE
    if (out / CHECKPOINT).exists():
        raise UsageError(f"{out}: holds a run already; add --resume to go on with it, or choose another --out")
    return recipe_path
