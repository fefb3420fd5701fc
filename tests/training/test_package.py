"""`package`: what a run's recipe and starting weights tell gets on the card."""

import json
from pathlib import Path
from typing import Any

import pytest

from runir.config import to_plain
from runir.errors import UsageError
from runir.training.checkpoint import save_tensors
from runir.training.network import build_network
from runir.training.package import CardTexts, package_run
from runir.training.recipe import load_recipe
from runir.weights import Model
from runir.weights.card import ModelCard

LICENCE = "CC BY-NC-SA 4.0 (a part of the pictures allows no more)"


def run_folder(project: Path, name: str, *assignments: str, step: int = 8, **state: Any) -> Path:
    """A run folder as training leaves it, with weights that were never trained. Returns its weights."""
    folders = f"data.folders=['/a/machine/photos', '{project}/data']"
    recipe = load_recipe(project / "tiny.toml", [f"name='{name}'", folders, *assignments])
    network = build_network(recipe)
    state = {"network": to_plain(network.config), "recipe": to_plain(recipe), "step": step, **state}
    (project / name).mkdir()
    save_tensors(network.state_dict(), state, project / name / "weights.safetensors")
    return project / name / "weights.safetensors"


def packaged(project: Path, name: str, texts: CardTexts | None = None, tile: int = 16) -> Model:
    return package_run(
        project / name, project / "models", tile=tile, overlap=None, texts=texts or CardTexts(), overwrite=True
    )


def start(path: Path) -> str:
    return f"model.start={json.dumps(str(path))}"


@pytest.fixture
def base(project: Path) -> ModelCard:
    """The card of the model in models/base."""
    run_folder(project, "base")
    return packaged(project, "base", CardTexts(licence=LICENCE, training_data="806 pictures")).card


def test_licence_and_data_of_the_starting_weights_carry_over(project: Path, base: ModelCard) -> None:
    first = run_folder(project, "first", start(project / "models" / "base"), total=12)
    card = packaged(project, "first").card
    assert (
        card.licence == f"as of its starting weights, base: {LICENCE}; and as the owners of the training pictures allow"
    )
    assert card.training_data == "pictures of photos, data, less those held out; before that, as base: 806 pictures"
    assert card.recipe == "recipe.toml beside this card"
    assert card.training == "weights of step 8 of 12"
    # From the weights of that run, which have no card, and from a model's file, which has one.
    run_folder(project, "second", start(first))
    run_folder(project, "third", start(project / "models" / "base" / "model.safetensors"))
    for name in ("second", "third"):
        card = packaged(project, name).card
        assert LICENCE in card.licence
        assert card.training_data.endswith("as base: 806 pictures")
    assert "first" in packaged(project, "second").card.licence


def test_what_a_person_says_goes_first(project: Path, base: ModelCard) -> None:
    run_folder(project, "mine", start(project / "models" / "base"))
    texts = CardTexts("a description", "CC0", "mine.toml", "mine", "one evening")
    card = packaged(project, "mine", texts).card
    assert (card.description, card.licence, card.recipe) == ("a description", "CC0", "mine.toml")
    assert (card.training_data, card.training) == ("mine", "one evening")


def test_starting_weights_that_are_gone_are_named(project: Path) -> None:
    first = run_folder(project, "first")
    run_folder(project, "second", start(first))
    second = project / "second" / "weights.safetensors"
    first.unlink()
    assert "weights.safetensors: not known" in packaged(project, "second").card.licence
    first.parent.rmdir()
    run_folder(project, "first", start(second))  # each starts from the other now
    card = packaged(project, "first").card
    assert "not known" in card.licence
    assert str(project) not in card.licence + card.training_data


def test_without_starting_weights_the_licence_is_not_guessed(project: Path, base: ModelCard) -> None:
    run_folder(project, "fresh")
    card = packaged(project, "fresh").card
    assert card.licence == card.description == "unstated"
    assert card.training_data == "pictures of photos, data, less those held out"


@pytest.mark.parametrize(("step", "pixels"), [(4, 4 * 1024), (8, 6 * 1024 + 2 * 1152), (12, 6 * 1024 + 6 * 1152)])
def test_steps_and_pixels_are_counted(step: int, pixels: int, project: Path) -> None:
    """12 steps are six of each phase."""
    run_folder(project, "run", "schedule.hours=1", step=step, total=12)
    card = packaged(project, "run").card
    assert card.steps == step
    assert card.gigapixels == float(f"{pixels / 1e9:.3g}")


def test_a_length_that_the_weights_do_not_say_is_the_checkpoints_or_unknown(project: Path) -> None:
    (project / "tiny.toml").write_text((project / "tiny.toml").read_text().replace("steps = 12", "hours = 1"))
    run_folder(project, "run")
    card = packaged(project, "run").card
    assert (card.steps, card.gigapixels, card.training) == (8, 0.0, "weights of step 8")
    save_tensors({}, {"step": 8, "total": 12}, project / "run" / "checkpoint.safetensors")
    card = packaged(project, "run").card
    assert (card.steps, card.gigapixels, card.training) == (8, 8.45e-6, "weights of step 8 of 12")


@pytest.mark.parametrize(("task", "tile", "overlap"), [("lowlight", 256, 64), ("lowlight", 64, 32), ("photo", 64, 32)])
def test_tiles_overlap_as_the_task_needs(task: str, tile: int, overlap: int, project: Path) -> None:
    run_folder(project, "run", f"task='{task}'")
    assert packaged(project, "run", tile=tile).card.overlap == overlap


def test_a_model_that_is_there_is_replaced_only_when_that_is_asked_for(project: Path) -> None:
    run_folder(project, "run")
    card = packaged(project, "run").folder / "card.toml"
    before = card.stat().st_mtime_ns
    with pytest.raises(UsageError, match="run: holds a model already; use --overwrite"):
        package_run(project / "run", project / "models", tile=16, overlap=None, texts=CardTexts())
    assert card.stat().st_mtime_ns == before
    (project / "file").write_text("")
    with pytest.raises(UsageError, match="file: is a file, not a folder"):
        package_run(project / "run", project / "file", tile=16, overlap=None, texts=CardTexts())
