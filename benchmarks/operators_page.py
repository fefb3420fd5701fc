"""Writes docs/operators.md's table and plot from what study_operators.py measured.

python benchmarks/operators_page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models_page import between
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.config import RUNConfig
from runir.models.run import RUN
from study_operators import LEVELS, PLACEMENTS, RESULTS, RUNS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operators.md"
PLOT = ROOT / "docs" / "images" / "operators.png"
BEGIN = "<!-- made by benchmarks/operators_page.py -->\n"


def means(results: dict[str, Any]) -> dict[tuple[str, str], list[float]]:
    """(task, placement) -> each seed's PSNR in dB, mean of the task's degradations; tasks whose runs are all done."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in (run for run in RUNS if run.task in complete(results)):
        scores = results["scores"][run.folder]
        found.setdefault((run.task, run.placement), []).append(float(np.mean(list(scores.values()))))
    return found


def complete(results: dict[str, Any]) -> list[str]:
    """Tasks whose trainings are all done: others would compare different seeds."""
    return [task for task in LEVELS if all(run.folder in results["scores"] for run in RUNS if run.task == task)]


def tables(results: dict[str, Any]) -> str:
    """One table for the networks, one for every task."""
    head = "| placement, from the top | widths | parameters | MACs per pixel | time per pixel |\n"
    rows = [head + "|---|---|---|---|---|\n"]
    for name, operators in PLACEMENTS.items():
        size = results["sizes"][name]
        network = RUN(RUNConfig.from_dict(size["network"]))
        widths = ", ".join(str(level["width"]) for level in size["network"]["levels"])
        rows.append(
            f"| {name} ({', '.join(operators)}) | {widths} | {parameters(network):,} | {macs_per_pixel(network):,.0f} "
            f"| {size['ratio']:.3f} |\n"
        )
    found = means(results)
    for task in complete(results):
        spreads = [abs(v[0] - v[1]) for (t, _), v in found.items() if t == task and len(v) == 2]
        of_run = float(np.mean(found[task, "RUN"]))
        seeds = "one seed"
        if spreads:
            seeds = f"two seeds; they differ by {np.mean(spreads):.3f} dB in the mean, {max(spreads):.3f} at most"
        rows.append(
            f"\n{task} ({seeds}):\n\n"
            f"| placement | {' | '.join(f'`{level}`' for level in LEVELS[task])} | mean | against RUN |\n"
            f"|---|{'---|' * len(LEVELS[task])}---|---|\n"
        )
        for name in PLACEMENTS:
            values = found[task, name]
            runs = [results["scores"][run.folder] for run in RUNS if (run.task, run.placement) == (task, name)]
            by_level = " | ".join(f"{np.mean([run[level] for run in runs]):.2f}" for level in runs[0])
            rows.append(f"| {name} | {by_level} | {np.mean(values):.3f} | {np.mean(values) - of_run:+.3f} |\n")
    return "".join(rows)


def plot(results: dict[str, Any], path: Path) -> None:
    """PSNR against time per pixel, a dot for every training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = means(results)
    tasks = complete(results)
    figure, axes = pyplot.subplots(1, len(tasks), figsize=(5 * len(tasks), 4), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for name in PLACEMENTS:
            values = found[task, name]
            axis.plot([results["sizes"][name]["ratio"]] * len(values), values, "o", label=name)
        axis.set(title=task, xlabel="time per pixel, RUN = 1", ylabel="PSNR, dB", xlim=(0.9, 1.1))
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    measured = json.loads(RESULTS.read_text("utf-8"))
    PAGE.write_text(between(PAGE.read_text("utf-8"), BEGIN, tables(measured)), "utf-8")
    plot(measured, PLOT)
