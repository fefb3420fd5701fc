"""What a run would do, for `runir train --dry-run`: nothing is trained, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from runir.errors import UsageError
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.run import RUN
from runir.training.costs import GPU, GPUS, Costs, measure
from runir.training.loop import hardware_precision
from runir.training.network import network_config
from runir.training.recipe import Recipe
from runir.training.schedule import phase_ends, pixels_between
from runir.training.session import check_run_folder
from runir.training.survey import Line, survey

SIDE = 256  # of the picture whose MACs are counted
MANY = 8  # GPUs of the last column


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe, its costs, and what its folders hold. half: whether costs are for bf16."""

    recipe: Recipe
    costs: Costs
    half: bool
    data: tuple[Line, ...]

    @property
    def ready(self) -> bool:
        """Whether training could begin with these folders."""
        return not any(line.wrong for line in self.data)

    @property
    def pixels(self) -> int | None:
        """Pixels of the whole run, if its length is given in steps."""
        steps = self.recipe.schedule.steps
        return None if steps is None else pixels_between(self.recipe.schedule.phases, 0, steps)

    def at_once(self, parts: int) -> int:
        """The most pixels of a step when its batch is computed in so many parts."""
        return max(phase.batch // parts * phase.patch**2 for phase in self.recipe.schedule.phases)

    def parts_for(self, memory: float) -> int | None:
        """The fewest parts (`schedule.accumulate`) with which a step fits into so many bytes, if any does."""
        phases = self.recipe.schedule.phases
        able = [n for n in range(1, min(p.batch for p in phases) + 1) if not any(p.batch % n for p in phases)]
        return next((n for n in able if self.costs.memory(self.at_once(n)) <= memory), None)


def make_plan(recipe: Recipe, folders: Sequence[Path], listed: frozenset[str], out: Path | None = None) -> Plan:
    """Count and look. listed: names that the recipe's list holds out. out: the run folder. Raises UsageError for an
    unknown preset; what is wrong with folders is in the plan."""
    config = network_config(recipe)
    with torch.device("meta"):
        network = RUN(config)
    half = recipe.precision == "bf16" or (
        recipe.precision == "auto" and (recipe.schedule.steps is not None or hardware_precision() == "bf16")
    )
    costs = measure(recipe, config, parameters(network), macs_per_pixel(network, SIDE), half)
    lines = survey(recipe, folders, listed)
    try:
        if out is not None:
            check_run_folder(out)
    except UsageError as error:
        lines.append(Line(str(error), wrong=True))
    return Plan(recipe, costs, half, tuple(lines))


def in_words(plan: Plan) -> str:
    """The plan as text, for people."""
    recipe, costs = plan.recipe, plan.costs
    optim = recipe.optim
    rate = f"{optim.rate:g}" + (f", matrices {optim.matrix_rate:g}" if optim.optimiser == "muon" else "")
    lines = [
        f"{recipe.name}: {'would train' if plan.ready else 'could not start'}; this is a dry run, nothing is written",
        f"network    {costs.parameters:,} parameters, {round(costs.macs):,} MACs per pixel",
        f"steps      {_steps(plan)}",
        f"optimiser  {optim.optimiser}, peak rate {rate}, average {optim.ema:g}; loss {recipe.loss.name}; "
        f"{'bf16' if plan.half else 'float32'}",
        *(f"{_tag(line):<10} {line.text}" for line in plan.data),
    ]
    return "\n".join([*lines, *(_estimates(plan) if plan.pixels is not None else [_here(plan)])])


def _tag(line: Line) -> str:
    return "MISSING" if line.wrong else "SHORT" if line.short else "data"


def _steps(plan: Plan) -> str:
    schedule = plan.recipe.schedule
    sizes = [f"{p.batch} x {p.patch} x {p.patch}" for p in schedule.phases]
    if schedule.steps is None or plan.pixels is None:
        shares = ", ".join(f"{p.share:.0%} of {size}" for p, size in zip(schedule.phases, sizes, strict=True))
        return f"as many as fit into {schedule.hours:g} hours, which a timed warm-up tells; pixels: {shares}"
    done, parts = 0, []
    for (last, _, _), size in zip(phase_ends(schedule.phases, schedule.steps), sizes, strict=True):
        parts.append(f"{last - done:,} of {size}")
        done = last
    return f"{schedule.steps:,}, {plan.pixels / 1e9:.1f} Gpx: {', '.join(parts)}"


def _here(plan: Plan) -> str:
    memory = plan.costs.memory(plan.at_once(plan.recipe.schedule.accumulate))
    return f"memory     about {memory / 1e9:.1f} GB (an estimate), and the pictures"


class OnGPU(NamedTuple):
    """Estimates for one kind of GPU: parts of a batch, bytes, hours on one and on MANY (None: those cannot share the
    recipe's batches out)."""

    gpu: GPU
    parts: int
    memory: float
    hours: float
    hours_on_many: float | None


def on_gpus(plan: Plan) -> list[OnGPU]:
    """The GPUs that a recipe with a number of steps fits on."""
    found, steps = [], plan.recipe.schedule.steps
    shared = not any(phase.batch % MANY for phase in plan.recipe.schedule.phases)
    for gpu in GPUS:
        parts = plan.parts_for(gpu.memory * 1e9)
        if parts is not None and plan.pixels is not None and steps is not None:
            # Many GPUs share a batch out, so none needs to compute its share in parts.
            one = plan.costs.hours(plan.pixels, steps * parts, gpu)
            many = plan.costs.hours(plan.pixels, steps, gpu, MANY) if shared else None
            found.append(OnGPU(gpu, parts, plan.costs.memory(plan.at_once(parts)), one, many))
    return found


def _estimates(plan: Plan) -> list[str]:
    found = on_gpus(plan)
    lines = [
        "ESTIMATES  from the counts above and the assumptions in runir/training/costs.py; not measured",
        f"{'GPU':<18}{'accumulate':>10}{'memory':>10}{'hours on 1':>12}{f'on {MANY}, at best':>15}",
        *(
            f"{e.gpu.name:<18}{e.parts:>10}{e.memory / 1e9:>7.1f} GB{e.hours:>12,.1f}"
            f"{'–' if e.hours_on_many is None else f'{e.hours_on_many:,.1f}':>15}"
            for e in found
        ),
    ]
    if any(e.hours_on_many is None for e in found):
        lines.append(f"–: not every batch is a multiple of {MANY}, so {MANY} GPUs cannot share them out")
    return lines
