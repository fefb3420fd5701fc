"""Training of networks with guides: from starting weights without, resumed, and packaged."""

import json
from pathlib import Path

import pytest
import torch

from runir.errors import UsageError
from runir.training.checkpoint import load_tensors
from runir.training.package import CardTexts, package_run
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
    [("data.degradation={name='awgn'}", "blur"), ("data.kernels=0", "positive"), ("model.guides=1", "network.guides")],
)
def test_wrong_values_are_refused(project: Path, assignment: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        train(project, "out", *BLUR, assignment)
