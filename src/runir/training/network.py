"""The network that a recipe trains, fresh or from starting weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from runir.errors import UsageError
from runir.models.config import RUNConfig
from runir.models.presets import preset
from runir.models.run import RUN
from runir.training.checkpoint import last_line, load_tensors
from runir.training.recipe import Recipe
from runir.weights import find_model


def network_config(recipe: Recipe) -> RUNConfig:
    """The network that the recipe names or describes."""
    if recipe.model.preset is not None:
        return replace(preset(recipe.model.preset), exposure=recipe.model.exposure, guides=recipe.model.guides)
    return RUNConfig.from_dict(recipe.model.network or {})


def build_network(recipe: Recipe) -> RUN:
    """A fresh network from the recipe's seed, or one with the starting weights that the recipe names."""
    torch.manual_seed(recipe.seed)
    model = RUN(network_config(recipe))
    if recipe.model.start is not None:
        tensors, _ = load_tensors(_start_file(recipe.model.start))
        # Starting weights may lack what only some tasks have.
        fresh = {n: t for n, t in model.state_dict().items() if n.startswith("exposure.")}
        start = fresh | {name: t.float() for name, t in tensors.items()}
        if "stem.weight" in start:
            start["stem.weight"] = _with_guides(start["stem.weight"], model.stem.weight)
        try:
            model.load_state_dict(start)
        except RuntimeError as error:
            what = f"model.start = {recipe.model.start!r} does not fit the network ({last_line(error)})"
            raise UsageError(f"{what}; start from weights of the same preset") from error
    return model


def _with_guides(start: Tensor, wanted: Tensor) -> Tensor:
    """Starting weights of the first layer, which sees no guides yet: their weights begin at zero."""
    missing = wanted.shape[1] - start.shape[1]
    return F.pad(start, (0, 0, 0, 0, 0, missing)) if missing > 0 and start.ndim == wanted.ndim else start


def _start_file(start: str) -> Path:
    if start.endswith(".safetensors"):
        return Path(start)
    return find_model(start).safetensors
