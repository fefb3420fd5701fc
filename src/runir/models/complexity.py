"""Size and cost of a network: parameters and multiply-accumulates (MACs; one MAC is two FLOPs)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from runir.models.blocks import ChannelAttention, WindowAttention
from runir.models.run import RUN


def parameters(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(p.numel() for p in network.parameters())


def macs_per_pixel(network: nn.Module, side: int = 512) -> float:
    """MACs per pixel of a side x side RGB picture: convolutions, linear layers and the attention's matrix products.

    Counted from the shapes that pass each layer in one run on the "meta" device, so nothing is computed. Additions,
    softmax and activations are left out, as is usual; so is what comes before the network (exposure curve, guides).
    """
    import copy

    total = 0

    def convolution(module: nn.Conv2d, _: Any, out: Tensor) -> None:
        nonlocal total
        kernel = module.kernel_size[0] * module.kernel_size[1]
        total += out.numel() * kernel * (module.in_channels // module.groups)

    def linear(module: nn.Linear, _: Any, out: Tensor) -> None:
        nonlocal total
        total += out.numel() * module.in_features

    def window_attention(module: WindowAttention, _: Any, out: Tensor) -> None:
        nonlocal total
        total += 2 * out.numel() * module.window**2

    def channel_attention(module: ChannelAttention, _: Any, out: Tensor) -> None:
        nonlocal total
        total += 2 * out.numel() * (out.shape[1] // module.heads)

    counters: dict[type[nn.Module], Any] = {
        nn.Conv2d: convolution,
        nn.Linear: linear,
        WindowAttention: window_attention,
        ChannelAttention: channel_attention,
    }
    ghost = copy.deepcopy(network).to("meta").eval()
    channels = ghost.config.inputs if isinstance(ghost, RUN) else 3
    for module in ghost.modules():
        if type(module) in counters:
            module.register_forward_hook(counters[type(module)])
    with torch.no_grad():
        ghost(torch.empty(1, channels, side, side, device="meta"))
    return total / side**2
