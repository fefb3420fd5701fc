"""Training on a small scale: it learns, from several kinds of folders and processes, and refuses what it must."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors
from runir.training.losses import LOSSES
from runir.training.run import run_training
from tiny import RECIPE, same, train


def test_a_run_leaves_weights_recipe_scores_and_gains(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = train(
        project, "run", "schedule.steps=150", "validation.every=75", "optim.rate=0.01", "optim.matrix_rate=0.05"
    )
    tensors, state = load_tensors(weights)
    assert state["step"] == 150
    assert state["recipe"]["schedule"]["steps"] == 150
    assert all(torch.isfinite(t).all() for t in tensors.values())
    with (project / "run" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["75", "150"]
    assert float(rows[-1]["awgn:25"]) > 22.5  # the noisy pictures have 20.2 to 20.6 dB
    out = capsys.readouterr().out
    assert "Mpx/s" in out
    assert "ETA" in out
    assert "awgn:25" in out


def test_one_precision_after_another(project: Path) -> None:
    half = load_tensors(train(project, "half", "precision='bf16'"))[0]
    full = load_tensors(train(project, "full"))[0]
    assert any(not torch.equal(half[name], full[name]) for name in full)


def test_without_held_out_pictures_nothing_is_validated(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "held_out.txt").write_text("other.png\n")
    train(project, "run")
    assert "nan" not in capsys.readouterr().out
    assert not (project / "run" / "validation.csv").exists()


def test_worker_processes_change_nothing(project: Path) -> None:
    assert same(train(project, "a"), train(project, "b", "data.workers=2"))


def test_another_seed_changes_the_weights(project: Path) -> None:
    assert not same(train(project, "a"), train(project, "b", "seed=4"))


def test_training_starts_from_given_weights(project: Path) -> None:
    first = train(project, "first")
    start = f"model.start={json.dumps(str(first))}"
    still = ("optim.matrix_rate=0.0", "optim.rate=0.0")
    assert same(first, train(project, "second", start, *still, "optim.norms=false"))
    # Norms are attached so that the network computes what it did, and folded again.
    third = load_tensors(train(project, "third", start, *still, "optim.freeze=0.0"))[0]
    for name, tensor in load_tensors(first)[0].items():
        torch.testing.assert_close(third[name], tensor, rtol=1e-4, atol=1e-5)


def test_an_exposure_curve_can_be_added_to_starting_weights(project: Path) -> None:
    first = train(project, "first")
    start = ("optim.norms=false", f"model.start={json.dumps(str(first))}")
    still = ("curve.steps=2", "optim.rate=0.0", "optim.matrix_rate=0.0")
    second = load_tensors(train(project, "second", *start, "model.network.exposure=true", *still))[0]
    old = load_tensors(first)[0]
    assert {name for name in second if name not in old} == {
        f"exposure.{layer}.{kind}"
        for layer in ("look.0", "look.1", "look.2", "look.3", "curve")
        for kind in ("weight", "bias")
    }
    assert all(torch.equal(second[name], old[name]) for name in old)


def test_non_finite_gradients_are_skipped_then_end_the_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "charbonnier", lambda restored, clean: (restored - clean).mean() * float("nan"))
    with pytest.raises(RunirError, match="non-finite gradients in a row"):
        train(project, "run", "schedule.steps=100")


def test_a_step_that_is_left_out_leaves_no_trace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runir.training.loop import Trainer

    steps = Trainer.train_step

    def poisoned(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        if self.step != 5:
            return steps(self, degraded, clean)
        before = {name: t.clone() for name, t in self.tensors().items()}
        result = steps(self, degraded * float("nan"), clean)
        after = self.tensors()
        assert all(torch.equal(after[name], t) for name, t in before.items())
        return result

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    tensors = load_tensors(train(project, "run"))[0]
    assert all(torch.isfinite(t).all() for t in tensors.values())


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("data.degradation.name='awng'", "did you mean 'awgn'"),
        ("data.degradation.name=['awgn']", "a word is needed"),
        ("data.degradation.sigam=[1, 2]", "did you mean 'sigma'"),
        ("validation.levels=['awng:5']", "did you mean 'awgn'"),
        ("validation.crop=0", "at least 11"),
        ("data.pairs=2", "share in"),
        ("model.exposure=true", "network.exposure"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_made(project: Path, assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(project, "out", assignment)
    assert not (project / "out").exists()


@pytest.mark.parametrize(("folder", "words"), [("nowhere", "no such folder"), ("empty", "no pictures")])
def test_folders_without_pictures_are_refused(project: Path, folder: str, words: str) -> None:
    (project / "empty").mkdir()
    with pytest.raises(UsageError, match=words):
        run_training(project / "tiny.toml", [project / folder], project / "out")
    assert not (project / "out").exists()


def test_pairs_train_too(project: Path) -> None:
    for side in ("input", "target"):
        (project / "pairs" / side).mkdir(parents=True)
        for path in (project / "data").iterdir():
            (project / "pairs" / side / path.name).write_bytes(path.read_bytes())
    (project / "tiny.toml").write_text(RECIPE.replace("[data]", '[data]\nkind = "pairs"'))
    run_training(project / "tiny.toml", [project / "pairs"], project / "out")
    both = (project / "tiny.toml").read_text().replace('kind = "pairs"', 'kind = "both"')
    (project / "both.toml").write_text(both)
    run_training(project / "both.toml", [project / "pairs", project / "data"], project / "out3")
    header = (project / "out3" / "validation.csv").read_text().splitlines()[0]
    assert header == "step,awgn:25,pairs"
    with pytest.raises(UsageError, match="folders of clean pictures and folders with input"):
        run_training(project / "both.toml", [project / "pairs"], project / "out4")
    Image.new("RGB", (30, 31)).save(project / "pairs" / "target" / "p9.png")  # held out
    with pytest.raises(UsageError, match=r"p9\.png and .*p9\.png differ in size"):
        run_training(project / "tiny.toml", [project / "pairs"], project / "out2")
    (project / "pairs" / "target" / "p3.png").unlink()
    with pytest.raises(RunirError, match=r"p3\.png: has no partner"):
        run_training(project / "tiny.toml", [project / "pairs"], project / "out2")
