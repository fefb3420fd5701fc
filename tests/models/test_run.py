"""The network: shapes, padding, placement as data, cost against an independent counter."""

import dataclasses
from typing import get_args

import pytest
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from torch import nn

from runir.config import to_plain
from runir.errors import UsageError
from runir.models.blocks import ChannelAttention, ConvFeedForward, WindowAttention
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.config import LevelConfig, Operator, RUNConfig
from runir.models.presets import PRESETS, preset
from runir.models.run import RUN

TINY = RUNConfig(
    (LevelConfig("ssa", 8, 1, 1, heads=2), LevelConfig("conv", 12, 1, 1), LevelConfig("csa", 16, 1, heads=2)),
    window=4,
)


def awake(model: nn.Module) -> nn.Module:
    """The model with every branch well away from its near-zero start, so that all of it can be seen in the output."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / max(1, p[0].numel() if p.ndim > 1 else 4) ** 0.5)
    return model.eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (17, 31), (32, 32), (33, 64)])
def test_any_size_comes_back_with_its_shape_and_finite(size: tuple[int, int]) -> None:
    out = awake(RUN(TINY))(torch.rand(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()


def test_starts_near_the_identity_and_not_at_it() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 32, 32)
    change = (RUN(TINY)(x) - x).abs().mean()
    assert 0 < change < 0.1


@pytest.mark.parametrize("name", ["run-t", "run-s"])
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = awake(RUN(preset(name)))
    model(torch.rand(1, 3, 32, 32)).square().mean().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias of the keys shifts all scores of a query alike, and the softmax takes that out again.
    assert [n for n in without if not n.endswith("key.bias")] == []


def test_padding_is_replication_cut_off_again() -> None:
    model = awake(RUN(TINY))
    x = torch.rand(1, 3, 13, 29)
    padded = torch.nn.functional.pad(x, (0, 3, 0, 3), mode="replicate")
    assert padded.shape[-2] % TINY.multiple == padded.shape[-1] % TINY.multiple == 0
    torch.testing.assert_close(model(x), model(padded)[..., :13, :29])


@pytest.mark.parametrize("operator", get_args(Operator))
def test_any_placement_is_a_config(operator: Operator) -> None:
    levels = tuple(dataclasses.replace(level, operator=operator) for level in TINY.levels)
    config = dataclasses.replace(TINY, levels=levels, skip="concat")
    assert awake(RUN(config))(torch.rand(1, 3, 20, 20)).shape == (1, 3, 20, 20)
    assert RUNConfig.from_dict(to_plain(config)) == config


def test_window_attention_equals_a_plain_loop_over_windows() -> None:
    layer = awake(WindowAttention(6, heads=2, window=3)).double()
    assert isinstance(layer, WindowAttention)
    x = torch.rand(1, 6, 6, 9, dtype=torch.float64)
    out = layer(x)
    expected = x.clone()
    for top in (0, 3):
        for left in (0, 3, 6):
            tokens = x[0, :, top : top + 3, left : left + 3].permute(1, 2, 0).reshape(9, 6)
            mixed = torch.empty(9, 6, dtype=torch.float64)
            for head in range(2):
                part = slice(3 * head, 3 * head + 3)
                q, k, v = (f(tokens)[:, part] for f in (layer.query, layer.key, layer.value))
                scores = torch.empty(9, 9, dtype=torch.float64)
                for i in range(9):
                    for j in range(9):
                        offset = (i // 3 - j // 3 + 2) * 5 + (i % 3 - j % 3 + 2)
                        scores[i, j] = q[i] @ k[j] / 3**0.5 + layer.bias[head, offset]
                mixed[:, part] = scores.softmax(-1) @ v
            expected[0, :, top : top + 3, left : left + 3] += layer.project(mixed).T.reshape(6, 3, 3)
    torch.testing.assert_close(out, expected)


def test_channel_attention_equals_normalised_vectors() -> None:
    layer = awake(ChannelAttention(6, heads=2)).double()
    assert isinstance(layer, ChannelAttention)
    x = torch.rand(2, 6, 4, 5, dtype=torch.float64)
    q, k, v = (f(x).flatten(2).view(2, 2, 3, 20) for f in (layer.query, layer.key, layer.value))
    q, k = nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1)
    mixed = (q @ k.mT * layer.temperature).softmax(-1) @ v
    # The layer takes its norms in float32.
    torch.testing.assert_close(layer(x), x + layer.project(mixed.view(2, 6, 4, 5)), rtol=1e-5, atol=1e-6)


def test_macs_and_parameters_agree_with_fvcore() -> None:
    model = RUN(preset("run-s")).eval()
    counter = FlopCountAnalysis(model, torch.rand(1, 3, 128, 128)).unsupported_ops_warnings(False)
    ours = macs_per_pixel(model, 128)
    assert ours == pytest.approx(sum(v for k, v in counter.by_operator().items() if k != "softmax") / 128**2, rel=0.005)
    assert parameters(model) == parameter_count(model)[""]


def test_presets_place_the_operators_as_the_paper_does() -> None:
    for name, config in PRESETS.items():
        operators = [level.operator for level in config.levels]
        assert (operators[0], operators[-1], {*operators[1:-1]}) == ("ssa", "csa", {"conv"}), name
        assert config.levels[0].encoder + config.levels[0].decoder > 0, name
    assert PRESETS["run-b"].stem == PRESETS["run-l"].stem == 1


def test_cpu_presets_are_small() -> None:
    assert macs_per_pixel(RUN(preset("run-t")), 128) < 30_000
    assert macs_per_pixel(RUN(preset("run-s")), 128) < 90_000


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: LevelConfig("attention", 8, 1), "ssa, conv, csa"),  # type: ignore[arg-type]
        (lambda: LevelConfig("ssa", 9, 1, heads=2), "multiple of heads"),
        (lambda: RUNConfig(()), "at least one level"),
        (lambda: RUNConfig((LevelConfig("conv", 8, 1, 1),)), "bottom level has no decoder"),
        (lambda: RUNConfig.from_dict({"levels": [{"operator": "conv", "widht": 8, "encoder": 1}]}), "widht"),
        (lambda: preset("run-x"), "run-"),
    ],
)
def test_impossible_networks_are_refused(make: object, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        make()  # type: ignore[operator]


def test_feed_forward_is_a_residual() -> None:
    layer = ConvFeedForward(4)
    with torch.no_grad():
        layer.project.weight.zero_()
    x = torch.rand(1, 4, 5, 5)
    torch.testing.assert_close(layer(x), x)
