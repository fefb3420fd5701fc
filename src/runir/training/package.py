"""A finished run as a model: ONNX, safetensors and a card in one folder that `find_model` and Restorer can use."""

from __future__ import annotations

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
from runir.training.session import WEIGHTS
from runir.weights.card import ModelCard, read_card, write_card
from runir.weights.registry import CARD, EFFECTIVE_RECIPE, Model

VIEWS = {"derain": 2, "lowlight": 2}  # tasks whose tiles differ visibly unless they share statistics: ModelCard.views


@dataclass(frozen=True, slots=True)
class CardTexts:
    """What only a person can say on a card; see ModelCard."""

    description: str
    licence: str
    recipe: str
    training_data: str
    training: str


def package_run(run: Path, to: Path, *, tile: int, overlap: int, texts: CardTexts) -> Model:
    """Export the averaged weights of a run folder into to/NAME; see `package`."""
    return package(run, lambda recipe: to / recipe.name, tile=tile, overlap=overlap, texts=texts)


def package(
    run: Path, where: Callable[[Recipe], Path], *, tile: int, overlap: int, texts: CardTexts, **more: Any
) -> Model:
    """Export the averaged weights of a run folder into the folder `where` tells, which other files may share.

    more: further fields of the card. The card is put in place last, so that a folder with one is whole. Raises
    UsageError when the run folder holds no run or the tile does not fit.
    """
    tensors, state = load_tensors(run / WEIGHTS)
    try:
        config, recipe = RUNConfig.from_dict(state["network"]), build(Recipe, state["recipe"])
    except KeyError as error:
        raise RunirError(f"{run / WEIGHTS}: holds no description of its network; train again") from error
    if tile < config.multiple or tile % config.multiple:
        raise UsageError(f"tile = {tile}: a multiple of {config.multiple} is needed")
    if not 0 <= overlap <= tile // 2:
        raise UsageError(f"overlap = {overlap}: 0 to half a tile is needed")
    network = RUN(config)
    network.load_state_dict(tensors)
    folder = where(recipe)
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
            **asdict(texts),
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


def change_card(model: Model, **changes: object) -> ModelCard:
    """Put measured values on the card of a model, as it is on disk now. changes: fields of ModelCard."""
    card = replace(read_card(model.folder / CARD), **changes)  # type: ignore[arg-type]
    write_card(card, model.folder / CARD)
    return card


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
