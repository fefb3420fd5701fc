"""Training of networks with guides: from starting weights without, resumed, and packaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from runir.cli.main import main
from runir.errors import RunirError, UsageError
from runir.training.checkpoint import load_tensors
from runir.training.package import CardTexts, package_run
from test_processes import two
from tiny import same, train

BLUR = (
    "model.network.guides=2",
    "data.kernels=4",
    "data.degradation={name='blur', size=[4.0, 8.0]}",
    "validation.levels=['blur:size=6']",
)


def test_a_resumed_run_equals_one_that_was_not_stopped(project: Path) -> None:
    whole = train(project, "whole", *BLUR)
    import runir.training.loop as loop

    steps = loop.Trainer.train_step

    def stop(self: loop.Trainer, *batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.step == 6:
            raise KeyboardInterrupt
        return steps(self, *batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Trainer, "train_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train(project, "parts", *BLUR)
    written = (project / "parts" / "kernels.npz").stat().st_mtime_ns
    assert same(whole, train(project, "parts", *BLUR, resume=True))
    assert (project / "parts" / "kernels.npz").stat().st_mtime_ns == written


def test_starting_weights_without_guides_do_what_they_did(project: Path) -> None:
    first = train(project, "first")
    start = ("optim.norms=false", f"model.start={json.dumps(str(first))}", "optim.rate=0.0", "optim.matrix_rate=0.0")
    second, old = load_tensors(train(project, "second", *BLUR, *start))[0], load_tensors(first)[0]
    wide, narrow = second.pop("stem.weight"), old.pop("stem.weight")
    assert wide.shape[1] == 3 * narrow.shape[1]
    assert torch.equal(wide[:, : narrow.shape[1]], narrow)
    assert not wide[:, narrow.shape[1] :].any()
    assert all(torch.equal(second[name], old[name]) for name in old)


def test_the_card_tells_of_the_guides(project: Path) -> None:
    train(project, "run", *BLUR)
    model = package_run(project / "run", project / "models", tile=64, overlap=None, texts=CardTexts())
    assert model.card.network["guides"] == 2


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("data.degradation={name='awgn'}", "blur"),
        ("data.kernels=0", "positive"),
        ("model.guides=1", "network.guides"),
        ("model.network.guides=3", "0 to 2"),
    ],
)
def test_wrong_values_are_refused(project: Path, assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(project, "out", *BLUR, assignment)
    assert not (project / "out").exists()


def test_several_processes_find_the_kernels_of_one_and_train_alike(project: Path) -> None:
    slow = (*BLUR, "optim.matrix_rate=0.002")  # what order of sums does to Muon is not the question here
    train(project, "one", *slow)
    text = two(project, "two", *slow)
    assert "4 of 4" in text
    ours, theirs = (np.load(project / out / "kernels.npz")["kernels"] for out in ("one", "two"))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    left, right = (load_tensors(project / out / "weights.safetensors")[0] for out in ("one", "two"))
    assert max(float((left[n] - t).norm() / t.norm()) for n, t in right.items()) < 0.05


def test_kernels_are_found_again_when_what_they_depend_on_changes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(*more: str) -> bool:
        (project / "run" / "checkpoint.safetensors").unlink(missing_ok=True)
        train(project, "run", *BLUR, *more)
        return "kernels of blurs" in capsys.readouterr().out

    assert found()
    assert not found()
    assert not found("data.degradation.gray=0.5", "optim.rate=1e-4")
    assert found("seed=4")
    assert found("data.degradation.size=[4.0, 9.0]")


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04 cut"])
def test_damaged_kernels_are_told_of(project: Path, content: bytes) -> None:
    (project / "out").mkdir()
    (project / "out" / "kernels.npz").write_bytes(content)
    with pytest.raises(RunirError, match=r"kernels\.npz: is damaged .* delete it"):
        train(project, "out", *BLUR)


def test_a_run_folder_that_cannot_be_is_told_of_before_the_work(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runir.training.kernels.find_kernels", None)
    (project / "out").write_text("a file")
    with pytest.raises(RunirError, match="out"):
        train(project, "out", *BLUR)


def test_pairs_get_kernels_of_their_own(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("input", "target"):
        (project / "data" / side).mkdir()
        for path in sorted((project / "data").glob("*.png")):
            (project / "data" / side / path.name).write_bytes(path.read_bytes())
    train(project, "pairs", *BLUR, "data.kind='pairs'", "validation.levels=[]")
    assert "8 of 8" in capsys.readouterr().out  # two are held out
    assert not (project / "pairs" / "kernels.npz").exists()
    assert np.load(project / "pairs" / "given-kernels.npz")["kernels"].shape[0] == 8


def test_a_dry_run_counts_the_guides_and_finds_no_kernels(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runir.training.kernels.find_kernels", None)
    words = ["train", str(project / "tiny.toml"), "--data", str(project / "data"), "--dry-run"]
    sets = [word for assignment in BLUR for word in ("--set", assignment)]
    assert main([*words, *sets]) == 0
    assert "MISSING" not in capsys.readouterr().out
    assert main([*words, *sets, "--set", "data.degradation={name='rain'}"]) == 1
    assert 'MISSING    model.guides is for data.degradation.name = "blur" only' in capsys.readouterr().out
