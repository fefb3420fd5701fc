"""The exposure curve: brightens a dark picture as a whole before RUN restores it (ours).

How bright a photograph should be is a question about all of it, so it is answered once per picture, from a reduced
copy, and the answer is a curve: tiles that are restored one by one then share it. The curve is Guo et al.,
"Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020: y <- y + a y (1 - y), several times.
`runir.inference.exposure` computes the same in NumPy.
"""

from __future__ import annotations

import contextlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELL = 8  # pixels: the side of the squares whose means are looked at
ROUNDS = 8  # of the curve; each at most doubles the slope in the dark
WIDTH = 32
SLOPE = 0.1  # of the leaky ReLU below zero
START = 0.35  # a at the start of training: brightens the dark parts about elevenfold
FLOOR = 1e-4  # below it the square root, which spreads out the dark values, is too steep to train


class Exposure(nn.Module):
    """Picture in, brightened picture out.

    The means of small squares pass two pointwise layers and are averaged over the picture (any number of squares, in
    any order: Zaheer et al., "Deep Sets", NeurIPS 2017); a linear layer turns that into `a` per channel and round.
    """

    def __init__(self, channels: int) -> None:
        """Channels: of the picture."""
        super().__init__()
        self.look = nn.Linear(channels, WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.curve = nn.Linear(WIDTH, channels * ROUNDS)
        with torch.no_grad():
            self.curve.weight.mul_(0.1)
            self.curve.bias.fill_(torch.atanh(torch.tensor(START)))

    def coefficients(self, cells: Tensor) -> Tensor:
        """Means of squares, B x any number x C -> a in (-1, 1), B x C x ROUNDS."""
        tokens = cells.clamp_min(FLOOR).sqrt()
        hidden = F.leaky_relu(self.look(2 * tokens - 1), SLOPE)
        hidden = F.leaky_relu(self.mix(hidden), SLOPE).mean(1)
        return torch.tanh(self.curve(hidden)).view(cells.shape[0], cells.shape[2], ROUNDS)

    def forward(self, x: Tensor, cells: Tensor | None = None) -> Tensor:
        """B x C x H x W -> the same shape, in [0, 1]. cells: of the pictures that x shows parts of, B x any number x C;
        None: x shows all of them."""
        with _in_float32(x.device.type):
            a = self.coefficients(_cells(x.float()) if cells is None else cells)[..., None, None]
        y = x.clamp(0, 1)
        for index in range(ROUNDS):
            y = y + a[:, :, index] * y * (1 - y)
        return y


def _in_float32(device: str) -> contextlib.AbstractContextManager[object]:
    """Brightness is a matter of small numbers: no bf16 here. ("meta", on which operations are counted, has none.)"""
    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else contextlib.nullcontext()


def _cells(x: Tensor) -> Tensor:
    """B x C x H x W -> means of squares of CELL pixels, B x their number x C; a picture no larger than one stays."""
    means = F.avg_pool2d(x, CELL, ceil_mode=True, count_include_pad=False) if min(x.shape[-2:]) > CELL else x
    return means.flatten(2).transpose(1, 2)
