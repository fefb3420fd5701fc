"""Validation on held-out pictures: central crops, fixed noise, PSNR of the averaged weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from runir.data.samples import to_unit
from runir.degradations import parse_degradation
from runir.evaluation.metrics import psnr
from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.training.optim import WeightAverage


@dataclass(frozen=True)
class ValidationSet:
    """Named groups of (degraded, clean) crops, float32 H x W x 3 each."""

    groups: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float32]]]]


def _centre(picture: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
    top, left = (max(0, (side - crop) // 2) for side in picture.shape[:2])
    return picture[top : top + crop, left : left + crop]


def clean_validation(pictures: Sequence[NDArray[np.uint8]], levels: Sequence[str], crop: int) -> ValidationSet:
    """Central crops degraded by each level's spec (such as "awgn:25"); picture k uses seed k."""
    crops = [to_unit(_centre(picture, crop)) for picture in pictures]
    groups = (
        {}
        if not crops
        else {
            level: [
                (parse_degradation(level).apply(clean, np.random.default_rng(k)), clean)
                for k, clean in enumerate(crops)
            ]
            for level in levels
        }
    )
    return ValidationSet(groups)


def pair_validation(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], crop: int) -> ValidationSet:
    """Central crops of given pairs, as one group "pairs"."""
    if not pairs:
        return ValidationSet({})
    crops = [(to_unit(_centre(degraded, crop)), to_unit(_centre(clean, crop))) for degraded, clean in pairs]
    return ValidationSet({"pairs": crops})


@torch.no_grad()
def validate(config: RUNConfig, average: WeightAverage, data: ValidationSet, device: torch.device) -> dict[str, float]:
    """Mean PSNR (dB, 8-bit rounded) per group, of the averaged weights in float32."""
    network = RUN(config).to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.load_state_dict(average.tensors)
    scores: dict[str, float] = {}
    for name, pairs in data.groups.items():
        values = []
        for degraded, clean in pairs:
            x = torch.from_numpy(degraded).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
            restored: Tensor = network(x.to(device))
            out = restored[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy()
            values.append(psnr(np.rint(out * 255), np.rint(clean * 255)))
        scores[name] = float(np.mean(values))
    return scores
