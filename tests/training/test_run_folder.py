"""What a run folder holds: scores of one run only, and a recipe that goes on meaning what it meant."""

from pathlib import Path

import pytest
from torch import Tensor

from runir.config import dump_toml, to_plain
from runir.data.degrade import GaussianNoise
from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors
from runir.training.fine_tune import fine_tune
from runir.training.loop import Trainer
from runir.training.recipe import load_recipe
from runir.training.run import run_training
from tiny import RECIPE, train


def test_what_a_broken_off_run_left_behind_is_not_mixed_in(project: Path) -> None:
    """One that was killed after a validation and before its first checkpoint."""
    out = project / "run"
    out.mkdir()
    (out / "validation.csv").write_text("step,other\n0,1.0\n6,99.0\n")
    (out / "weights.safetensors").write_bytes(b"of another recipe")
    with pytest.raises(UsageError, match="did you mean 'awgn'"):
        train(project, "run", "data.degradation.name='awng'")
    assert (out / "weights.safetensors").exists()  # what does not start takes nothing away
    train(project, "run", "checkpoint_every=50")
    rows = [line.split(",") for line in (out / "validation.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "6", "12"]
    assert rows[0][1] == "awgn:25"


def test_a_run_folder_that_cannot_be_made_is_told(project: Path) -> None:
    (project / "run").write_text("a file")
    with pytest.raises(RunirError, match="run"):
        train(project, "run")


def test_interrupted_before_the_first_checkpoint_it_says_to_start_again(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Trainer.train_step

    def stopped(self: Trainer, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        self._stop = True  # in the timed steps, as the first Ctrl-C does
        return steps(self, degraded, clean)

    (project / "tiny.toml").write_text(RECIPE.replace("steps = 12", "hours = 0.01"))
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(project, "run")
    out = capsys.readouterr().out
    assert "stopped before the first checkpoint: start again, without --resume" in out
    assert "go on" not in out
    with pytest.raises(UsageError, match=r"run: holds no checkpoint yet; leave --resume out"):
        train(project, "run", resume=True)
    train(project, "run", "schedule.steps=1")


def test_resuming_where_nothing_is_says_so(project: Path) -> None:
    with pytest.raises(UsageError, match=r"rnu: holds no checkpoint yet; .* or correct --out"):
        train(project, "rnu", resume=True)
    with pytest.raises(UsageError, match="holds no checkpoint yet"):
        fine_tune("run-t.denoise", [], project / "rnu", resume=True)
    with pytest.raises(UsageError, match=r"w\.safetensors: no such file; check the path"):
        load_tensors(project / "w.safetensors")


def test_resuming_with_another_recipe_is_refused(project: Path) -> None:
    out = project / "run"
    train(project, "run", "schedule.steps=4", "data.held_out_count=1")
    with pytest.raises(UsageError, match=r"tiny\.toml: schedule\.steps is not what the run in .*run has") as caught:
        train(project, "run", resume=True)
    assert str(out / "recipe.toml") in str(caught.value)
    with pytest.raises(UsageError, match=r"tiny\.toml: data\.degradation\.sigma is not"):
        train(project, "run", "schedule.steps=4", "data.degradation.sigma=[25, 26]", resume=True)
    with pytest.raises(UsageError, match=r"recipe\.toml: schedule\.phases is not"):
        run_training(out / "recipe.toml", [], out, ["schedule.phases=[{share = 1, batch = 1, patch = 16}]"], True)
    with pytest.raises(UsageError, match="no such file"):
        run_training(project / "other.toml", [], out, resume=True)
    train(project, "run", "schedule.steps=4", resume=True)  # as it was started
    run_training(out / "recipe.toml", [], out, resume=True)


def test_the_saved_recipe_does_not_depend_on_defaults(project: Path) -> None:
    weights = train(project, "run", "schedule.steps=1")
    saved = load_recipe(project / "run" / "recipe.toml").data.degradation
    assert saved == GaussianNoise(sigma=(25.0, 25.0)).table()
    assert {"clean", "gray", "jpeg", "jpeg_quality"} < saved.keys()
    assert load_tensors(weights)[1]["recipe"]["data"]["degradation"] == saved
    # Run folders of before have the parameters that were given; they still go on.
    plain = to_plain(load_recipe(project / "run" / "recipe.toml"))
    plain["data"]["degradation"] = {"name": "awgn", "sigma": [25.0, 25.0]}
    (project / "run" / "recipe.toml").write_text(dump_toml(plain))
    train(project, "run", "schedule.steps=1", resume=True)


def test_a_recipe_of_pairs_gets_no_degradation(project: Path) -> None:
    for side in ("input", "target"):
        (project / "pairs" / side).mkdir(parents=True)
        for path in (project / "data").iterdir():
            (project / "pairs" / side / path.name).write_bytes(path.read_bytes())
    assignments = ("data.kind='pairs'", "data.degradation={}", "schedule.steps=1")
    run_training(project / "tiny.toml", [project / "pairs"], project / "run", assignments)
    assert load_recipe(project / "run" / "recipe.toml").data.degradation == {}
