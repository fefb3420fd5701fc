"""Norms that exist in training only: attaching, freezing and folding them changes nothing that it should not."""

import copy

import pytest
import torch
from torch import Tensor

from runir.models.config import LevelConfig, RUNConfig
from runir.models.run import RUN
from runir.training.norms import NormedConv, attach_norms, calibrate, fold_norms, freeze_norms
from runir.training.validation import working_channels

CONFIG = RUNConfig(
    (LevelConfig("ssa", 8, 1, 1), LevelConfig("conv", 12, 1, 1), LevelConfig("csa", 16, 1, heads=2)), window=4
)


@pytest.fixture
def network() -> RUN:
    torch.manual_seed(0)
    model = RUN(CONFIG)
    with torch.no_grad():
        for p in model.parameters():  # away from the near-identity start, biases too
            p.add_(0.1 * torch.randn_like(p))
    return model


@pytest.fixture
def batch() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_frozen_norms_fold_into_the_plain_network(network: RUN, batch: Tensor) -> None:
    attach_norms(network)
    layers = [m for m in network.modules() if isinstance(m, NormedConv)]
    assert len(layers) == 5
    for _ in range(200):  # moves the running statistics away from 0 and 1
        network(batch)
    with torch.no_grad():
        for layer in layers:
            layer.gain.uniform_(0.5, 1.5)
            layer.bias.normal_()
    freeze_norms(network, True)
    plain = RUN(CONFIG)
    plain.load_state_dict(fold_norms(network.state_dict()))
    torch.testing.assert_close(plain(batch), network(batch), rtol=1e-4, atol=1e-5)
    freeze_norms(network, False)
    assert (plain(batch) - network(batch)).abs().max() > 1e-4  # batch statistics are not the running ones


def test_calibrated_norms_change_nothing(network: RUN, batch: Tensor) -> None:
    expected = copy.deepcopy(network)(batch)
    attach_norms(network)
    calibrate(network, [batch])
    assert network.training
    torch.testing.assert_close(network.eval()(batch), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.train()(batch), expected, rtol=1e-3, atol=1e-3)  # the batch's own statistics


def test_a_state_without_norms_folds_to_itself(network: RUN) -> None:
    state = network.state_dict()
    assert fold_norms(state).keys() == state.keys()


def test_dead_blocks_are_seen(network: RUN, batch: Tensor) -> None:
    pictures = [picture.permute(1, 2, 0).numpy() for picture in batch]
    alive = working_channels(network, pictures, torch.device("cpu"))
    assert len(alive) == 5
    assert min(alive.values()) > 0
    block = network.get_submodule("encoders.1.0.expand")
    with torch.no_grad():
        assert isinstance(block.bias, Tensor)
        block.bias.fill_(-100)
    dead = working_channels(network, pictures, torch.device("cpu"))
    assert dead["encoders.1.0"] == 0
    assert {n for n, share in dead.items() if share == 0} == {"encoders.1.0"}
