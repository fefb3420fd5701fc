"""One `runir train` call: recipe and folders in; a run folder with weights, log and checkpoint out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runir.config import dump_toml, to_plain
from runir.data.degrade import build_degrade
from runir.data.pictures import read_name_list
from runir.errors import UsageError
from runir.images.place import place
from runir.training.checkpoint import load_tensors
from runir.training.curve import train_curve
from runir.training.folders import load_data
from runir.training.loop import Trainer
from runir.training.network import build_network
from runir.training.recipe import Recipe, load_recipe
from runir.training.session import CHECKPOINT, SCORES, WEIGHTS, Session, check_run_folder
from runir.training.survey import held_out_of, shortfalls

RECIPE = "recipe.toml"
HELD_OUT = "held_out.txt"
KERNELS = "kernels.npz"


def _prepare(recipe: Recipe, names: frozenset[str], folders: Sequence[Path], out: Path) -> Recipe:
    """Make the run folder with the effective recipe, which is returned, and its own copy of the held-out list. Scores
    and weights go that a run left behind which ended before its first checkpoint: they are not this recipe's."""
    data = replace(recipe.data, folders=tuple(str(folder.resolve()) for folder in folders), held_out_count=0)
    if recipe.data.held_out is not None or names:
        data = replace(data, held_out=HELD_OUT)
        place("".join(f"{name}\n" for name in sorted(names)).encode(), out / HELD_OUT, overwrite=True)
    recipe = _spelled_out(replace(recipe, data=data))
    place(dump_toml(to_plain(recipe)).encode(), out / RECIPE, overwrite=True)
    for name in (SCORES, WEIGHTS):
        (out / name).unlink(missing_ok=True)
    return recipe


def _spelled_out(recipe: Recipe) -> Recipe:
    """The recipe with every parameter of its degradation: it means the same when the defaults have changed."""
    if recipe.data.kind == "pairs":
        return recipe
    return replace(recipe, data=replace(recipe.data, degradation=build_degrade(recipe.data.degradation).table()))


def run_training(
    recipe_path: Path, folders: Sequence[Path], out: Path, assignments: Sequence[str] = (), resume: bool = False
) -> Path:
    """Train and return the path of the final weights (safetensors).

    folders: of training pictures; empty means those that the recipe names. A resumed run uses the recipe, folders and
    held-out list that the run folder holds, and the recipe given here must say the same. Raises UsageError for a wrong
    recipe, folder or run folder; KeyboardInterrupt after saving a checkpoint.
    """
    if resume:
        saved = saved_recipe(out)
        differs = _first_difference(_comparable(load_recipe(recipe_path, assignments)), _comparable(saved))
        if differs is not None:
            remedy = f"repeat its --set, give {out / RECIPE} as the recipe, or choose another --out"
            raise UsageError(f"{recipe_path}: {differs} is not what the run in {out} has; {remedy}")
        return resume_training(out, folders)
    recipe = load_recipe(recipe_path, assignments)
    return train_recipe(recipe, held_out_names(recipe, recipe_path), folders_of(recipe, folders, recipe_path), out)


def folders_of(recipe: Recipe, folders: Sequence[Path], recipe_path: Path) -> list[Path]:
    """The folders given, else those that the recipe names. Raises UsageError when there are none."""
    found = list(folders) or [Path(folder) for folder in recipe.data.folders]
    if not found:
        raise UsageError(f"{recipe_path}: names no data.folders; give --data DIR")
    return found


def held_out_names(recipe: Recipe, recipe_path: Path) -> frozenset[str]:
    """The names on the recipe's list, which lies relative to the recipe. Raises UsageError when it is missing."""
    if recipe.data.held_out is None:
        return frozenset()
    return read_name_list(recipe_path.parent / recipe.data.held_out)


def train_recipe(recipe: Recipe, held_out: frozenset[str], folders: Sequence[Path], out: Path) -> Path:
    """Train a fresh run on these folders; see run_training."""
    check_run_folder(out)
    held_out = held_out_of(recipe, folders, held_out)
    network = build_network(recipe)  # first, since it is quick to tell what is wrong
    source, data = load_data(recipe, held_out, folders, out / KERNELS)
    if network.config.exposure and recipe.curve.steps:
        train_curve(network.exposure, source, recipe.curve, recipe.seed)
    trainer = Trainer(recipe, network, source)
    if trainer.accelerator.is_main_process:
        for line in shortfalls(recipe, folders, held_out):
            print(f"note: {line.text}", file=sys.stderr)
        trainer.recipe = _prepare(recipe, held_out, folders, out)
    session = Session(trainer, data, out)
    return _train(session)


def saved_recipe(out: Path) -> Recipe:
    """The recipe of the run in a run folder. Raises UsageError when there is no checkpoint to go on from."""
    if not (out / CHECKPOINT).is_file():
        raise UsageError(f"{out}: holds no checkpoint yet; leave --resume out to start again, or correct --out")
    return load_recipe(out / RECIPE)


def _comparable(recipe: Recipe) -> Any:
    """As plain data, without what a run folder has as its own: folders are checked apart, held-out names are copied."""
    data = replace(recipe.data, folders=(), held_out=None, held_out_count=0)
    return to_plain(_spelled_out(replace(recipe, data=data)))


def _first_difference(ours: Any, theirs: Any, key: str = "") -> str | None:
    """The first key, such as "schedule.steps", where two recipes as plain data differ."""
    if ours == theirs:
        return None
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = (_first_difference(ours.get(k), theirs.get(k), f"{key}.{k}") for k in ours | theirs)
        return next(filter(None, found))
    return key.removeprefix(".")


def resume_training(out: Path, folders: Sequence[Path] = ()) -> Path:
    """Go on with the run in a run folder, on as many processes as there are now; see run_training."""
    recipe_path, recipe = out / RECIPE, saved_recipe(out)
    if folders and tuple(str(f.resolve()) for f in folders) != recipe.data.folders:
        raise UsageError(f"--resume goes on with the folders in {recipe_path}: leave --data out, or change them there")
    held_out = held_out_names(recipe, recipe_path)
    source, data = load_data(recipe, held_out, folders_of(recipe, folders, recipe_path), out / KERNELS)
    session = Session(Trainer(recipe, build_network(recipe), source), data, out)
    session.resume(*load_tensors(out / CHECKPOINT))
    return _train(session)


def _train(session: Session) -> Path:
    trainer = session.trainer
    if session.main:
        counts = {len(group) for group in session.data.groups.values()} or {0}
        print(f"{trainer.recipe.name}: validation on {max(counts)} held-out pictures, precision "
              f"{trainer.accelerator.mixed_precision}", flush=True)  # fmt: skip
    try:
        session.begin()
        trainer.run(session.report, session.at_step)
    except KeyboardInterrupt:
        if session.main and trainer.total and trainer.between_steps:
            session.save()
            print(f"interrupted at step {trainer.step}: saved; go on with --resume", flush=True)
        elif session.main and (session.out / CHECKPOINT).exists():
            print("stopped at once; the last checkpoint stands: go on with --resume", flush=True)
        elif session.main:
            print("stopped before the first checkpoint: start again, without --resume", flush=True)
        raise
    finally:
        session.close()
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()  # else threads of the process group may outlive what they use, and abort
    return session.out / WEIGHTS
