"""Is heterogeneous really better? Trains five placements of the operators at equal time per pixel and compares them.

    python benchmarks/study_operators.py --data DIR [--data DIR] --held-out recipes/held_out.txt --out runs/study \\
      [--steps 8000] [--only denoise.0 ...] [--hours H] [--report]

Placements, from the top level down: RUN (SSA, Conv, CSA), all SSA, all Conv, all CSA, the reverse (CSA, Conv, SSA).
All have the depths of run-t; their widths are scaled, in steps of 4 channels, until the time per pixel in OpenVINO
(f32, tile 512, 2 threads, medians of alternating rounds) is within 5% of RUN's. Then each is trained with equal steps,
data and seeds: denoising with seeds 0 and 1, deraining with seed 0. What --out already holds is not done again, so the
study can be spread over several calls; --only: those of this task and seed, so that several machines or processes share
the work (sizes.json in --out must be there, since only an idle CPU can time); --hours: start no further training after
so long; --report: only print and plot (study.png in --out) what is there.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runir.config import dump_toml
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.training.run import run_training
from runir.training.session import CHECKPOINT, WEIGHTS

PLACEMENTS = {
    "RUN": ("ssa", "conv", "csa"),
    "all SSA": ("ssa", "ssa", "ssa"),
    "all Conv": ("conv", "conv", "conv"),
    "all CSA": ("csa", "csa", "csa"),
    "reverse": ("csa", "conv", "ssa"),
}
WIDTHS, DEPTHS = (32, 64, 96), ((0, 1), (1, 1), (2, 0))
HEADS = {"ssa": 1, "conv": 1, "csa": 4}
TOLERANCE = 0.05
LEVELS = {
    "denoise": ("awgn:15", "awgn:25", "awgn:50"),
    "derain": ("rain:heavy=0,dry=0", "rain:heavy=1,dry=0"),
}
DEGRADATIONS = {"denoise": {"name": "awgn", "sigma": [0.0, 55.0]}, "derain": {"name": "rain"}}


@dataclass(frozen=True)
class Run:
    """One training."""

    placement: str
    task: str
    seed: int

    @property
    def folder(self) -> str:
        return f"{self.placement.replace(' ', '-').lower()}.{self.task}.{self.seed}"


RUNS = [Run(p, task, seed) for task, seed in (("denoise", 0), ("denoise", 1), ("derain", 0)) for p in PLACEMENTS]


def table(operators: tuple[str, ...], widths: tuple[int, ...]) -> dict[str, Any]:
    levels = [
        {"operator": op, "width": width, "encoder": down, "decoder": up, "heads": HEADS[op]}
        for op, width, (down, up) in zip(operators, widths, DEPTHS, strict=True)
    ]
    return {"levels": levels}


def seconds_per_megapixel(tables: dict[str, dict[str, Any]], threads: int) -> dict[str, float]:
    from network_speed import as_onnx, measure  # here, since a machine that only trains needs no OpenVINO

    torch.manual_seed(0)
    sources = {name: (as_onnx(RUN(RUNConfig.from_dict(t)), 512), 512) for name, t in tables.items()}
    return measure(sources, threads, "f32", 11)


def fit(threads: int) -> dict[str, Any]:
    """Widths for every placement, with their time relative to RUN's."""
    found: dict[str, Any] = {"RUN": {"network": table(PLACEMENTS["RUN"], WIDTHS), "ratio": 1.0}}
    for name, operators in PLACEMENTS.items():
        if name == "RUN":
            continue
        best: tuple[float, float, dict[str, Any]] | None = None
        low, high = 0.3, 3.0
        for _ in range(8):  # bisection on one factor for all widths
            factor = (low * high) ** 0.5
            network = table(operators, tuple(max(8, 4 * round(width * factor / 4)) for width in WIDTHS))
            times = seconds_per_megapixel({"RUN": found["RUN"]["network"], name: network}, threads)
            ratio = times[name] / times["RUN"]
            if best is None or abs(ratio - 1) < best[0]:
                best = (abs(ratio - 1), ratio, network)
            low, high = (factor, high) if ratio < 1 else (low, factor)
        assert best is not None
        if best[0] > TOLERANCE:  # the steps are coarse: let the bottom level alone take up the rest
            base = best[2]["levels"]
            for extra in (-16, -8, 8, 16, 24, 32):
                levels = [dict(level) for level in base]
                levels[2]["width"] += extra
                times = seconds_per_megapixel({"RUN": found["RUN"]["network"], name: {"levels": levels}}, threads)
                ratio = times[name] / times["RUN"]
                if abs(ratio - 1) < best[0]:
                    best = (abs(ratio - 1), ratio, {"levels": levels})
        # Measured once more: the best of many noisy measurements flatters.
        times = seconds_per_megapixel({"RUN": found["RUN"]["network"], name: best[2]}, threads)
        best = (0.0, times[name] / times["RUN"], best[2])
        if abs(best[1] - 1) > TOLERANCE:
            raise SystemExit(
                f"{name}: {best[1]:.3f}x RUN's time, not within {TOLERANCE:.0%}; run it on an idle machine"
            )
        found[name] = {"network": best[2], "ratio": best[1]}
        widths = [level["width"] for level in best[2]["levels"]]
        print(f"{name:<10}widths {widths}, {best[1]:.3f}x RUN's time", flush=True)
    return found


def recipe(run: Run, network: dict[str, Any], steps: int) -> str:
    return dump_toml(
        {
            "name": f"study.{run.task}",
            "task": run.task,
            "seed": run.seed,
            "log_every": 500,
            "model": {"network": network},
            "data": {"held_out": "held_out.txt", "degradation": DEGRADATIONS[run.task]},
            "schedule": {
                "steps": steps,
                "warmup": 200,
                "phases": [{"share": 0.6, "batch": 16, "patch": 64}, {"share": 0.4, "batch": 8, "patch": 128}],
            },
            "optim": {"rate": 1.5e-3, "matrix_rate": 0.02, "matrix_decay": 0.2, "freeze": 0.85},
            "loss": {"name": "relative-charbonnier"},
            "validation": {"every": 0, "levels": list(LEVELS[run.task])},
        }
    )


def final_scores(folder: Path) -> dict[str, float] | None:
    if not (folder / WEIGHTS).exists() or not (folder / "validation.csv").exists():
        return None
    with (folder / "validation.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    return {key: float(value) for key, value in row.items() if key != "step"}


def train(runs: list[Run], sizes: dict[str, Any], options: argparse.Namespace) -> None:
    begun = time.monotonic()
    for run in runs:
        folder = options.out / run.folder
        if final_scores(folder) is not None:
            continue
        if options.hours is not None and time.monotonic() - begun > options.hours * 3600:
            print(f"time is up before {run.folder}; call again to go on")
            return
        source = options.out / f"{run.folder}.toml"
        source.write_text(recipe(run, sizes[run.placement]["network"], options.steps), "utf-8")
        run_training(source, options.data, folder, resume=(folder / CHECKPOINT).exists())


def report(runs: list[Run], sizes: dict[str, Any], out: Path) -> None:
    print(
        f"\n{os.cpu_count()} cores; PSNR in dB on the held-out pictures, mean of the levels; time: OpenVINO f32 / RUN's"
    )
    means: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        scores = final_scores(out / run.folder)
        if scores is not None:
            means.setdefault((run.task, run.placement), []).append(float(np.mean(list(scores.values()))))
    for task in LEVELS:
        rows = [(p, v) for (t, p), v in means.items() if t == task]
        if not rows:
            continue
        spreads = [abs(v[0] - v[1]) for _, v in rows if len(v) == 2]
        spread = (
            f"spread between seeds: mean {np.mean(spreads):.3f}, largest {max(spreads):.3f}" if spreads else "1 seed"
        )
        print(f"\n{task} ({spread})\n| placement | widths | parameters | MACs/px | time | PSNR | against RUN |\n"
              "|---|---|---|---|---|---|---|")  # fmt: skip
        of_run = float(np.mean(means.get((task, "RUN"), [np.nan])))
        for name, values in rows:
            network = RUN(RUNConfig.from_dict(sizes[name]["network"]))
            widths = ", ".join(str(level["width"]) for level in sizes[name]["network"]["levels"])
            each = " ".join(f"{v:.3f}" for v in values)
            print(f"| {name} | {widths} | {parameters(network):,} | {macs_per_pixel(network):,.0f} "
                  f"| {sizes[name]['ratio']:.3f}x | {each} | {np.mean(values) - of_run:+.3f} |")  # fmt: skip
    plot(means, sizes, out / "study.png")


def plot(means: dict[tuple[str, str], list[float]], sizes: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tasks = [task for task in LEVELS if any(t == task for t, _ in means)]
    if not tasks:
        return
    figure, axes = pyplot.subplots(1, len(tasks), figsize=(5 * len(tasks), 4), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for name in PLACEMENTS:
            values = means.get((task, name), [])
            axis.plot([sizes[name]["ratio"]] * len(values), values, "o", label=name)
        axis.set(title=task, xlabel="time per pixel, RUN = 1", ylabel="PSNR, dB")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"\nplot: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--held-out", type=Path, default=Path("recipes/held_out.txt"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--only", nargs="+", choices=sorted({f"{run.task}.{run.seed}" for run in RUNS}))
    parser.add_argument("--hours", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "sizes.json"
    if not kept.exists():
        if options.report or options.only:
            parser.error(f"{kept}: is missing; call without --report and --only first, on an idle machine")
        kept.write_text(json.dumps(fit(options.threads), indent=1), "utf-8")
    sizes = json.loads(kept.read_text("utf-8"))
    if not options.report:
        if not options.data:
            parser.error("give --data DIR to train, or --report")
        shutil.copyfile(options.held_out, options.out / "held_out.txt")
        runs = [run for run in RUNS if not options.only or f"{run.task}.{run.seed}" in options.only]
        train(runs, sizes, options)
    report(RUNS, sizes, options.out)


if __name__ == "__main__":
    main()
