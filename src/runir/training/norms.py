"""Batch norms for training only: attached to a network before a run, folded into its convolutions afterwards.

Without them the feed-forwards of the middle levels drifted to one side of their activation and stayed linear
(docs/design-notes.md). What ships has none, so they cost nothing at inference. For the last part of a run the
statistics are frozen: the network is then trained exactly as it will be folded.

Ioffe and Szegedy, "Batch Normalization", ICML 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

from runir.models.blocks import ConvFeedForward

EPS = 1e-5
REACH = 1.0  # standard deviations that an activation's kink may lie away from its channel's mean
MOMENTUM = 0.02  # of the running statistics: batches mix noise levels, so they need a long memory


class NormedConv(nn.Module):
    """A 3x3 convolution, then a batch norm: gain * ((y - mean) / deviation + reach * tanh(shift / reach)) per channel.

    The shift is bounded, so that the activation behind cannot be closed: with a free one, all feed-forwards of the
    bottom level drifted two deviations to its linear side within some thousand steps, and stayed there.
    """

    mean: Tensor
    variance: Tensor
    reach: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        """conv: the plain convolution with a bias; its weight and bias become this layer's."""
        super().__init__()
        width = conv.out_channels
        self.weight = conv.weight
        self.shift = nn.Parameter(torch.zeros(width))
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("reach", torch.full((width,), REACH))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def convolve(self, x: Tensor) -> Tensor:
        """What the norm sees: B x C x H x W -> B x out x H x W."""
        return F.conv2d(x, self.weight, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> B x out x H x W."""
        y = self.convolve(x)
        if self.training and distributed.is_initialized() and distributed.get_world_size() > 1:
            return self._norm_across_processes(y.float())
        return F.batch_norm(y, self.mean, self.variance, self.gain, self.bias(), self.training, MOMENTUM, EPS)

    def bias(self) -> Tensor:
        """The shift that is added after the gain."""
        return self.gain * bounded(self.shift, self.reach)

    def _norm_across_processes(self, y: Tensor) -> Tensor:
        """As one process with all of the samples would (PyTorch's own synchronised norm is for GPUs only)."""
        processes = distributed.get_world_size()
        count = processes * y.numel() // y.shape[1]
        moments = torch.stack((y.mean((0, 2, 3)), y.square().mean((0, 2, 3)))) / processes
        mean, square = all_reduce(moments).unbind()  # type: ignore[no-untyped-call]
        variance = (square - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.mean.lerp_(mean, MOMENTUM)
            self.variance.lerp_(variance * (count / max(1, count - 1)), MOMENTUM)
        gain = self.gain * (variance + EPS).rsqrt()
        normed: Tensor = y * gain[:, None, None] + (self.bias() - mean * gain)[:, None, None]
        return normed


def bounded(shift: Tensor, reach: Tensor) -> Tensor:
    """The shift in standard deviations, at most `reach` to either side."""
    return reach * torch.tanh(shift / reach)


def attach_norms(model: nn.Module) -> None:
    """Put a batch norm behind the first convolution of every feed-forward of a fresh network (biases zero)."""
    for module in _plain(model):
        module.expand = NormedConv(cast(nn.Conv2d, module.expand))


@torch.no_grad()
def attach_calibrated_norms(model: nn.Module, batches: Iterable[Tensor], reopen: bool = False) -> None:
    """The same for a trained network without norms (or with folded ones), so that it still computes what it did.

    batches: degraded samples, float32 B x C x H x W; statistics are measured on them, gains and shifts then undo the
    normalisation. A kink that lies beyond the usual reach keeps its place and gets a longer reach; with `reopen` it is
    moved to 0.9 of the usual reach instead, which changes what the network computes.
    """
    blocks = _plain(model)
    convs = [cast(nn.Conv2d, block.expand) for block in blocks]
    sums = [torch.zeros(2, conv.out_channels, dtype=torch.float64) for conv in convs]
    counts = [0] * len(convs)

    def measure(index: int, out: Tensor) -> None:
        flat = out.float().cpu().double().transpose(0, 1).flatten(1)
        sums[index] += torch.stack((flat.sum(1), flat.square().sum(1)))
        counts[index] += flat.shape[1]

    hooks = [conv.register_forward_hook(lambda _, __, out, i=i: measure(i, out)) for i, conv in enumerate(convs)]
    for batch in batches:
        model(batch)
    for hook in hooks:
        hook.remove()
    for block, conv, total, count in zip(blocks, convs, sums, counts, strict=True):
        layer = NormedConv(conv)
        mean, square = total / count
        variance = (square - mean.square()).clamp_min(EPS).float().to(conv.weight.device)
        mean = mean.float().to(conv.weight.device)
        gain = (variance + EPS).sqrt()
        place = mean / gain
        reach = torch.full_like(place, REACH) if reopen else (1.05 * place.abs()).clamp_min(REACH)
        place = place.clamp(-0.9 * REACH, 0.9 * REACH) if reopen else place
        layer.mean.copy_(mean if conv.bias is None else mean - conv.bias)
        layer.variance.copy_(variance)
        layer.gain.copy_(gain)
        layer.reach.copy_(reach)
        layer.shift.copy_(reach * torch.atanh(place / reach))
        block.expand = layer


def norm_statistics(model: nn.Module) -> list[Tensor]:
    """The running means and variances themselves, which every forward pass in training moves."""
    return [tensor for layer in _normed(model) for tensor in (layer.mean, layer.variance)]


def freeze_norms(model: nn.Module, frozen: bool) -> None:
    """Use the running statistics (frozen) or those of each batch; gains and shifts are trained in both cases."""
    for layer in _normed(model):
        layer.train(not frozen)


def fold_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the network without norms that computes the same as the one with frozen norms.

    tensors: a state of a network after attach_norms (or one without norms, which comes back as it is).
    """
    folded = dict(tensors)
    for name in tensors:
        base, _, last = name.rpartition(".")
        if last == "variance":
            gain = folded.pop(f"{base}.gain")
            scale = gain * (folded.pop(name) + EPS).rsqrt()
            shift = bounded(folded.pop(f"{base}.shift"), folded.pop(f"{base}.reach"))
            folded[f"{base}.weight"] = tensors[f"{base}.weight"] * scale[:, None, None, None]
            folded[f"{base}.bias"] = gain * shift - folded.pop(f"{base}.mean") * scale
    return folded


def _plain(model: nn.Module) -> list[ConvFeedForward]:
    blocks = (module for module in model.modules() if isinstance(module, ConvFeedForward))
    return [block for block in blocks if isinstance(block.expand, nn.Conv2d)]


def _normed(model: nn.Module) -> list[NormedConv]:
    return [module for module in model.modules() if isinstance(module, NormedConv)]
