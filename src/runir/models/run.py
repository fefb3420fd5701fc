"""RUN: a U-shaped network assembled from a RUNConfig."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runir.models.blocks import Choose, ConvBlock, CSABlock, SSABlock
from runir.models.config import LevelConfig, RUNConfig
from runir.models.exposure import Exposure


def _blocks(level: LevelConfig, depth: int, window: int) -> nn.Sequential:
    def block() -> nn.Module:
        if level.operator == "ssa":
            return SSABlock(level.width, level.heads, window)
        if level.operator == "csa":
            return CSABlock(level.width, level.heads)
        return ConvBlock(level.width)

    return nn.Sequential(*(block() for _ in range(depth)))


def _through(blocks: nn.Module, x: Tensor, choose: Choose | None) -> Tensor:
    for block in blocks.children():
        x = block(x, choose) if isinstance(block, CSABlock) else block(x)
    return x


class _Up(nn.Module):
    """Doubles the resolution: 1x1 convolution to 4 x width_out channels, then pixel-shuffle."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width_in, 4 * width_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.expand(x), 2)


class RUN(nn.Module):
    """Picture in, restored picture out: x + head(U(stem(x and its guides))).

    Takes B x inputs x H x W (the degraded picture's channels, then those of its guides, if the network has any) and
    gives B x channels x H x W, for any H, W >= 1; values are sRGB in [0, 1] plus noise (not clipped).
    """

    def __init__(self, config: RUNConfig) -> None:
        """Build the network that config describes, with fresh weights."""
        super().__init__()
        self.config = config
        levels = config.levels
        packed = config.channels * config.stem**2
        self.stem = nn.Conv2d(config.inputs * config.stem**2, levels[0].width, 3, padding=1)
        self.exposure = Exposure(config.channels) if config.exposure else nn.Identity()
        self.encoders = nn.ModuleList(_blocks(level, level.encoder, config.window) for level in levels)
        self.decoders = nn.ModuleList(_blocks(level, level.decoder, config.window) for level in levels[:-1])
        pairs = list(itertools.pairwise(levels))
        self.downs = nn.ModuleList(nn.Conv2d(a.width, b.width, 2, stride=2) for a, b in pairs)
        self.ups = nn.ModuleList(_Up(b.width, a.width) for a, b in pairs)
        self.fuses = nn.ModuleList(
            nn.Conv2d(2 * a.width, a.width, 1) if config.skip == "concat" else nn.Identity() for a, _ in pairs
        )
        self.head = nn.Conv2d(levels[0].width, packed, 3, padding=1)
        with torch.no_grad():
            self.head.weight.mul_(0.1)  # starts near the identity: output = input
            if self.head.bias is not None:
                self.head.bias.zero_()

    def forward(self, x: Tensor, thumbnails: Tensor | None = None) -> Tensor:
        """B x inputs x H x W -> B x channels x H x W. thumbnails: what the curve goes by, see `Exposure.forward`."""
        return self.restore(self.exposure(x, thumbnails) if self.config.exposure else x)

    def restore(self, x: Tensor, choose: Choose | None = None) -> Tensor:
        """The same behind the exposure curve: what runs on tiles. The global residual is added to the degraded picture,
        in x's precision.

        choose: is called for each CSA Block in turn, see ChannelAttention: so tiles of a picture can share statistics.
        """
        height, width = x.shape[-2:]
        multiple = self.config.multiple
        pad_h, pad_w = -height % multiple, -width % multiple
        padded = F.pad(x, (0, pad_w, 0, pad_h), mode="replicate") if pad_h or pad_w else x
        # Inside, values are centred, in [-1, 1]: the first layers see both signs.
        residual = self._u(2 * padded - 1, choose)[..., :height, :width]
        return x[:, : self.config.channels] + 0.5 * residual.to(x.dtype)

    def _u(self, x: Tensor, choose: Choose | None) -> Tensor:
        stem = self.config.stem
        y = self.stem(F.pixel_unshuffle(x, stem) if stem > 1 else x)
        skips: list[Tensor] = []
        for index, encoder in enumerate(self.encoders):
            y = _through(encoder, y, choose)
            if index < len(self.downs):
                skips.append(y)
                y = self.downs[index](y)
        for index in reversed(range(len(self.decoders))):
            up, skip = self.ups[index](y), skips[index]
            y = self.fuses[index](torch.cat((up, skip), 1)) if self.config.skip == "concat" else up + skip
            y = _through(self.decoders[index], y, choose)
        y = self.head(y)
        return F.pixel_shuffle(y, stem) if stem > 1 else y

    def restore_sharing(self, x: Tensor, given: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """`restore` with channel attention between this tile's own statistics and given ones.

        Args:
            x: 1 x inputs x H x W.
            given: 1 x `statistics`, those of one CSA Block after another.
            share: 1 x 1; 0: the tile's own, 1: the given ones.

        Returns:
            The restored tile, and its own statistics, 1 x `statistics`.
        """
        measured: list[Tensor] = []
        at = 0

        def choose(own: Tensor) -> Tensor:
            nonlocal at
            measured.append(own.reshape(1, -1))
            size = own[0].numel()
            other = given[:, at : at + size].reshape(own.shape)
            at += size
            return own + share[0] * (other - own)

        restored = self.restore(x, choose)
        return restored, torch.cat(measured, 1)

    @property
    def statistics(self) -> int:
        """How many numbers all CSA Blocks measure of a picture; 0 for a network without such blocks."""
        blocks = (block.attention for block in self.modules() if isinstance(block, CSABlock))
        return sum(width * (width // block.heads + 2) for block in blocks for width in (block.query.out_channels,))
