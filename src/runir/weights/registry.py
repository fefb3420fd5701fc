"""Finds shipped models by name and checks their files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runir.errors import RunirError, UsageError, nearest
from runir.weights.card import ModelCard, read_card

HOME = Path(__file__).parent
CARD, ONNX, SAFETENSORS = "card.toml", "model.onnx", "model.safetensors"
EXPOSURE = "exposure.npz"
EFFECTIVE_RECIPE = "recipe.toml"  # as it was run


@dataclass(frozen=True, slots=True)
class Model:
    """A shipped model: its card and where its files are."""

    card: ModelCard
    folder: Path

    @property
    def onnx(self) -> Path:
        """The network on one tile; its inputs and outputs are those that `runir.models.export.to_onnx` names."""
        return self.folder / ONNX

    @property
    def safetensors(self) -> Path:
        """The same numbers, for fine-tuning."""
        return self.folder / SAFETENSORS

    @property
    def exposure(self) -> Path | None:
        """The exposure curve's numbers, for a model that has one: it is applied before the ONNX network. Raises
        RunirError when the file does not match the card."""
        if not self.card.exposure_sha256:
            return None
        _checked(self.folder / EXPOSURE, self.card.exposure_sha256)
        return self.folder / EXPOSURE

    def verify(self) -> None:
        """Compare all files with the card's checksums. Raises RunirError naming the damaged file."""
        self.checked_onnx()
        _checked(self.safetensors, self.card.safetensors_sha256)
        _ = self.exposure

    def checked_onnx(self) -> bytes:
        """The ONNX file's bytes. Raises RunirError when they do not match the card."""
        return _checked(self.onnx, self.card.onnx_sha256)


def _checked(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunirError(f"{path}: cannot be read ({error.strerror}); {_remedy(path)}") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise RunirError(f"{path}: damaged (its checksum is not the one on its card); {_remedy(path)}")
    return data


def _remedy(path: Path) -> str:
    return "reinstall runir" if HOME in path.parents else "export or fine-tune that model again"


@cache
def _models(home: Path) -> dict[str, Model]:
    cards = sorted(home.glob(f"*/{CARD}"))
    models = [Model(read_card(path), path.parent) for path in cards]
    return {model.card.name: model for model in models}


def list_models(home: Path = HOME) -> list[Model]:
    """All shipped models, sorted by name."""
    return list(_models(home).values())


def find_model(name: str, home: Path = HOME) -> Model:
    """The shipped model of this name, else the one in this folder (as `runir export` makes it). A folder that bears the
    name of a shipped model is reached as ./NAME: it must not take that one's place unasked.

    Raises UsageError with the nearest known name; RunirError for a folder with a damaged card.
    """
    models, folder = _models(home), Path(name)
    if name in models:
        return models[name]
    if (folder / CARD).is_file():
        return Model(read_card(folder / CARD), folder)
    if folder.is_dir():
        raise UsageError(f"{name}: holds no {CARD}; if it is a run, `runir export {name} --to DIR` makes a model of it")
    if folder.is_file():
        more = "restore, evaluate and benchmark also take checkpoints (.pth, .safetensors)"
        raise UsageError(f"{name}: is a file; a model is a folder, as `runir export` makes it; {more}")
    raise UsageError(f"unknown model {name!r}; {nearest(name, list(models))}")
