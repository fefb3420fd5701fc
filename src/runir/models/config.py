"""A RUN described by data: one frozen entry per level, so that any placement of operators is a config.

Source of the placement (spatial self-attention on top, convolution in the middle, channel self-attention at
the bottom): Wu, Li, Xu, Huang, Hoi, "RUN: Rethinking the UNet Architecture for Efficient Image Restoration",
IEEE Trans. Multimedia 26, 2024. Widths, depths, window and the blocks' inner design are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from runir.config import build
from runir.deconvolution import GUIDES
from runir.errors import UsageError

Operator = Literal["ssa", "conv", "csa"]
SkipFusion = Literal["add", "concat"]


@dataclass(frozen=True, slots=True)
class LevelConfig:
    """One level of the U.

    operator: "ssa" (SSA Block), "conv" (Conv Block) or "csa" (CSA Block).
    width: channels. encoder, decoder: blocks on the way down and up (the bottom level has no decoder).
    heads: attention heads; divides width; ignored by "conv".
    """

    operator: Operator
    width: int
    encoder: int
    decoder: int = 0
    heads: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.operator not in get_args(Operator):
            raise UsageError(f"operator {self.operator!r}: choose one of {', '.join(get_args(Operator))}")
        if self.width < 1 or self.heads < 1 or self.width % self.heads:
            raise UsageError(f"width {self.width} must be a positive multiple of heads {self.heads}")
        if self.encoder < 0 or self.decoder < 0:
            raise UsageError("encoder and decoder depths must not be negative")


@dataclass(frozen=True, slots=True)
class RUNConfig:
    """A whole network.

    levels: from the top (highest resolution) to the bottom; each level has half the resolution of the one above.
    stem: pixel-unshuffle factor before the top level (1: the top level is at full resolution, 2: at half).
    window: side of the attention window in positions of its level. skip: how a skip joins the decoder.
    channels: picture channels in and out.
    exposure: whether a curve brightens the picture as a whole first (runir.models.exposure).
    guides: pictures that the network is shown beside the degraded one (runir.deconvolution.GuideMaker).
    """

    levels: tuple[LevelConfig, ...]
    stem: int = 2
    window: int = 8
    skip: SkipFusion = "add"
    channels: int = 3
    exposure: bool = False
    guides: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not self.levels:
            raise UsageError("a RUN needs at least one level")
        if self.levels[-1].decoder:
            raise UsageError("the bottom level has no decoder: set its decoder depth to 0")
        if self.skip not in get_args(SkipFusion):
            raise UsageError(f"skip {self.skip!r}: choose one of {', '.join(get_args(SkipFusion))}")
        if self.stem < 1 or self.window < 1 or self.channels < 1:
            raise UsageError("stem, window and channels must be positive")
        if not 0 <= self.guides <= len(GUIDES) or (self.guides and self.exposure):
            raise UsageError(f"guides: 0 to {len(GUIDES)}, and none with an exposure curve")

    @property
    def inputs(self) -> int:
        """Channels that the network is shown: the degraded picture's, then those of each guide."""
        return self.channels * (1 + self.guides)

    @property
    def multiple(self) -> int:
        """Pixels: the network pads height and width up to a multiple of this."""
        need = 1
        for depth, level in enumerate(self.levels):
            step = 2**depth * (self.window if level.operator == "ssa" else 1)
            need = max(need, step)
            if need % step:  # a window that is not a power of two
                need *= step
        return self.stem * need

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RUNConfig:
        """From a card, a recipe or a checkpoint. Raises UsageError for unknown, missing or mistyped keys."""
        return build(cls, data, "network.")
