"""The training loop: batches in, weights out.

One process or several (torchrun, through Accelerate); bf16 where the hardware computes in it. Weights, optimiser,
loss and the global residual stay in float32.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from runir.data.samples import PairSource, StepBatches, batches
from runir.errors import RunirError, UsageError
from runir.models.run import RUN
from runir.training.checkpoint import (
    last_line,
    load_optimiser,
    optimiser_tensors,
    part,
    prefixed,
)
from runir.training.losses import LOSSES
from runir.training.norms import attach_calibrated_norms, attach_norms, freeze_norms, norm_statistics
from runir.training.optim import WeightAverage, build_optimisers
from runir.training.recipe import Phase, Recipe

MAX_BAD_STEPS = 20  # consecutive non-finite gradients before the run gives up
CALIBRATION = 8  # batches that set the norms of a network with starting weights
TIMED_WARMUP = (10, 40)  # steps not timed, then timed, to turn hours into steps


def hardware_precision() -> Literal["no", "bf16"]:
    """bf16 where the processor (or GPU) computes in it, else plain float32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "no"


def phase_ends(phases: Sequence[Phase], total: int) -> list[tuple[int, int, int]]:
    """(last step, batch, patch) per phase so that each gets its share of all pixels in `total` steps."""
    weights = [p.share / (p.batch * p.patch**2) for p in phases]
    ends, done = [], 0.0
    for phase, weight in zip(phases, weights, strict=True):
        done += weight / sum(weights)
        ends.append((round(total * done), phase.batch, phase.patch))
    last = ends[-1]
    return [*ends[:-1], (total, last[1], last[2])]


def rate_factor(step: int, total: int, warmup: int) -> float:
    """Share of the peak rate at this step: linear warm-up times half a cosine that ends at zero."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    return rise * 0.5 * (1 + math.cos(math.pi * step / total))


@dataclass
class Progress:
    """What a step reports. psnr: of validation, only after one."""

    step: int
    total: int
    loss: float
    gradient_norm: float
    rate: float
    mpx_per_s: float
    eta_s: float
    psnr: dict[str, float] | None = None


class Trainer:
    """A run: network, optimisers, average, position. Build it, optionally load(), then run()."""

    def __init__(self, recipe: Recipe, model: RUN, source: PairSource) -> None:
        """Model: the network with its starting weights. source: draws training pairs."""
        precision = {"auto": hardware_precision(), "f32": "no", "bf16": "bf16"}[recipe.precision]
        AcceleratorState._reset_state()  # Accelerate keeps one precision per process; a second run may want another
        # Said outright: without cpu=True Accelerate takes processes on CPUs for strangers to each other.
        self.accelerator = Accelerator(mixed_precision=precision, cpu=not torch.accelerator.is_available())
        ranks = self.accelerator.num_processes
        if any(phase.batch % ranks for phase in recipe.schedule.phases):
            raise UsageError(f"schedule.phases: every batch must be a multiple of the {ranks} processes")
        torch.manual_seed(recipe.seed)
        self.recipe, self.source = recipe, source
        self.model = model
        self.model.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.optim.norms:
            self._attach_norms()
        self.average = WeightAverage(self.model, recipe.optim.ema)
        self.loss = LOSSES[recipe.loss.name]
        self.optimisers = build_optimisers(self.model, recipe.optim)
        self.step = 0
        self.total = recipe.schedule.steps or 0
        self.between_steps = True  # weights, optimiser and position belong together
        self._bad_steps = 0
        self._stop = False
        self.network = self.accelerator.prepare(torch.compile(self.model) if recipe.compile else self.model)

    def _attach_norms(self) -> None:
        if self.recipe.model.start is None:
            attach_norms(self.model)
        else:
            phase = self.recipe.schedule.phases[0]
            data = StepBatches(self.source, [(CALIBRATION, phase.batch, phase.patch)], self.recipe.seed)
            batches = (data[i][0].to(self.accelerator.device) for i in range(CALIBRATION))
            attach_calibrated_norms(self.model, batches, self.recipe.optim.reopen)
        self.model.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    # -- state -------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the run needs to go on."""
        found = prefixed(self.model.state_dict(), "model") | prefixed(self.average.tensors, "ema")
        for index, optimiser in enumerate(self.optimisers):
            found |= prefixed(optimiser_tensors(optimiser), f"optimiser{index}")
        return found

    def state(self) -> dict[str, Any]:
        """Position and length. Sample randomness is a function of (seed, step), so the step is the data position."""
        return {"step": self.step, "total": self.total, "seed": self.recipe.seed}

    def load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go on from tensors() and state() of an earlier run of the same recipe."""
        try:
            self.model.load_state_dict(part(tensors, "model"))
            ema = part(tensors, "ema")
            for name, tensor in self.average.tensors.items():
                tensor.copy_(ema[name])
            for index, optimiser in enumerate(self.optimisers):
                load_optimiser(optimiser, part(tensors, f"optimiser{index}"))
            self.step, self.total = int(state["step"]), int(state["total"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunirError(
                f"the checkpoint does not fit this recipe ({last_line(error)}); choose another --out"
            ) from error

    # -- running -----------------------------------------------------------------------------------------------

    def run(self, report: Callable[[Progress], None], at_step: Callable[[int], dict[str, float] | None]) -> None:
        """Train to the end. report: called every log_every steps and after a validation. at_step: called after
        each step with the number of steps done; may save or validate, and returns validation PSNRs if it did.

        Ctrl-C is obeyed after the step in hand, so that weights and position belong together (KeyboardInterrupt);
        a second one at once, which may leave half a step behind (`between_steps` tells)."""
        with self._interruptible():
            self._run(report, at_step)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop:  # asked twice: at once
                signal.default_int_handler(number, frame)
            self._stop = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _run(self, report: Callable[[Progress], None], at_step: Callable[[int], dict[str, float] | None]) -> None:
        if not self.total:
            self.total = self._steps_for(self.recipe.schedule.hours or 0.0)
        self.accelerator.print(f"{self.total} steps, from {self.step}")
        data = self._batches(self.step, self.total)
        pixels, begun = 0, time.perf_counter()
        while self.step < self.total:
            if self._stop:
                raise KeyboardInterrupt
            degraded, clean = next(data)
            self.between_steps = False
            loss, norm = self.train_step(degraded, clean)
            self.step += 1
            self.between_steps = True
            pixels += degraded.shape[0] * degraded.shape[2] * degraded.shape[3] * self.accelerator.num_processes
            paused = time.perf_counter()
            psnr = at_step(self.step)
            begun += time.perf_counter() - paused
            if psnr or self.step % self.recipe.log_every == 0 or self.step == self.total:
                seconds = time.perf_counter() - begun
                rate = pixels / seconds
                left = self._pixels(self.step, self.total) / rate
                factor = rate_factor(self.step - 1, self.total, self.recipe.schedule.warmup)
                report(Progress(self.step, self.total, loss.item(), norm.item(), factor, rate / 1e6, left, psnr))

    def train_step(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """One step on float32 B x C x P x P; returns the loss and the gradient's norm. A non-finite gradient is
        checked for before the step: that step is left out, and 20 in a row end the run with RunirError."""
        if self.recipe.optim.norms:
            freeze_norms(self.model, self.step >= self.recipe.optim.freeze * (self.total or 10**9))
        device = self.accelerator.device
        statistics = norm_statistics(self.model)
        before = [tensor.clone() for tensor in statistics]
        degraded = degraded.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        restored = self.network(degraded)
        loss = self.loss(restored, clean.to(device, non_blocking=True))
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optim.clip)
        if not torch.isfinite(norm):
            for tensor, old in zip(statistics, before, strict=True):  # the forward pass has moved them already
                tensor.copy_(old)
            self._bad_steps += 1
            if self._bad_steps >= MAX_BAD_STEPS:
                raise RunirError(f"step {self.step}: {MAX_BAD_STEPS} non-finite gradients in a row; lower the rate")
            return loss.detach(), norm
        self._bad_steps = 0
        factor = rate_factor(self.step, self.total or 10**9, self.recipe.schedule.warmup)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
            optimiser.step()
        self.average.update(self.model, self.step)
        return loss.detach(), norm

    # -- lengths -----------------------------------------------------------------------------------------------

    def _sizes(self, total: int) -> list[tuple[int, int, int]]:
        return phase_ends(self.recipe.schedule.phases, total)

    def _pixels(self, first: int, total: int) -> int:
        done, pixels = first, 0
        for last, batch, patch in self._sizes(total):
            pixels += max(0, last - done) * batch * patch**2
            done = max(done, last)
        return pixels

    def _batches(self, first: int, total: int) -> Iterator[tuple[Tensor, Tensor]]:
        accelerator = self.accelerator
        rank, ranks = accelerator.process_index, accelerator.num_processes
        dataset = StepBatches(self.source, self._sizes(total), self.recipe.seed, rank, ranks)
        return batches(dataset, first, total, self.recipe.data.workers)

    def _steps_for(self, hours: float) -> int:
        """Steps that fit into `hours`, from the speed of a few real steps of each phase, which are then undone."""
        saved = {name: tensor.clone() for name, tensor in self.tensors().items()}
        skip, timed = TIMED_WARMUP
        accelerator, seconds_per_pixel = self.accelerator, 0.0
        for phase in self.recipe.schedule.phases:
            one = [(skip + timed, phase.batch, phase.patch)]
            dataset = StepBatches(
                self.source, one, self.recipe.seed, accelerator.process_index, accelerator.num_processes
            )
            begun = 0.0
            data = batches(dataset, 0, skip + timed, self.recipe.data.workers)
            for index, (degraded, clean) in enumerate(data):
                if self._stop:
                    raise KeyboardInterrupt
                if index == skip:
                    begun = time.perf_counter()
                self.train_step(degraded, clean)
            pixels = timed * phase.batch * phase.patch**2
            seconds_per_pixel += phase.share * (time.perf_counter() - begun) / pixels
        self._undo(saved)
        own = torch.tensor(seconds_per_pixel, device=accelerator.device)
        budget = hours * 3600 / float(accelerator.reduce(own, "mean"))
        return max(1, round(sum(p.share * budget / (p.batch * p.patch**2) for p in self.recipe.schedule.phases)))

    def _undo(self, saved: dict[str, Tensor]) -> None:
        self.model.load_state_dict(part(saved, "model"))
        for name, tensor in self.average.tensors.items():
            tensor.copy_(saved[f"ema.{name}"])
        for optimiser in self.optimisers:
            optimiser.state.clear()
        self._bad_steps = 0
