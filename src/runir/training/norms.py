"""Batch norms for training only: attached to a network before a run, folded into its convolutions afterwards.

Without them the feed-forwards of the middle levels drifted to one side of their activation and stayed linear
(docs/design-notes.md). What ships has none, so they cost nothing at inference. For the last part of a run the
statistics are frozen: the network is then trained exactly as it will be folded.

Ioffe and Szegedy, "Batch Normalization", ICML 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

from runir.models.blocks import ConvFeedForward

EPS = 1e-5
MOMENTUM = 0.02  # of the running statistics: batches mix noise levels, so they need a long memory


class NormedConv(nn.Module):
    """A 3x3 convolution, then a batch norm (per-channel mean, variance, gain, bias)."""

    mean: Tensor
    variance: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        """conv: the plain convolution with a bias; its weight and bias become this layer's."""
        super().__init__()
        width = conv.out_channels
        self.weight = conv.weight
        self.bias = conv.bias
        self.gain = nn.Parameter(torch.ones(width))
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
        return F.batch_norm(y, self.mean, self.variance, self.gain, self.bias, self.training, MOMENTUM, EPS)

    def _norm_across_processes(self, y: Tensor) -> Tensor:
        """As one process with all of the samples would (PyTorch's own synchronised norm is for GPUs only)."""
        processes = distributed.get_world_size()
        count = processes * y.numel() // y.shape[1]
        moments = torch.stack((y.mean((0, 2, 3)), y.square().mean((0, 2, 3)))) / processes
        mean, square = all_reduce(moments).unbind()
        variance = square - mean.square()
        with torch.no_grad():
            self.mean.lerp_(mean, MOMENTUM)
            self.variance.lerp_(variance * (count / max(1, count - 1)), MOMENTUM)
        gain = self.gain * (variance + EPS).rsqrt()
        return y * gain[:, None, None] + (self.bias - mean * gain)[:, None, None]


def attach_norms(model: nn.Module) -> None:
    """Put a batch norm behind the first convolution of every feed-forward. Changes the model in place."""
    for module in model.modules():
        if isinstance(module, ConvFeedForward) and isinstance(module.expand, nn.Conv2d):
            module.expand = NormedConv(module.expand)


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set fresh norms so that a network that was trained without them (or folded) still computes what it did.

    batches: degraded samples, float32 B x C x H x W. Statistics are measured on them; gains and biases then undo
    the normalisation.
    """
    layers = _normed(model)
    sums = [torch.zeros(2, layer.gain.numel()) for layer in layers]
    counts = [0] * len(layers)

    def measure(index: int, x: Tensor) -> None:
        flat = layers[index].convolve(x).float().transpose(0, 1).flatten(1)
        sums[index] += torch.stack((flat.sum(1), flat.square().sum(1))).cpu()
        counts[index] += flat.shape[1]

    hooks = []
    for index, layer in enumerate(layers):
        layer.mean.zero_()
        layer.variance.fill_(1 - EPS)  # while measuring, only the bias acts
        layer.gain.fill_(1)
        hooks.append(layer.register_forward_pre_hook(lambda _, args, index=index: measure(index, args[0])))  # type: ignore[misc]
    model.eval()
    for batch in batches:
        model(batch)
    model.train()
    for hook in hooks:
        hook.remove()
    for layer, total, count in zip(layers, sums, counts, strict=True):
        mean = (total[0] / count).to(layer.mean.device)
        variance = (total[1] / count).to(layer.mean.device) - mean.square()
        layer.mean.copy_(mean)
        layer.variance.copy_(variance.clamp_min(EPS))
        layer.gain.copy_((layer.variance + EPS).sqrt())
        layer.bias += mean


def freeze_norms(model: nn.Module, frozen: bool) -> None:
    """Use the running statistics (frozen) or those of each batch; gains and biases are trained in both cases."""
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
            gain = folded.pop(f"{base}.gain") * (folded.pop(name) + EPS).rsqrt()
            folded[f"{base}.weight"] = tensors[f"{base}.weight"] * gain[:, None, None, None]
            folded[f"{base}.bias"] = tensors[f"{base}.bias"] - folded.pop(f"{base}.mean") * gain
    return folded


def _normed(model: nn.Module) -> list[NormedConv]:
    return [module for module in model.modules() if isinstance(module, NormedConv)]
