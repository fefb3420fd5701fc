"""Fine-tuning: what comes out is a model that restores, better on held-out pictures or as good as before."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from runir.cli.main import main
from runir.data.degrade import GaussianNoise, build_degrade
from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.training.checkpoint import load_tensors
from runir.training.fine_tune import fine_tune, fine_tuning_recipe
from runir.training.loop import Trainer
from runir.training.network import build_network
from runir.training.package import CardTexts, package_run
from runir.training.recipe import load_recipe
from runir.weights import Model, find_model, list_models
from tiny import train

QUICK = ("schedule.steps=40", "schedule.phases=[{share = 1, batch = 4, patch = 16}]", "schedule.warmup=2",
         "validation.times=4", "data.workers=0", "precision='f32'", "log_every=20")  # fmt: skip
FAST = ("optim.rate=0.01", "optim.matrix_rate=0.05")
WILD = ("optim.rate=0.3", "optim.matrix_rate=1.0")


@pytest.fixture
def base(project: Path) -> Model:
    """A model of a short training, in a folder of its own."""
    train(project, "run", "schedule.steps=20", "validation.every=0")
    texts = CardTexts("a tiny one", "its licence", "tiny.toml", "smooth pictures", "20 steps")
    return package_run(project / "run", project / "models", tile=64, overlap=8, texts=texts)


@pytest.fixture
def pairs(project: Path) -> Path:
    """Ten pairs of smooth pictures; the degraded ones are darker."""
    for side in ("input", "target"):
        (project / "pairs" / side).mkdir(parents=True)
    for path in (project / "data").iterdir():
        picture = np.asarray(Image.open(path))
        Image.fromarray((picture * 0.7).astype(np.uint8)).save(project / "pairs" / "input" / path.name)
        Image.fromarray(picture).save(project / "pairs" / "target" / path.name)
    return project / "pairs"


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def numbers(model: Model) -> dict[str, Tensor]:
    model.verify()
    return load_tensors(model.safetensors)[0]


def test_the_command_makes_a_model_that_restores_better(
    base: Model, pairs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = project / "tuned"
    changes = [word for change in (*QUICK, *FAST) for word in ("--set", change)]
    words = ["train", "--from", base.folder, "--data", pairs, "--out", out, "--allocator", "system", *changes]
    assert main([str(word) for word in words]) == 0
    text = capsys.readouterr().out
    found = re.search(r"held-out pictures ([\d.]+) -> ([\d.]+) dB", text)
    assert found is not None
    assert float(found[2]) > float(found[1]) + 0.5
    assert f"runir restore PICTURE --model {out}" in text
    # Restoring a held-out picture with each of the two models tells the same.
    name = (out / "run" / "held_out.txt").read_text().splitlines()[0]
    clean = np.asarray(Image.open(pairs / "target" / name), np.float64)
    errors = []
    for model in (base.folder, out):
        words = ["restore", pairs / "input" / name, "--model", model, "-o", project / "restored.png", "--overwrite"]
        assert main([str(word) for word in words]) == 0
        errors.append(float(((np.asarray(Image.open(project / "restored.png"), np.float64) - clean) ** 2).mean()))
    assert errors[1] < errors[0]


def test_the_card_says_where_it_comes_from(base: Model, pairs: Path, project: Path) -> None:
    done = fine_tune(str(base.folder), [pairs], project / "tuned", assignments=(*QUICK, *FAST))
    assert done is not None
    card = find_model(str(project / "tuned")).card
    assert card == done.model.card
    assert (card.name, card.task, card.tile, card.overlap) == ("tuned", "denoise", 64, 8)
    assert "its licence" in card.licence
    assert "fine-tuning pictures" in card.licence
    assert "10 pairs of pairs" in card.training_data
    assert "smooth pictures" in card.training_data
    assert f"{done.before:.2f} dB" in card.training
    assert f"{done.after:.2f} dB" in card.training
    assert str(project) not in (project / "tuned" / "recipe.toml").read_text()
    mine = fine_tune(str(base.folder), [pairs], project / "mine", assignments=QUICK, licence="CC0")
    assert mine is not None
    assert mine.model.card.licence == "CC0"


def test_the_starting_weights_are_kept_when_nothing_is_better(
    base: Model, pairs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ("schedule.steps=400", "validation.times=40", "validation.patience=3")
    done = fine_tune(str(base.folder), [pairs], project / "tuned", assignments=(*QUICK, *WILD, *wild))
    assert done is not None
    assert done.step == 0
    assert done.before == done.after
    assert equal(numbers(done.model), numbers(base))
    assert done.steps == 30  # three validations, ten steps apart, none of them better: the end
    assert "3 validations without a new best" in capsys.readouterr().out


def test_the_best_weights_are_kept_not_the_last(base: Model, pairs: Path, project: Path) -> None:
    """The rate is good for 20 steps of warm-up, then far too high."""
    late = ("schedule.warmup=4000", "optim.matrix_rate=20.0", "optim.rate=1.0", "schedule.steps=200",
            "validation.times=20", "validation.patience=4")  # fmt: skip
    done = fine_tune(str(base.folder), [pairs], project / "tuned", assignments=(*QUICK, *late))
    assert done is not None
    rows = [line.split(",") for line in (project / "tuned" / "run" / "validation.csv").read_text().splitlines()[1:]]
    scores = {int(step): float(value) for step, value in rows}
    assert done.step == max(scores, key=lambda step: scores[step])
    assert 0 < done.step < done.steps
    assert done.after == max(scores.values())


def test_clean_pictures_are_degraded_as_the_model_knows_it(base: Model, project: Path) -> None:
    done = fine_tune(str(base.folder), [project / "data"], project / "tuned", assignments=QUICK)
    assert done is not None
    recipe = load_recipe(project / "tuned" / "run" / "recipe.toml")
    assert recipe.data.degradation == GaussianNoise(sigma=(25.0, 25.0)).table()
    assert recipe.validation.levels == ("awgn:25",)
    assert (project / "tuned" / "run" / "held_out.txt").read_text().split() == ["p2.png", "p7.png"]


def test_another_degradation_does_not_get_the_models_parameters(base: Model, project: Path) -> None:
    words = ("data.degradation.name='rain'", "data.degradation.heavy=1.0", "seed=5")
    recipe = fine_tuning_recipe(str(base.folder), [project / "data"], project / "tuned", assignments=words)
    assert recipe.data.degradation == {"name": "rain", "heavy": 1.0}
    build_degrade(recipe.data.degradation)
    same = ("data.degradation.name='awgn'", "data.degradation.gray=0.5")
    recipe = fine_tuning_recipe(str(base.folder), [project / "data"], project / "tuned", assignments=same)
    assert build_degrade(recipe.data.degradation) == GaussianNoise(sigma=(25.0, 25.0), gray=0.5)


@pytest.mark.parametrize("name", [model.card.name for model in list_models()])
def test_every_shipped_model_can_be_tuned_with_clean_pictures(name: str, project: Path) -> None:
    recipe = fine_tuning_recipe(name, [project / "data"], project / "tuned")
    assert recipe.task == name.rpartition(".")[2]
    build_degrade(recipe.data.degradation)
    assert recipe.validation.levels
    assert all(parse_degradation(level) for level in recipe.validation.levels)
    build_network(recipe)  # the starting weights fit


def test_an_interrupted_run_goes_on_to_the_same_model(
    base: Model, pairs: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Trainer.train_step

    def stopped(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        self._stop = self.step == 25
        return steps(self, degraded, clean)

    changes = (*QUICK, *FAST)
    whole = fine_tune(str(base.folder), [pairs], project / "whole", assignments=changes)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(str(base.folder), [pairs], project / "tuned", assignments=changes)
    assert not (project / "tuned" / "card.toml").exists()
    with pytest.raises(UsageError, match="started from"):
        fine_tune("run-t.denoise", [], project / "tuned", resume=True)
    again = fine_tune(str(base.folder), [], project / "tuned", resume=True)
    assert whole is not None
    assert again is not None
    assert (again.step, again.before, again.after) == (whole.step, whole.before, whole.after)
    assert equal(numbers(again.model), numbers(whole.model))


def test_what_cannot_be_tuned_is_refused(base: Model, project: Path, pairs: Path) -> None:
    few = project / "few"
    few.mkdir()
    for name in ("p0.png", "p1.png", "p2.png"):
        (few / name).write_bytes((project / "data" / name).read_bytes())
    with pytest.raises(UsageError, match="few: too few pictures"):
        fine_tune(str(base.folder), [few], project / "tuned", assignments=QUICK)
    with pytest.raises(UsageError, match="give --data DIR"):
        fine_tune(str(base.folder), [], project / "tuned", assignments=QUICK)
    with pytest.raises(UsageError, match="unknown model"):
        fine_tune("run-x.denoise", [pairs], project / "tuned", assignments=QUICK)
    assert not (project / "tuned").exists()
    with pytest.raises(UsageError, match="holds another model"):
        fine_tune(str(base.folder), [pairs], base.folder, assignments=QUICK)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["r.toml", "--from", "run-t.denoise"],
        ["r.toml", "--hours", "1"],
        ["r.toml", "--licence", "CC0"],
        ["--from", "run-t.denoise", "--resume", "--hours", "1"],
    ],
)
def test_wrong_usage_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
