"""Optimisers: Muon for the weight matrices, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from runir.training.recipe import OptimSection

# Quintic Newton-Schulz coefficients of Jordan et al., "Muon", 2024: drive all singular values towards 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalised: each update has singular values near 1 (Jordan et al., "Muon", 2024).

    A convolution kernel counts as the matrix out x (in * kh * kw). Equal shapes are orthogonalised as one batch,
    which keeps both cores busy with matrix products.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        """Params: tensors of two or more dimensions. lr: peak rate, scaled by sqrt(max(1, rows / columns))."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault((p.shape[0], p.numel() // p.shape[0]), []).append(p)
            for shape, params in shapes.items():
                self._update(params, shape, group)

    def _update(self, params: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        buffers = []
        for p in params:
            state = self.state[p]
            if "momentum" not in state:
                state["momentum"] = torch.zeros(shape, dtype=p.dtype, device=p.device)
            buffers.append(state["momentum"])
        gradients = [p.grad.reshape(shape) for p in params if p.grad is not None]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"]))  # Nesterov
        updates = orthogonalise(updates) * max(1.0, shape[0] / shape[1]) ** 0.5
        for p, update in zip(params, updates, strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.reshape(p.shape), alpha=-group["lr"])


def orthogonalise(matrices: Tensor, rounds: int = 5) -> Tensor:
    """B x M x N -> the nearest (semi-)orthogonal matrices, roughly: singular values in about 0.7 to 1.2."""
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = (x.mT if tall else x).to(product_type(x.device))
    for _ in range(rounds):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    out: Tensor = (x.mT if tall else x).to(matrices.dtype)
    return out


def product_type(device: torch.device) -> torch.dtype:
    """bfloat16 where its matrix products are fast, else float32: a CPU that emulates them takes six times as long."""
    native = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def build_optimisers(model: nn.Module, section: OptimSection) -> list[torch.optim.Optimizer]:
    """Optimisers over all parameters; each group's peak rate is kept under "peak" for the schedule.

    With "muon", the first and last convolutions, biases and tables stay with AdamW: they are not hidden matrices. What
    wants no gradient is left out.
    """
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        leaf = name.rsplit(".", 1)[-1]
        outer = name.split(".")[-2] in ("stem", "head")
        hidden = leaf == "weight" and p.ndim >= 2 and not outer
        (matrices if hidden and section.optimiser == "muon" else rest).append(p)
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=section.rate, betas=section.betas, weight_decay=section.weight_decay, fused=True)
    ]
    if matrices:
        optimisers.append(Muon(matrices, section.matrix_rate, weight_decay=section.matrix_decay))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return optimisers


class WeightAverage:
    """Exponential moving average of a model's numbers (parameters and the norms' statistics), in float32; a short run
    is not held back by the start."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start from the model's present weights."""
        self.decay = decay
        self.tensors = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Mix in the weights after `step` steps."""
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.tensors.values()), list(model.state_dict().values()), 1 - decay)
