"""Lengths and rates: how many steps each phase gets, how the rate moves, when a run is validated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runir.training.recipe import Phase, ScheduleSection, ValidationSection


def phase_ends(phases: Sequence[Phase], total: int) -> list[tuple[int, int, int]]:
    """(last step, batch, patch) per phase so that each gets its share of all pixels in `total` steps."""
    weights = [p.share / (p.batch * p.patch**2) for p in phases]
    ends, done = [], 0.0
    for phase, weight in zip(phases, weights, strict=True):
        done += weight / sum(weights)
        ends.append((round(total * done), phase.batch, phase.patch))
    last = ends[-1]
    return [*ends[:-1], (total, last[1], last[2])]


def pixels_between(phases: Sequence[Phase], first: int, total: int) -> int:
    """Pixels of the steps first..total-1 of a run of `total` steps."""
    done, pixels = first, 0
    for last, batch, patch in phase_ends(phases, total):
        pixels += max(0, last - done) * batch * patch**2
        done = max(done, last)
    return pixels


def rate_factor(step: int, total: int, schedule: ScheduleSection) -> float:
    """Share of the peak rate at this step: linear warm-up times (held, then half a cosine down to the floor).

    Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.
    """
    rise = min(1.0, (step + 1) / max(1, schedule.warmup))
    fall = max(0.0, (step / total - schedule.hold) / (1 - schedule.hold))
    return rise * (schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * fall)))


def validates_after(step: int, total: int, validation: ValidationSection) -> bool:
    """Whether a run of `total` steps is validated when `step` of them (at least 1) are done."""
    if validation.times:
        return step * validation.times // total > (step - 1) * validation.times // total
    return step == total or bool(validation.every and step % validation.every == 0)
