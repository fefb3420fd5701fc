"""The three operators of RUN: SSA Block, Conv Block, CSA Block.

All are free of normalisation layers: a channel LayerNorm costs as much CPU time as several convolutions
(docs/design-notes.md). Each residual branch starts near zero instead, which keeps training stable.
All take and give float tensors B x C x H x W.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Choose = Callable[[Tensor], Tensor]  # a CSA Block's statistics as measured -> those to use
BRANCH_INIT = 0.1  # scale of each residual branch's last layer at the start
SLOPE = 0.1  # of the leaky ReLU below zero


def near_identity(layer: nn.Conv2d | nn.Linear) -> None:
    """Make the last layer of a residual branch small, so that the branch starts as a small change."""
    with torch.no_grad():
        layer.weight.mul_(BRANCH_INIT)
        if layer.bias is not None:
            layer.bias.zero_()


class ConvFeedForward(nn.Module):
    """x + conv3x3(leaky_relu(conv3x3(x))). Dense 3x3 convolutions run near a CPU's arithmetic peak.

    Leaky, since with ReLUs whole blocks closed during training and never opened again; during training a batch norm
    stands behind the first convolution and is folded into it afterwards (docs/design-notes.md).
    """

    def __init__(self, width: int) -> None:
        """Width: channels in and out."""
        super().__init__()
        expand = nn.Conv2d(width, width, 3, padding=1)
        self.expand: nn.Module = expand
        self.project = nn.Conv2d(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(expand.bias)  # type: ignore[arg-type]
        nn.init.kaiming_normal_(expand.weight, SLOPE, nonlinearity="leaky_relu")
        nn.init.kaiming_normal_(self.project.weight, nonlinearity="linear")
        near_identity(self.project)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W -> the same shape."""
        out: Tensor = x + self.project(F.leaky_relu(self.expand(x), SLOPE))
        return out


class WindowAttention(nn.Module):
    """x + spatial self-attention inside windows of side x side positions, with a learned relative position bias.

    Liu et al., "Swin Transformer", ICCV 2021 (windows, bias). H and W must be multiples of the window side (RUN
    pads once for all levels), so no masks are needed and the cost is linear in the number of positions. The
    picture is cut into windows before the projections: one transpose each way instead of one per q, k, v.
    """

    bias_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        """Width: channels; heads: divides width; window: side in positions."""
        super().__init__()
        self.heads, self.window = heads, window
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        near_identity(self.project)
        self.bias = nn.Parameter(torch.zeros(heads, (2 * window - 1) ** 2))
        row, col = (
            axis.flatten() for axis in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        )
        index = (row[:, None] - row + window - 1) * (2 * window - 1) + (col[:, None] - col + window - 1)
        self.register_buffer("bias_index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W with H, W multiples of the window -> the same shape."""
        b, c, h, w = x.shape
        side, n = self.window, self.window**2
        tokens = x.permute(0, 2, 3, 1).reshape(b, h // side, side, w // side, side, c)
        tokens = tokens.permute(0, 1, 3, 2, 4, 5).reshape(-1, n, c)
        q, k, v = (
            layer(tokens).view(-1, n, self.heads, c // self.heads).permute(0, 2, 1, 3)
            for layer in (self.query, self.key, self.value)
        )
        q = q * (c // self.heads) ** -0.5
        # Written out: the fused function treats a bias as a mask and checks it for rows of -inf, at 6% of a step.
        scores = q @ k.transpose(-1, -2) + self.bias[:, self.bias_index].to(q.dtype)
        mixed = scores.softmax(-1).to(v.dtype) @ v
        mixed = self.project(mixed.permute(0, 2, 1, 3).reshape(-1, n, c))
        mixed = mixed.view(b, h // side, w // side, side, side, c).permute(0, 1, 3, 2, 4, 5)
        out: Tensor = x + mixed.reshape(b, h, w, c).permute(0, 3, 1, 2)
        return out


class ChannelAttention(nn.Module):
    """x + self-attention between channels, whose statistics come from all positions at once.

    Zamir et al., "Restormer", CVPR 2022 (transposed attention, L2-normalised queries and keys, a learned
    temperature per head). The normalisation is applied to the small C x C matrix instead of to q and k.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Width: channels; heads: divides width."""
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(width, width, 1)
        self.key = nn.Conv2d(width, width, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.project = nn.Conv2d(width, width, 1)
        near_identity(self.project)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))

    def measure(self, x: Tensor) -> Tensor:
        """What the attention map of x depends on: B x C x H x W -> float32 B x heads x C / heads + 2 x C / heads.

        Means over all positions of k_i q_j, in the last two rows of q_j^2 and k_i^2; so those of a picture are the
        means of its parts'.
        """
        q, k = self._heads(self.query, x), self._heads(self.key, x)
        products = (k.transpose(-1, -2) @ q).float() / (x.shape[2] * x.shape[3])
        return torch.cat((products, q.float().square().mean(2, True), k.float().square().mean(2, True)), 2)

    def forward(self, x: Tensor, choose: Choose | None = None) -> Tensor:
        """B x C x H x W -> the same shape. choose: may replace the measured statistics by others of that shape."""
        measured = self.measure(x)
        weights = self._map(measured if choose is None else choose(measured))
        v = self._heads(self.value, x)
        mixed = (v @ weights.to(v.dtype)).permute(0, 2, 1, 3)
        mixed = mixed.reshape(x.shape[0], *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)
        out: Tensor = x + self.project(mixed)
        return out

    def _map(self, statistics: Tensor) -> Tensor:
        """B x heads x C / heads x C / heads; each column sums to 1."""
        q_norm, k_norm = statistics[:, :, -2:].clamp_min(1e-12).sqrt().unbind(2)
        scores = statistics[:, :, :-2] / (k_norm[..., :, None] * q_norm[..., None, :])
        return (scores * self.temperature).softmax(2)

    def _heads(self, layer: nn.Module, x: Tensor) -> Tensor:
        """B x heads x positions x C / heads."""
        b, c, h, w = x.shape
        cut: Tensor = layer(x).permute(0, 2, 3, 1).reshape(b, h * w, self.heads, c // self.heads).permute(0, 2, 1, 3)
        return cut


class SSABlock(nn.Module):
    """Spatial self-attention (windowed), then a convolutional feed-forward."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        """Width: channels; heads: divides width; window: side in positions."""
        super().__init__()
        self.attention = WindowAttention(width, heads, window)
        self.feed_forward = ConvFeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W with H, W multiples of the window -> the same shape."""
        out: Tensor = self.feed_forward(self.attention(x))
        return out


class CSABlock(nn.Module):
    """Channel self-attention, then a convolutional feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        """Width: channels; heads: divides width."""
        super().__init__()
        self.attention = ChannelAttention(width, heads)
        self.feed_forward = ConvFeedForward(width)

    def forward(self, x: Tensor, choose: Choose | None = None) -> Tensor:
        """B x C x H x W -> the same shape. choose: see ChannelAttention."""
        out: Tensor = self.feed_forward(self.attention(x, choose))
        return out


class ConvBlock(ConvFeedForward):
    """The Conv Block: two dense 3x3 convolutions with one leaky ReLU between, and a residual."""
