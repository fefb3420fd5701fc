"""Muon, the average of the weights, and the losses."""

import pytest
import torch
from torch import nn

from runir.training.losses import LOSSES
from runir.training.optim import Muon, WeightAverage, build_optimisers, orthogonalise
from runir.training.recipe import OptimSection


def test_muon_updates_are_orthogonal() -> None:
    matrices = torch.randn(3, 24, 60, generator=torch.Generator().manual_seed(0))
    for batch in (matrices, matrices.mT.contiguous()):
        values = torch.linalg.svdvals(orthogonalise(batch))
        assert values.min() > 0.5
        assert values.max() < 1.4


def test_muon_gets_the_hidden_matrices_and_adamw_the_rest() -> None:
    from runir.models.presets import preset
    from runir.models.run import RUN

    model = RUN(preset("run-t"))
    adamw, muon = build_optimisers(model, OptimSection())
    assert isinstance(muon, Muon)
    names = {id(p): n for n, p in model.named_parameters()}
    hidden = {names[id(p)] for p in muon.param_groups[0]["params"]}
    rest = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert hidden | rest == set(names.values())
    assert not hidden & rest
    assert {"stem.weight", "head.weight"} <= rest
    assert all(n.endswith("weight") for n in hidden)
    (only,) = build_optimisers(model, OptimSection(optimiser="adamw"))
    assert len(only.param_groups[0]["params"]) == len(names)


def test_the_average_follows_the_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, 0.9)
    expected = start = model.weight.item()
    for step in range(200):
        with torch.no_grad():
            model.weight.fill_(start + step)
        average.update(model, step)
        decay = min(0.9, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * (start + step)
    assert average.tensors["weight"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_fall_with_the_error_and_have_gradients_at_zero(name: str) -> None:
    clean = torch.rand(2, 3, 8, 8)
    values = [LOSSES[name](clean + e, clean).item() for e in (0.2, 0.1, 0.0)]
    assert values[0] > values[1] > values[2]
    restored = clean.clone().requires_grad_()
    torch.autograd.backward(LOSSES[name](restored, clean))
    assert restored.grad is not None
    assert torch.isfinite(restored.grad).all()


def test_relative_loss_weighs_samples_by_their_own_error() -> None:
    clean = torch.zeros(2, 3, 8, 8)
    restored = torch.stack([torch.full((3, 8, 8), 0.4), torch.full((3, 8, 8), 0.04)]).requires_grad_()
    torch.autograd.backward(LOSSES["relative-charbonnier"](restored, clean))
    assert restored.grad is not None
    heavy, light = restored.grad.abs().mean((1, 2, 3)).tolist()
    assert light / heavy == pytest.approx(0.43 / 0.07, rel=0.01)
