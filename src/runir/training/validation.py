"""Validation on held-out pictures: central crops, fixed noise, PSNR of the averaged weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from runir.data.blurs import with_guides
from runir.data.degrade import to_unit
from runir.deconvolution import GuideMaker, estimate_kernel
from runir.degradations import parse_degradation
from runir.evaluation.metrics import psnr
from runir.models.blocks import SLOPE, ConvFeedForward
from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.training.norms import fold_norms
from runir.training.optim import WeightAverage


@dataclass(frozen=True)
class ValidationSet:
    """Named groups of (degraded, clean) crops, float32 H x W x 3 each, but for guides behind the degraded ones."""

    groups: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float32]]]]


def _centre(picture: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
    top, left = (max(0, (side - crop) // 2) for side in picture.shape[:2])
    return picture[top : top + crop, left : left + crop]


def clean_validation(
    pictures: Sequence[NDArray[np.uint8]], levels: Sequence[str], crop: int, guides: int = 0
) -> ValidationSet:
    """Central crops degraded by each level's spec (such as "awgn:25"), with guides; picture k uses seed k."""
    crops = [to_unit(_centre(picture, crop)) for picture in pictures]
    groups = (
        {}
        if not crops
        else {
            level: [
                (_shown(parse_degradation(level).apply(clean, np.random.default_rng(k)), guides), clean)
                for k, clean in enumerate(crops)
            ]
            for level in levels
        }
    )
    return ValidationSet(groups)


def pair_validation(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], crop: int, guides: int = 0
) -> ValidationSet:
    """Central crops of given pairs, with guides, as one group "pairs"."""
    if not pairs:
        return ValidationSet({})
    crops = [
        (_shown(to_unit(_centre(degraded, crop)), guides), to_unit(_centre(clean, crop))) for degraded, clean in pairs
    ]
    return ValidationSet({"pairs": crops})


def _shown(degraded: NDArray[np.float32], guides: int) -> NDArray[np.float32]:
    """With guides by a kernel that is looked for in the crop itself."""
    return with_guides(degraded, GuideMaker(estimate_kernel([degraded]), guides)) if guides else degraded


def averaged_network(config: RUNConfig, average: WeightAverage, device: torch.device) -> RUN:
    """The network that the averaged weights make, as it would ship: without norms, in float32."""
    network: RUN = RUN(config).to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.load_state_dict(fold_norms(average.tensors))
    return network


@torch.no_grad()
def validate(network: RUN, data: ValidationSet, accelerator: Accelerator) -> dict[str, float]:
    """Mean PSNR (dB, 8-bit rounded) per group, on every process; each scores its share of the pictures."""
    rank, ranks, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    sums = [sum(_score(network, pair, device) for pair in pairs[rank::ranks]) for pairs in data.groups.values()]
    if ranks > 1:
        sums = accelerator.reduce(torch.tensor(sums, dtype=torch.float64, device=device), "sum").tolist()
    return {name: total / len(pairs) for (name, pairs), total in zip(data.groups.items(), sums, strict=True)}


def _score(network: RUN, pair: tuple[NDArray[np.float32], NDArray[np.float32]], device: torch.device) -> float:
    degraded, clean = pair
    x = torch.from_numpy(degraded).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
    restored: Tensor = network(x.to(device))
    out = restored[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy()
    return float(psnr(np.rint(out * 255), np.rint(clean * 255)))


WORKING = 0.02  # share of an activation's variance that must not be linear in its input; about 0.2 at a bias of zero


@torch.no_grad()
def working_channels(network: RUN, pictures: Sequence[NDArray[np.float32]], device: torch.device) -> dict[str, float]:
    """Per feed-forward, the share of channels whose activation is at work on these pictures (H x W x inputs).

    A channel whose values stay on one side of the activation's kink is linear. A few that cross it are enough, if they
    matter: counted is the share of the activation's variance that no straight line explains. A block
    without any channel at work is dead weight.
    """
    shares: dict[str, list[Tensor]] = {}

    def watch(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            before = out.float().cpu().double().transpose(0, 1).flatten(1)
            after = F.leaky_relu(before, SLOPE)
            before, after = (v - v.mean(1, keepdim=True) for v in (before, after))
            power, explained = after.square().mean(1), (before * after).mean(1).square()
            explained /= before.square().mean(1).clamp_min(1e-30)
            shares.setdefault(name, []).append(torch.where(power > 1e-12, 1 - explained / power, 0.0))

        return hook

    hooks = [
        module.expand.register_forward_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, ConvFeedForward)
    ]
    for picture in pictures:
        network(torch.from_numpy(picture).permute(2, 0, 1)[None].to(device))
    for handle in hooks:
        handle.remove()
    return {name: float((torch.stack(v).mean(0) > WORKING).double().mean()) for name, v in shares.items()}
