"""Is heterogeneous really better? Trains five placements of the operators at equal time per pixel.

    python benchmarks/study_operators.py --data DIR [--data DIR] --held-out recipes/held_out.txt --out runs/study \\
      [--steps 8000] [--jobs 2] [--only denoise.0 ...] [--hours H] [--results FILE]
    python benchmarks/operators_page.py

Placements, from the top level down: RUN (SSA, Conv, CSA), all SSA, all Conv, all CSA, the reverse (CSA, Conv, SSA).
All have the depths of run-t; their widths are scaled, in steps of 4 channels, until the time per pixel in OpenVINO
(f32, tile 512, 2 threads, medians of alternating rounds) is within 5% of RUN's. Then each is trained with equal steps,
data and seeds: denoising with seeds 0 and 1, deraining with seed 0. Sizes and scores are kept in --results, and what it
already holds is not done again, so the study can be spread over several calls; --only: those of this task and seed;
--hours: start no further training after so long; --jobs: trainings side by side, which share the threads (networks this
small gain 1.7 times the pixels per second from one thread each). The second command makes the page and the plot from
the results.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runir.config import dump_toml
from runir.images.place import place
from runir.models.config import RUNConfig
from runir.models.run import RUN
from runir.training.session import CHECKPOINT

RESULTS = Path(__file__).with_suffix(".json")
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


def final_scores(folder: Path) -> dict[str, float]:
    """Of the last step, dB on the held-out pictures by degradation."""
    with (folder / "validation.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    return {key: float(value) for key, value in row.items() if key != "step"}


class Study:
    """The trainings that are still to be done, some side by side; each one's scores are kept as soon as it ends."""

    def __init__(self, results: dict[str, Any], options: argparse.Namespace) -> None:
        self._results, self._options, self._begun = results, options, time.monotonic()
        self._lock, self._failed = threading.Lock(), threading.Event()

    def run(self, runs: list[Run]) -> None:
        """Raises CalledProcessError when a training fails or is interrupted; none begins after that."""
        missing = [run for run in runs if run.folder not in self._results["scores"]]
        with ThreadPoolExecutor(self._options.jobs) as pool:
            for _ in pool.map(self._one, missing):
                pass

    def _one(self, run: Run) -> None:
        hours, spent = self._options.hours, time.monotonic() - self._begun
        if self._failed.is_set() or (hours is not None and spent > hours * 3600):
            print(f"{run.folder}: not begun; call again to go on", flush=True)
            return
        try:
            self._train(run)
        except BaseException:
            self._failed.set()
            raise
        with self._lock:
            self._results["scores"][run.folder] = scores = final_scores(self._options.out / run.folder)
            keep(self._results, self._options.results)
        print(f"{run.folder}: {scores}", flush=True)

    def _train(self, run: Run) -> None:
        """In a process of its own, as `runir train` does it; goes on where it was interrupted."""
        options, folder = self._options, self._options.out / run.folder
        source = options.out / f"{run.folder}.toml"
        network = self._results["sizes"][run.placement]["network"]
        source.write_text(recipe(run, network, self._results["steps"]), "utf-8")
        command = [sys.executable, "-m", "runir", "train", str(source), "--out", str(folder)]
        command += [part for path in options.data for part in ("--data", str(path))]
        if (folder / CHECKPOINT).exists():
            command.append("--resume")
        print(f"{run.folder}: begun, log in {folder}.log", flush=True)
        with Path(f"{folder}.log").open("a") as log:
            threads = {"OMP_NUM_THREADS": str(max(1, options.threads // options.jobs))}
            subprocess.run(command, env=os.environ | threads, stdout=log, stderr=subprocess.STDOUT, check=True)


def keep(results: dict[str, Any], path: Path) -> None:
    place(json.dumps(results, indent=1).encode() + b"\n", path, overwrite=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--held-out", type=Path, default=Path("recipes/held_out.txt"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--only", nargs="+", choices=sorted({f"{run.task}.{run.seed}" for run in RUNS}))
    parser.add_argument("--hours", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, which share the threads")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.results.exists():
        if options.only:
            parser.error(f"{options.results}: is missing; call without --only first, on an idle machine")
        results = {"steps": options.steps, "threads": options.threads, "sizes": fit(options.threads), "scores": {}}
        keep(results, options.results)
    results = json.loads(options.results.read_text("utf-8"))
    if results["steps"] != options.steps:
        parser.error(f"{options.results}: was begun with --steps {results['steps']}")
    (options.out / "held_out.txt").write_bytes(options.held_out.read_bytes())  # may be the same file
    wanted = [run for run in RUNS if not options.only or f"{run.task}.{run.seed}" in options.only]
    Study(results, options).run(wanted)


if __name__ == "__main__":
    main()
