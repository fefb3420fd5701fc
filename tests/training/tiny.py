"""A recipe small enough for tests, and how they run it."""

from pathlib import Path

import torch

from runir.training.checkpoint import load_tensors
from runir.training.run import run_training

RECIPE = """
name = "tiny.denoise"
task = "denoise"
seed = 3
precision = "f32"
log_every = 5
checkpoint_every = 4

[model.network]
stem = 2
window = 4
levels = [
  {operator = "ssa", width = 8, encoder = 0, decoder = 1, heads = 1},
  {operator = "conv", width = 8, encoder = 1, decoder = 1},
  {operator = "csa", width = 16, encoder = 1, heads = 2},
]

[data]
held_out = "held_out.txt"
workers = 0

[data.degradation]
name = "awgn"
sigma = [25.0, 25.0]

[schedule]
steps = 12
warmup = 3
phases = [{share = 0.5, batch = 4, patch = 16}, {share = 0.5, batch = 2, patch = 24}]

[optim]
matrix_rate = 0.01

[validation]
every = 6
crop = 32
levels = ["awgn:25"]
"""


def train(project: Path, out: str, *assignments: str, resume: bool = False) -> Path:
    return run_training(project / "tiny.toml", [project / "data"], project / out, assignments, resume)


def same(a: Path, b: Path) -> bool:
    left, right = load_tensors(a)[0], load_tensors(b)[0]
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)
