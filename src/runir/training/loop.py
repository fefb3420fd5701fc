"""The training loop: batches in, weights out.

One process or several (torchrun, through Accelerate); bf16 where the hardware computes in it. Weights, optimiser,
loss and the global residual stay in float32.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from runir.data.samples import PairSource, StepBatches, batches
from runir.errors import RunirError
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
from runir.training.schedule import phase_ends, pixels_between, rate_factor

MAX_BAD_STEPS = 20  # consecutive non-finite gradients before the run gives up
CALIBRATION = 8  # batches that set the norms of a network with starting weights
TIMED_WARMUP = (10, 40)  # steps not timed, then timed, to turn hours into steps; fewer,
TIMING_SHARE = 0.05  # where they would take more than this share of the hours,
FEWEST_TIMED = 4  # but so many at least
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C; kill, torchrun and job queues; a closed terminal


def hardware_precision() -> Literal["no", "bf16"]:
    """bf16 where the processor (or GPU) computes in it, else plain float32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "no"


@dataclass
class Progress:
    """What a step reports. loss: mean of the whole batch; psnr: of validation, only after one."""

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
        recipe.schedule.check_division(self.accelerator.num_processes)
        torch.manual_seed(recipe.seed)
        self.recipe, self.source = recipe, source
        self.model = model
        self.model.exposure.requires_grad_(False)  # has been trained alone, on thumbnails (runir.training.curve)
        self.model.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.optim.norms:
            self._attach_norms()
        self.average = WeightAverage(self.model, recipe.optim.ema)
        self.loss = LOSSES[recipe.loss.name]
        self.optimisers = build_optimisers(self.model, recipe.optim)
        self.step = 0
        self.total = recipe.schedule.steps or 0
        self.between_steps = True  # weights, optimiser and position belong together
        self.ended = False  # set (on all processes) to end before the last step
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
        """Train to the end, or until `ended`. report: called every log_every steps and after a validation. at_step:
        called after each step with the number of steps done; may save or validate, and returns validation PSNRs if it
        did. Every process calls both, for the same steps.

        The first signal (see STOPPING) is obeyed after the step in hand, so that weights and position belong together
        (KeyboardInterrupt); a second one at once, which may leave half a step behind (`between_steps` tells)."""
        with self._interruptible():
            try:
                self._run(report, at_step)
            except RuntimeError as error:  # a process that was stopped at once, as by a second signal to all of them
                if self._stop:
                    raise KeyboardInterrupt from error
                raise

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop:  # asked twice: at once
                signal.default_int_handler(number, frame)
            self._stop = True

        numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
        # Ignored ones stay ignored (nohup), but for Ctrl-C, which shells turn off for what runs in the background.
        numbers = [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _obey_stop(self) -> None:
        """Raise KeyboardInterrupt on all processes once any of them was asked to stop: none waits for the others."""
        stop = self._stop
        if self.accelerator.num_processes > 1:
            asked = torch.tensor(float(stop), device=self.accelerator.device)
            stop = bool(self.accelerator.reduce(asked, "sum") > 0)
        if stop:
            raise KeyboardInterrupt

    def _run(self, report: Callable[[Progress], None], at_step: Callable[[int], dict[str, float] | None]) -> None:
        if not self.total:
            self.total = self._steps_for(self.recipe.schedule.hours or 0.0)
        self.accelerator.print(f"{self.total} steps, from {self.step}")
        data = self._batches(self.step, self.total, phase_ends(self.recipe.schedule.phases, self.total))
        schedule, pixels, begun = self.recipe.schedule, 0, time.perf_counter()
        while self.step < self.total and not self.ended:
            self._obey_stop()
            batch = next(data)
            self.between_steps = False
            loss, norm = self.train_step(*batch)
            self.step += 1
            self.between_steps = True
            pixels += batch[0].shape[0] * batch[0].shape[2] * batch[0].shape[3] * self.accelerator.num_processes
            paused = time.perf_counter()
            psnr = at_step(self.step)
            begun += time.perf_counter() - paused
            if psnr or self.step % self.recipe.log_every == 0 or self.step == self.total:
                seconds = time.perf_counter() - begun
                rate = pixels / seconds
                left = pixels_between(schedule.phases, self.step, self.total) / rate
                factor = rate_factor(self.step - 1, self.total, schedule)
                mean = float(self.accelerator.reduce(loss, "mean"))
                report(Progress(self.step, self.total, mean, norm.item(), factor, rate / 1e6, left, psnr))

    def train_step(self, degraded: Tensor, clean: Tensor, *thumbnails: Tensor) -> tuple[Tensor, Tensor]:
        """One step on float32 B x C x P x P (and thumbnails, see StepBatches), this process's share of the batch;
        returns its mean loss and the norm of the whole batch's gradient. A non-finite gradient is checked for before
        the step: that step is left out, and 20 in a row end the run with RunirError."""
        if self.recipe.optim.norms:
            freeze_norms(self.model, self.step >= self.recipe.optim.freeze * (self.total or 10**9))
        statistics = norm_statistics(self.model)
        before = [tensor.clone() for tensor in statistics]
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss = self._gradients(degraded, clean, *thumbnails)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optim.clip)
        if not torch.isfinite(norm):
            for tensor, old in zip(statistics, before, strict=True):  # the forward pass has moved them already
                tensor.copy_(old)
            self._bad_steps += 1
            if self._bad_steps >= MAX_BAD_STEPS:
                raise RunirError(f"step {self.step}: {MAX_BAD_STEPS} non-finite gradients in a row; lower the rate")
            return loss, norm
        self._bad_steps = 0
        factor = rate_factor(self.step, self.total or 10**9, self.recipe.schedule)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
            optimiser.step()
        self.average.update(self.model, self.step)
        return loss, norm

    def _gradients(self, *batch: Tensor) -> Tensor:
        """Add up the gradients of the recipe's equal parts, and return the mean loss. Losses are means over samples."""
        device, parts = self.accelerator.device, self.recipe.schedule.accumulate
        total = torch.zeros((), device=device)
        for index, (x, target, *shown) in enumerate(zip(*(tensor.chunk(parts) for tensor in batch), strict=True)):
            # Processes exchange gradients once a step, with the last part.
            last = index == parts - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.network):
                x = x.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
                restored = self.network(x, *(tensor.to(device, non_blocking=True) for tensor in shown))
                loss = self.loss(restored, target.to(device, non_blocking=True)) / parts
                self.accelerator.backward(loss)
            total += loss.detach()
        return total

    # -- lengths -----------------------------------------------------------------------------------------------

    def _batches(self, first: int, total: int, sizes: list[tuple[int, int, int]]) -> Iterator[tuple[Tensor, ...]]:
        accelerator = self.accelerator
        rank, ranks = accelerator.process_index, accelerator.num_processes
        dataset = StepBatches(self.source, sizes, self.recipe.seed, rank, ranks)
        return batches(dataset, first, total, self.recipe.data.workers)

    def _steps_for(self, hours: float) -> int:
        """Steps that fit into `hours`, from the speed of a few real steps of each phase, which are then undone."""
        saved = {name: tensor.clone() for name, tensor in self.tensors().items()}
        phases = self.recipe.schedule.phases
        limit = TIMING_SHARE * hours * 3600 / len(phases)
        seconds_per_pixel = sum(p.share * self._seconds_per_step(p, limit) / (p.batch * p.patch**2) for p in phases)
        self._undo(saved)
        budget = hours * 3600 / seconds_per_pixel
        return max(1, round(sum(p.share * budget / (p.batch * p.patch**2) for p in phases)))

    def _seconds_per_step(self, phase: Phase, limit: float) -> float:
        """Mean over all processes and some steps, the later ones of what fits into `limit` seconds."""
        skip, timed = TIMED_WARMUP
        accelerator, seconds, begun = self.accelerator, list[float](), time.perf_counter()
        for batch in self._batches(0, skip + timed, [(skip + timed, phase.batch, phase.patch)]):
            self._obey_stop()
            self.train_step(*batch)
            own = torch.tensor(time.perf_counter() - begun, device=accelerator.device)
            seconds.append(float(accelerator.reduce(own, "mean")))  # the same everywhere, and so is what follows
            begun = time.perf_counter()
            if sum(seconds) > limit and len(seconds) >= FEWEST_TIMED:
                break
        later = seconds[min(skip, len(seconds) // 2) :]
        return sum(later) / len(later)

    def _undo(self, saved: dict[str, Tensor]) -> None:
        self.model.load_state_dict(part(saved, "model"))
        for name, tensor in self.average.tensors.items():
            tensor.copy_(saved[f"ema.{name}"])
        for optimiser in self.optimisers:
            optimiser.state.clear()
        self._bad_steps = 0
