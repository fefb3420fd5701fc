"""From findings to tasks, in the order in which they are done.

Faults are undone in the reverse order of how they came about: rain is in the scene, motion and exposure are in the lens
and on the sensor, noise and JPEG come last. So noise goes first, then the picture is brightened, then sharpened, then
rain is taken out. The networks for dark and for blurred pictures have learnt to remove the noise that comes with
these faults, and streaks look a little like noise; only more noise than that gets a task of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from runir.inspection.findings import Findings

NOISE_OF_DARKNESS = 6.0  # sigma in 8-bit levels that `lowlight` removes by itself: its training has up to 5
NOISE_OF_BLUR = 8.0  # and that `deblur` does: its training has up to 7
NOISE_OF_RAIN = 8.0  # what streaks look like: coarse, in light alone
NOISE_FOR_EDGES = 5.0  # sigma that in the dark, where edges are low, hides whether they are sharp


@dataclass(frozen=True, slots=True)
class Step:
    """A task, as `restore --task` takes it, and why it is done."""

    task: str
    reason: str


def plan(findings: Findings) -> tuple[Step, ...]:
    """What to do, in order; empty for a good picture."""
    steps = []
    if findings.noise.found and findings.noise.sigma > _covered(findings):
        steps.append(Step("denoise" if findings.noise.kind == "white" else "photo", f"noise: {findings.noise.text}"))
    if findings.darkness.found:
        steps.append(Step("lowlight", f"darkness: {findings.darkness.text}"))
    if findings.blur.found and not _hides_edges(findings):
        steps.append(Step("deblur", f"blur: {findings.blur.text}"))
    if findings.rain.found:
        steps.append(Step("derain", f"rain: {findings.rain.text}"))
    return tuple(steps)


def plan_tasks(findings: Findings) -> tuple[str, ...]:
    """The tasks of `plan`: some of denoise, photo, lowlight, deblur, derain; empty for a good picture."""
    return tuple(step.task for step in plan(findings))


def _hides_edges(findings: Findings) -> bool:
    return findings.darkness.found and findings.noise.found and findings.noise.sigma > NOISE_FOR_EDGES


def _covered(findings: Findings) -> float:
    """Noise, in 8-bit levels, that another step removes anyway, or that is only seen because of another fault."""
    blurred = NOISE_OF_BLUR * findings.blur.found  # but of a dark picture, noise is brightened before it comes to that
    removed = NOISE_OF_DARKNESS if findings.darkness.found else blurred
    return max(removed, NOISE_OF_RAIN * findings.rain.found)
