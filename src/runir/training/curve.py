"""The exposure curve is trained before the network, alone, on thumbnails.

How bright a picture should be is learnt from many pictures, and a network's steps see two or three each; thumbnails
are seen by the thousand in the same time. Behind a curve that stays as it is the network then learns the rest.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import PartialState
from torch import Tensor, nn

from runir.data.samples import THUMBNAIL, PairSource
from runir.models.exposure import GRID, Exposure, brighten, thumbnail
from runir.training.optim import WeightAverage
from runir.training.recipe import CurveSection

STREAM = 13  # sets these random numbers apart from those of samples, (seed, step, index)
DROPOUT = 0.2  # of what the convolutions find
AVERAGE = 0.99  # of the weights
FLOOR = 1e-4  # of the mean squared error: nobody sees less
WARMUP = 0.1  # share of the steps
EVERY = 20.0  # seconds between lines of progress


def train_curve(exposure: nn.Module, source: PairSource, section: CurveSection, seed: int) -> float:
    """Train it in place, the same in each process, and return the PSNR in dB on thumbnails that it was trained on.

    The loss is the logarithm of the mean squared error between the brightened thumbnail and the clean one. Each step
    shows other parts of the thumbnails, the same for its whole batch, half of them mirrored.
    """
    assert isinstance(exposure, Exposure)
    rng, device = np.random.default_rng((seed, STREAM)), _state().device
    exposure.to(device)
    dark, clean = (torch.from_numpy(p).permute(0, 3, 1, 2).to(device) for p in source.thumbnails(rng, section.count))
    optimiser = torch.optim.AdamW(exposure.parameters(), lr=section.rate, weight_decay=section.decay)
    average = WeightAverage(exposure, AVERAGE)
    told = time.monotonic()
    torch.manual_seed(seed)
    for step in range(section.steps):
        optimiser.param_groups[0]["lr"] = section.rate * _factor(step / section.steps)
        chosen = torch.from_numpy(rng.integers(len(dark), size=section.batch)).to(device)
        loss = torch.log(_errors(exposure, *_part(dark[chosen], clean[chosen], rng), DROPOUT) + FLOOR).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        average.update(exposure, step)
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            _say(f"exposure curve: step {step + 1} of {section.steps}")
    exposure.load_state_dict(average.tensors)
    with torch.no_grad():
        psnr = float(-10 * torch.log10(_errors(exposure, dark, clean) + 1e-10).mean())
    _say(f"exposure curve: {section.steps} steps on {len(dark)} thumbnails, {psnr:.2f} dB there")
    return psnr


def _factor(done: float) -> float:
    """Of the rate. Without a warm-up the first steps may close the curve's hyperbolic tangents for good."""
    return min(1.0, done / WARMUP + 0.01) * 0.5 * (1 + math.cos(math.pi * done))


def _part(dark: Tensor, clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    height, width = (int(side) for side in rng.integers(GRID, THUMBNAIL + 1, size=2))
    top, left = int(rng.integers(THUMBNAIL - height + 1)), int(rng.integers(THUMBNAIL - width + 1))
    mirrored = rng.random() < 0.5
    parts = (x[:, :, top : top + height, left : left + width] for x in (dark, clean))
    dark, clean = (x.flip(3) if mirrored else x for x in parts)
    return dark, clean


def _errors(exposure: Exposure, dark: Tensor, clean: Tensor, dropout: float = 0.0) -> Tensor:
    """Mean squared error per picture."""
    found = F.dropout(exposure.findings(thumbnail(dark)), dropout)
    return ((brighten(dark, exposure.coefficients(found)) - clean) ** 2).mean((1, 2, 3))


def _say(line: str) -> None:
    if _state().is_main_process:
        print(line, flush=True)


def _state() -> PartialState:
    return PartialState(cpu=not torch.accelerator.is_available())
