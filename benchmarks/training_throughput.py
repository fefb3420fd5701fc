"""Training throughput of a recipe against the bare step (network, loss, optimisers on ready-made tensors).

    LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4 \
      python benchmarks/training_throughput.py recipes/cpu/run-s.denoise.toml --data DIR [--steps 60]

The loader must not starve the step: at least 70% of the bare throughput is required. Per phase: bare step, then the
step fed by the loader as `runir train` does it; medians of the time between steps.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from runir.data.pictures import read_name_list
from runir.data.samples import StepBatches, batches
from runir.training.folders import load_data
from runir.training.loop import Trainer
from runir.training.network import build_network
from runir.training.recipe import load_recipe

MUST = 0.70


def median_gap(times: list[float]) -> float:
    return float(np.median(np.diff(times[5:])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--kernels", type=Path, help="file that keeps those of a network with guides (.npz)")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    held_out = read_name_list(options.recipe.parent / recipe.data.held_out) if recipe.data.held_out else frozenset()
    source, _ = load_data(recipe, held_out, options.data, options.kernels)
    trainer = Trainer(recipe, build_network(recipe), source)
    print(f"{recipe.name}, {torch.get_num_threads()} threads, precision {trainer.accelerator.mixed_precision}")
    for phase in recipe.schedule.phases:
        shape = (phase.batch, 3, phase.patch, phase.patch)
        clean = torch.rand(shape).contiguous(memory_format=torch.channels_last)
        shown = (phase.batch, trainer.model.config.inputs, phase.patch, phase.patch)
        degraded = torch.rand(shown).contiguous(memory_format=torch.channels_last)
        bare = [0.0] * options.steps
        for index in range(options.steps):
            trainer.train_step(degraded, clean)
            bare[index] = time.perf_counter()
        data = batches(
            StepBatches(source, [(options.steps, phase.batch, phase.patch)], 0),
            0,
            options.steps,
            recipe.data.workers,
        )
        fed = []
        for pair in data:
            trainer.train_step(*pair)
            fed.append(time.perf_counter())
        pixels = phase.batch * phase.patch**2 / 1e6
        share = median_gap(bare) / median_gap(fed)
        print(
            f"batch {phase.batch} x {phase.patch} x {phase.patch}: bare {pixels / median_gap(bare):.3f} Mpx/s, "
            f"with loader {pixels / median_gap(fed):.3f} Mpx/s, {share:.0%}   must {MUST:.0%}: "
            f"{'met' if share >= MUST else 'MISSED'}"
        )


if __name__ == "__main__":
    main()
