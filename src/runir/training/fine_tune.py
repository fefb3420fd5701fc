"""Fine-tuning: a trained model goes on with somebody's own pictures, and what comes out is a model again.

The output folder is the model (ONNX, safetensors, card, the recipe as it was run); its sub-folder `run` is the training
run. The weights kept are the best on pictures held out for it, the starting weights among them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import PartialState

from runir.config import build, override, to_plain
from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors
from runir.training.package import KINDS, CardTexts, package
from runir.training.recipe import (
    CurveSection,
    DataSection,
    LossSection,
    ModelSection,
    OptimSection,
    Phase,
    Recipe,
    ScheduleSection,
    ValidationSection,
    load_recipe,
)
from runir.training.run import RECIPE, resume_training, saved_recipe, train_recipe
from runir.training.session import CHECKPOINT, SCORES, WEIGHTS
from runir.training.survey import holds_pairs, names_in
from runir.weights import Model, find_model
from runir.weights.registry import CARD, EFFECTIVE_RECIPE

RUN = "run"
HOURS = 0.5
KERNELS = (
    300  # blurs that are drawn for a model with guides: minutes, where its own training takes a quarter of an hour
)
HELD_OUT_MOST = 12
PHASES = (Phase(0.6, 8, 128), Phase(0.4, 2, 256))
OPTIM = OptimSection("muon", rate=2e-4, matrix_rate=4e-3, matrix_decay=0.2, norms=False)
VALIDATION = ValidationSection(times=15, crop=320, keep="best", patience=6)
DEGRADATIONS = {"denoise": "awgn", "photo": "camera", "derain": "rain", "deblur": "blur", "lowlight": "lowlight"}


@dataclass(frozen=True, slots=True)
class FineTuned:
    """The model; at which of how many steps its weights were best; PSNR (dB) on held-out pictures, before and after."""

    model: Model
    step: int
    steps: int
    before: float
    after: float


def fine_tuning_recipe(
    start: str, folders: Sequence[Path], out: Path, hours: float = HOURS, assignments: Sequence[str] = ()
) -> Recipe:
    """The default recipe: a warm restart at about a quarter of the usual rate, and an early end.

    start: a model's name or folder. folders: pairs (with input/ and target/), clean pictures (degraded as in the
    model's own training), or patch stores. Raises UsageError for an unknown model, for clean pictures where nothing
    tells how to degrade them, and for assignments as `load_recipe` does.
    """
    base = find_model(start)
    pairs = [holds_pairs(folder) for folder in folders]
    own = _own_recipe(base)
    recipe = Recipe(
        name=out.resolve().name,
        task=base.card.task,
        model=ModelSection(network=base.card.network, start=_lasting(start)),
        schedule=ScheduleSection(PHASES, hours=hours, warmup=50),
        data=DataSection("clean" if not any(pairs) else "pairs" if all(pairs) else "both",
                         held_out_count=HELD_OUT_MOST, degradation=_degradation(base, own), kernels=KERNELS),
        optim=OPTIM,
        loss=own.loss if own else LossSection(),
        curve=CurveSection(steps=0),
        validation=replace(VALIDATION, levels=_levels(base, own)),
        checkpoint_every=200,
    )  # fmt: skip
    recipe = _changed(recipe, assignments)
    if recipe.data.kind != "pairs" and not recipe.data.degradation:
        what = f"{start}: nothing tells how pictures are degraded for task {base.card.task!r}"
        raise UsageError(f"{what}; give pairs (DIR/input, DIR/target), or --set data.degradation.name=NAME")
    return recipe


def _changed(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    plain = to_plain(recipe)
    changed = build(Recipe, override(plain, assignments))
    if changed.data.degradation.get("name") == recipe.data.degradation.get("name"):
        return changed
    plain["data"]["degradation"] = {}  # the model's own parameters are not those of another degradation
    return build(Recipe, override(plain, assignments))


def _lasting(start: str) -> str:
    """A model's folder as a path that holds from everywhere; a name as it is."""
    folder = Path(start)
    return str(folder.resolve()) if (folder / CARD).is_file() else start


def _own_recipe(base: Model) -> Recipe | None:
    """The recipe that the model was made with, if it lies beside its card."""
    file = base.folder / EFFECTIVE_RECIPE
    return load_recipe(file) if file.is_file() else None


def _degradation(base: Model, own: Recipe | None) -> dict[str, Any]:
    if own is not None and own.data.kind != "pairs" and own.data.degradation:
        return own.data.degradation
    usual = DEGRADATIONS.get(base.card.task)
    return {} if usual is None else {"name": usual}


def _levels(base: Model, own: Recipe | None) -> tuple[str, ...]:
    if own is not None and own.validation.levels:
        return own.validation.levels
    usual = DEGRADATIONS.get(base.card.task)
    return () if usual is None else ("awgn:25" if usual == "awgn" else usual,)


def fine_tune(
    start: str,
    folders: Sequence[Path],
    out: Path,
    *,
    hours: float = HOURS,
    assignments: Sequence[str] = (),
    licence: str | None = None,
    resume: bool = False,
) -> FineTuned | None:
    """Train on with own pictures and make a model of it in `out`; None on all but the first of several processes.

    licence: of the result, for its card; None: what follows from the starting weights. resume: go on with the run in
    `out`. Raises what `fine_tuning_recipe` and `runir.training.run.run_training` raise, and UsageError for too few
    pictures and for an `out` that holds another model.
    """
    run = out / RUN
    if resume:
        if assignments:
            raise UsageError("--resume goes on with the saved recipe: leave --set out")
        begun = saved_recipe(run).model.start
        if begun != _lasting(start):
            raise UsageError(f"{out}: its run started from {begun}; give --from that, or choose another --out")
        resume_training(run, folders)
    else:
        if (out / CARD).exists() and not (run / RECIPE).exists():
            raise UsageError(f"{out}: holds another model; choose another --out")
        recipe = fine_tuning_recipe(start, folders, out, hours, assignments)
        train_recipe(recipe, frozenset(), folders, run)
    return _packaged(find_model(start), out, licence) if PartialState().is_main_process else None


def _packaged(base: Model, out: Path, licence: str | None) -> FineTuned:
    recipe = load_recipe(out / RUN / RECIPE)
    step, steps = (int(load_tensors(out / RUN / file)[1]["step"]) for file in (WEIGHTS, CHECKPOINT))
    before, after = _mean_at(out / RUN, 0), _mean_at(out / RUN, step)
    names = [name for folder in map(Path, recipe.data.folders) for name in names_in(folder, holds_pairs(folder))]
    what = KINDS[recipe.data.kind]
    own = f"{len(names)} {what} of {', '.join(Path(folder).name for folder in recipe.data.folders)}, a part held out"
    texts = CardTexts(
        description=f"{base.card.name}, fine-tuned on {len(names)} own {what}",
        licence=licence
        or f"as of its starting weights, {base.card.licence}; and as the owner of the fine-tuning pictures allows",
        recipe=f"{EFFECTIVE_RECIPE} beside this card",
        training_data=f"{own}; before that, as {base.card.name}: {base.card.training_data}",
        training=f"weights of step {step} of {steps}; PSNR of the held-out pictures {before:.2f} dB with the "
        f"starting weights, {after:.2f} dB with these",
    )
    card = base.card
    model = package(out / RUN, lambda _: out, tile=card.tile, overlap=card.overlap, texts=texts,
                    residual_limit=card.residual_limit)  # fmt: skip
    return FineTuned(model, step, steps, before, after)


def _mean_at(run: Path, step: int) -> float:
    """Mean PSNR of the groups at a validation."""
    with (run / SCORES).open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row.pop("step")) == step:
                return sum(map(float, row.values())) / len(row)
    raise RunirError(f"{run / SCORES}: has no row of step {step}; fine-tune again")
