"""A finished run as a model: ONNX, safetensors and a card in one folder that `find_model` and Restorer can use."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runir.config import build, dump_toml, to_plain
from runir.errors import RunirError, UsageError
from runir.images.place import copy_file, place
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.config import RUNConfig
from runir.models.export import export
from runir.models.run import RUN
from runir.training.checkpoint import load_tensors
from runir.training.recipe import Recipe
from runir.training.schedule import pixels_between
from runir.training.session import CHECKPOINT, WEIGHTS
from runir.weights import find_model
from runir.weights.card import UNSTATED, ModelCard, read_card, write_card
from runir.weights.registry import CARD, EFFECTIVE_RECIPE, Model

VIEWS = {"deblur": 2, "derain": 2, "lowlight": 2}  # tasks whose tiles would differ too much: see ModelCard.views
OVERLAP = {"lowlight": 64}  # pixels that neighbouring tiles share, for tasks that need more than usual
USUAL_OVERLAP = 32
KINDS = {"clean": "pictures", "pairs": "pairs", "both": "pictures and pairs"}  # of recipes, in words


@dataclass(frozen=True, slots=True)
class CardTexts:
    """What a person says on a card, see ModelCard; what is left unstated is put in as far as the recipe tells it."""

    description: str = UNSTATED
    licence: str = UNSTATED
    recipe: str = UNSTATED
    training_data: str = UNSTATED
    training: str = UNSTATED


def package_run(
    run: Path, to: Path, *, tile: int, overlap: int | None, texts: CardTexts, overwrite: bool = False
) -> Model:
    """Export the averaged weights of a run folder into to/NAME; see `package`. Raises UsageError for a model that is
    there already, unless `overwrite`."""

    def place_of(recipe: Recipe) -> Path:
        folder = to / recipe.name
        if to.exists() and not to.is_dir():
            raise UsageError(f"{to}: is a file, not a folder; choose another --to")
        if (folder / CARD).exists() and not overwrite:
            raise UsageError(f"{folder}: holds a model already; use --overwrite or choose another --to")
        return folder

    return package(run, place_of, tile=tile, overlap=overlap, texts=texts)


def package(
    run: Path, where: Callable[[Recipe], Path], *, tile: int, overlap: int | None, texts: CardTexts, **more: Any
) -> Model:
    """Export the averaged weights of a run folder into the folder `where` tells, which other files may share.

    overlap: None: that of the task. more: further fields of the card. The card is put in place last, so that a folder
    with one is whole. Raises UsageError when the run folder holds no run or the tile does not fit.
    """
    tensors, state = load_tensors(run / WEIGHTS)
    try:
        config, recipe = RUNConfig.from_dict(state["network"]), build(Recipe, state["recipe"])
    except KeyError as error:
        raise RunirError(f"{run / WEIGHTS}: holds no description of its network; train again") from error
    if tile < config.multiple or tile % config.multiple:
        raise UsageError(f"tile = {tile}: a multiple of {config.multiple} is needed")
    if overlap is None:
        overlap = min(OVERLAP.get(recipe.task, USUAL_OVERLAP), tile // 2)
    if not 0 <= overlap <= tile // 2:
        raise UsageError(f"overlap = {overlap}: 0 to half a tile is needed")
    network = RUN(config)
    network.load_state_dict(tensors)
    folder = where(recipe)
    step, total = _length(run, recipe, state)
    with tempfile.TemporaryDirectory(prefix="runir-") as aside:
        made = export(network, tile, Path(aside))
        sums = [_sha256(file) for file in made]
        card = ModelCard(
            name=recipe.name,
            task=recipe.task,
            date=datetime.now(UTC).date().isoformat(),
            parameters=parameters(network),
            macs_per_pixel=round(macs_per_pixel(network, tile)),
            tile=tile,
            overlap=overlap,
            views=VIEWS.get(recipe.task, 0),
            onnx_sha256=sums[0],
            safetensors_sha256=sums[1],
            exposure_sha256="".join(sums[2:]),
            network=to_plain(config),
            steps=step,
            gigapixels=_gigapixels(recipe, step, total),
            **asdict(_completed(texts, recipe, step, total)),
            **more,
        )
        for file in made:
            copy_file(file, folder / file.name, overwrite=True)
    place(dump_toml(to_plain(_without_paths(recipe))).encode(), folder / EFFECTIVE_RECIPE, overwrite=True)
    place(dump_toml(to_plain(card)).encode(), folder / CARD, overwrite=True)
    return Model(card, folder)


def _without_paths(recipe: Recipe) -> Recipe:
    """The recipe as it may be published: names instead of one machine's paths."""
    start = recipe.model.start and Path(recipe.model.start).name
    data = replace(recipe.data, folders=tuple(Path(f).name for f in recipe.data.folders))
    return replace(recipe, data=data, model=replace(recipe.model, start=start))


def _length(run: Path, recipe: Recipe, state: dict[str, Any]) -> tuple[int, int]:
    """(steps done for the weights, steps of the whole run; 0: not known)."""
    total = state.get("total") or recipe.schedule.steps
    if not total and (run / CHECKPOINT).is_file():  # weights did not always say it
        total = load_tensors(run / CHECKPOINT)[1].get("total")
    return int(state.get("step", 0)), int(total or 0)


def _gigapixels(recipe: Recipe, step: int, total: int) -> float:
    """Of target pictures, in the first steps of a run; three digits."""
    if not total:
        return 0.0
    whole, rest = (pixels_between(recipe.schedule.phases, first, total) for first in (0, step))
    return float(f"{(whole - rest) / 1e9:.3g}")


def _completed(texts: CardTexts, recipe: Recipe, step: int, total: int) -> CardTexts:
    licence, training_data = _told(recipe)
    known = {
        "licence": licence,
        "recipe": f"{EFFECTIVE_RECIPE} beside this card",
        "training_data": training_data,
        "training": f"weights of step {step:,}" + (f" of {total:,}" if total else ""),
    }
    return replace(texts, **{name: text for name, text in known.items() if getattr(texts, name) == UNSTATED})


def _told(recipe: Recipe, later: tuple[str, ...] = ()) -> tuple[str, str]:
    """(licence, training data) that follow from a recipe. What holds for its starting weights holds on; what the owners
    of its own pictures allow, it does not tell. later: starting weights of the runs after it."""
    folders = ", ".join(Path(folder).name for folder in recipe.data.folders)
    own = f"{KINDS[recipe.data.kind]} of {folders or 'folders without a name'}"
    own += ", less those held out" if recipe.data.held_out else ""
    start = recipe.model.start
    if start is None:
        return UNSTATED, own
    name, licence, data = Path(start).name, "not known, since they are not where they were", "not known"
    with contextlib.suppress(RunirError, KeyError):
        name, licence, data = _of_weights(start, later)
    licence = f"as of its starting weights, {name}: {licence}; and as the owners of the training pictures allow"
    return licence, f"{own}; before that, as {name}: {data}"


def _of_weights(start: str, later: tuple[str, ...]) -> tuple[str, str, str]:
    """(name, licence, training data) of starting weights: as their card says, or, for a run's, as its recipe tells."""
    file = Path(start)
    if file.suffix == ".safetensors" and not (file.parent / CARD).is_file():
        if start in later:
            raise RunirError(f"{start}: replaced since by weights that start from it")
        recipe = build(Recipe, load_tensors(file)[1]["recipe"])
        return recipe.name, *_told(recipe, (*later, start))
    card = read_card(file.parent / CARD) if file.suffix == ".safetensors" else find_model(start).card
    return card.name, card.licence, card.training_data


def change_card(model: Model, **changes: object) -> ModelCard:
    """Put measured values on the card of a model, as it is on disk now. changes: fields of ModelCard."""
    card = replace(read_card(model.folder / CARD), **changes)  # type: ignore[arg-type]
    write_card(card, model.folder / CARD)
    return card


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
