"""Norms that exist in training only: attaching, freezing and folding them changes nothing that it should not."""

import copy

import pytest
import torch
from torch import Tensor

from runir.models.config import LevelConfig, RUNConfig
from runir.models.run import RUN
from runir.training.norms import NormedConv, attach_calibrated_norms, attach_norms, fold_norms, freeze_norms
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
            layer.shift.normal_()
    freeze_norms(network, True)
    plain = RUN(CONFIG)
    plain.load_state_dict(fold_norms(network.state_dict()))
    torch.testing.assert_close(plain(batch), network(batch), rtol=1e-4, atol=1e-5)
    freeze_norms(network, False)
    assert (plain(batch) - network(batch)).abs().max() > 1e-4  # batch statistics are not the running ones


def test_calibrated_norms_change_nothing(network: RUN, batch: Tensor) -> None:
    expected = copy.deepcopy(network)(batch)
    attach_calibrated_norms(network, [batch])
    assert network.training
    torch.testing.assert_close(network.eval()(batch), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.train()(batch), expected, rtol=1e-3, atol=1e-3)  # the batch's own statistics


def test_no_shift_closes_an_activation(network: RUN, batch: Tensor) -> None:
    attach_norms(network)
    with torch.no_grad():
        for layer in (m for m in network.modules() if isinstance(m, NormedConv)):
            layer.shift.fill_(-100)
    network(batch)
    plain = RUN(CONFIG)
    for _ in range(300):
        network(batch)
    plain.load_state_dict(fold_norms(network.state_dict()))
    pictures = [picture.permute(1, 2, 0).numpy() for picture in batch]
    assert min(working_channels(plain, pictures, torch.device("cpu")).values()) > 0.8


def test_closed_activations_are_opened_on_request(network: RUN, batch: Tensor) -> None:
    block = network.get_submodule("encoders.1.0.expand")
    with torch.no_grad():
        assert isinstance(block.bias, Tensor)
        block.bias.fill_(-100)
    pictures = [picture.permute(1, 2, 0).numpy() for picture in batch]
    for reopen, share in ((False, 0.0), (True, 1.0)):
        copied, plain = copy.deepcopy(network), RUN(CONFIG)
        attach_calibrated_norms(copied, [batch], reopen)
        plain.load_state_dict(fold_norms(copied.state_dict()))
        found = working_channels(plain, pictures, torch.device("cpu"))["encoders.1.0"]
        assert found == pytest.approx(share, abs=0.2)


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
        assert isinstance(block.weight, Tensor)
        block.bias.fill_(-100)
    dead = working_channels(network, pictures, torch.device("cpu"))
    assert dead["encoders.1.0"] == 0
    assert {n for n, share in dead.items() if share == 0} == {"encoders.1.0"}
    with torch.no_grad():  # dead in another way: always the same value
        block.weight.zero_()
    assert working_channels(network, pictures, torch.device("cpu"))["encoders.1.0"] == 0
