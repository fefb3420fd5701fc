"""What a run will take on GPUs: estimates from counted MACs and kept bytes, and from assumptions stated here.

Counted: multiply-accumulates per pixel (`runir.models.complexity`), and the bytes that the backward pass needs, of a
step with fake tensors, which have shapes and types but no values. Assumed: the constants below, of which PASSES and
HOST fit what was measured on one H100 (docs/training.md); nobody measured these hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.training.losses import LOSSES
from runir.training.norms import attach_norms
from runir.training.recipe import Recipe

FLOPS_PER_MAC = 6  # two forward; the backward pass costs twice the forward one
ARITHMETIC = 0.4  # share of the peak that convolutions and matrix products reach
BANDWIDTH = 0.7  # share of the memory's peak that everything between them reaches
PASSES = 16  # over a kept value and its gradient: eager kernels each read and write anew, and bf16 copies are made
TEMPORARY = 1.25  # memory for gradients of kept values, work space and gaps, as a factor on kept bytes
CONTEXT = 10**9  # bytes that CUDA and its libraries take
HOST = 0.004  # seconds per block and step that no GPU shortens: launching its kernels and its share of the optimiser's


class GPU(NamedTuple):
    """Data sheet: memory (GB), peak of dense bf16 products summed in float32 (TFLOPS), memory bandwidth (GB/s)."""

    name: str
    memory: int
    tflops: float
    bandwidth: int


GPUS = (
    GPU("RTX 3090, 24 GB", 24, 71, 936),
    GPU("RTX 4090, 24 GB", 24, 165, 1008),
    GPU("A100 SXM, 80 GB", 80, 312, 2039),
    GPU("H100 SXM, 80 GB", 80, 989, 3350),
)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one recipe. macs: per pixel, forward; kept: bytes per pixel for the backward pass; fixed: bytes that do not
    depend on the batch (weights, gradients, average, optimiser, copies of weights in bf16); blocks: of the network."""

    parameters: int
    macs: float
    kept: float
    fixed: float
    blocks: int

    def memory(self, pixels: int) -> float:
        """Bytes on a GPU that computes `pixels` at once."""
        return CONTEXT + self.fixed + TEMPORARY * self.kept * pixels

    def hours(self, pixels: float, steps: int, gpu: GPU, gpus: int = 1) -> float:
        """Hours for so many training pixels in so many steps. Kernels are launched while others run."""
        arithmetic = FLOPS_PER_MAC * self.macs / (ARITHMETIC * gpu.tflops * 1e12)
        traffic = PASSES * self.kept / (BANDWIDTH * gpu.bandwidth * 1e9)
        return max(pixels * (arithmetic + traffic) / gpus, steps * HOST * self.blocks) / 3600


def measure(recipe: Recipe, config: RUNConfig, parameters: int, macs: float, half: bool) -> Costs:
    """Costs of a step. half: computed in bf16, with weights, optimiser and loss in float32."""
    patch = recipe.schedule.phases[0].patch
    one, two = (kept_bytes(recipe, config, batch, patch, half) for batch in (1, 2))
    state = 4 if recipe.optim.optimiser == "muon" else 8  # bytes per parameter of the optimiser
    fixed = parameters * (4 * 3 + state) + max(0, 2 * one - two)
    blocks = sum(level.encoder + level.decoder for level in config.levels)
    return Costs(parameters, macs, (two - one) / patch**2, fixed, blocks)


def kept_bytes(recipe: Recipe, config: RUNConfig, batch: int, patch: int, half: bool) -> int:
    """Bytes that the backward pass of one step needs besides the parameters; nothing is computed."""
    kept: dict[int, Tensor] = {}  # held, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = tensor
        return tensor

    with FakeTensorMode():
        network = RUN(config)
        if recipe.optim.norms:
            attach_norms(network)
        own = {p.untyped_storage()._cdata for p in network.parameters()}
        shown = torch.empty(batch, config.inputs, patch, patch)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                restored = network(shown)
            LOSSES[recipe.loss.name](restored.float(), shown[:, : config.channels])
        return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
