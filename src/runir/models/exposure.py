"""The exposure curve: brightens a dark picture as a whole before RUN restores it (ours).

How bright a photograph should be is a question about all of it, so it is answered once per picture, from a thumbnail,
and the answer is a curve: tiles that are restored one by one then share it. The curve is Guo et al.,
"Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020: y <- y + a y (1 - y), several times.
`runir.inference.exposure` computes the same in NumPy, `runir.training.curve` trains it.
"""

from __future__ import annotations

import contextlib
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 24  # the thumbnail's sides, whatever the picture's shape
STRIDES = (1, 2, 2, 1)  # of the 3x3 convolutions that look at it
WIDTHS = (32, 64, 128, 128)
ROUNDS = 8  # of the curve; each at most doubles the slope in the dark
SLOPE = 0.1  # of the leaky ReLU below zero
START = 0.35  # a at the start of training: brightens the dark parts about elevenfold
FLOOR = 1e-4  # below it the square root, which spreads out the dark values, is too steep to train


class Exposure(nn.Module):
    """Picture in, brightened picture out.

    Four convolutions look at the thumbnail as it is and relative to its own mean, what they find is averaged over it,
    and a linear layer turns that into `a` per channel and round.
    """

    def __init__(self, channels: int) -> None:
        """Channels: of the picture."""
        super().__init__()
        sizes = zip(itertools.pairwise((2 * channels, *WIDTHS)), STRIDES, strict=True)
        self.look = nn.ModuleList(nn.Conv2d(a, b, 3, stride, padding=1) for (a, b), stride in sizes)
        self.curve = nn.Linear(WIDTHS[-1], channels * ROUNDS)
        with torch.no_grad():
            self.curve.weight.mul_(0.1)
            self.curve.bias.fill_(torch.atanh(torch.tensor(START)))

    def findings(self, thumbnails: Tensor) -> Tensor:
        """B x C x GRID x GRID -> B x the last width."""
        root = thumbnails.clamp_min(FLOOR).sqrt()
        # Of a dark picture the roots alone are nearly all the same, which trains slowly.
        hidden = torch.cat((2 * root - 1, root / root.mean((1, 2, 3), keepdim=True) - 1), 1)
        for layer in self.look:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        return hidden.mean((2, 3))

    def coefficients(self, findings: Tensor) -> Tensor:
        """B x the last width -> a in (-1, 1), B x C x ROUNDS."""
        found: Tensor = torch.tanh(self.curve(findings))
        return found.reshape(len(found), -1, ROUNDS)

    def forward(self, x: Tensor, thumbnails: Tensor | None = None) -> Tensor:
        """B x C x H x W -> the same shape, in [0, 1]. thumbnails: of the pictures that x shows parts of, B x C x GRID x
        GRID; None: x shows all of them."""
        with _in_float32(x.device.type):
            shown = thumbnail(x.float()) if thumbnails is None else thumbnails
            return brighten(x, self.coefficients(self.findings(shown)))


def thumbnail(x: Tensor, side: int = GRID) -> Tensor:
    """B x C x H x W, H, W >= 1 -> B x C x side x side: means of the pixels that each part touches."""
    return F.adaptive_avg_pool2d(x, side)


def brighten(x: Tensor, coefficients: Tensor) -> Tensor:
    """B x C x H x W and B x C x rounds -> the same shape as x, in [0, 1]."""
    y = x.clamp(0, 1)
    for a in coefficients[..., None, None].unbind(2):
        y = y + a * y * (1 - y)
    return y


def _in_float32(device: str) -> contextlib.AbstractContextManager[object]:
    """Brightness is a matter of small numbers: no bf16 here. ("meta", on which operations are counted, has none.)"""
    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else contextlib.nullcontext()
