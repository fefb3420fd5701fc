"""Losses on (restored, clean), float32 B x C x H x W each -> one scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-3
RELATIVE_FLOOR = 3e-2


def charbonnier(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 1e-6): Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017."""
    return ((restored - clean).square() + EPSILON**2).sqrt().mean()


def relative_charbonnier(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean over samples of log(Charbonnier + 0.03): weighs each sample by the inverse of its own error (ours).

    PSNR is a logarithm too: with a plain mean, heavy noise would own most of the gradient. The 0.03 (7.5 levels of
    255) keeps nearly clean samples from owning it instead (docs/design-notes.md).
    """
    per_sample = ((restored - clean).square() + EPSILON**2).sqrt().mean((1, 2, 3))
    return torch.log(per_sample + RELATIVE_FLOOR).mean()


def psnr_loss(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean over samples of log(MSE), negative PSNR up to a factor: Chen et al., "NAFNet", ECCV 2022."""
    return torch.log((restored - clean).square().mean((1, 2, 3)) + EPSILON**2).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "charbonnier": charbonnier,
    "psnr": psnr_loss,
    "relative-charbonnier": relative_charbonnier,
}
