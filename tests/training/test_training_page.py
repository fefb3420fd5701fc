"""docs/training.md: its estimates are those of the program, and its commands run."""

import itertools
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runir.training.plan import make_plan, on_gpus
from runir.training.recipe import load_recipe
from runir.training.schedule import phase_ends, rate_factor

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text("utf-8")
SMALL = ["schedule.steps=4", "schedule.phases=[{share = 1, batch = 2, patch = 16}]", "data.workers=0"]


@pytest.mark.parametrize("name", ["run-b.deblur", "run-l.deblur", "run-b.lowlight", "run-l.lowlight"])
def test_the_estimates_are_those_of_a_dry_run(name: str) -> None:
    rows = [[cell.strip() for cell in row.split("|")[2:-1]] for row in re.findall(rf"\| `{name}` \|.*", TEXT)]
    found = on_gpus(make_plan(load_recipe(ROOT / "recipes" / "paper" / f"{name}.toml"), [], frozenset()))
    assert [(row[0], int(row[1])) for row in rows] == [(e.gpu.name, e.parts) for e in found]
    for row, e in zip(rows, found, strict=True):
        memory, hours = (float(cell.split()[0]) for cell in row[2:4])
        assert (1e9 * memory, hours) == pytest.approx((e.memory, e.hours), rel=0.02, abs=0.1)
        on_many = None if row[4] == "–" else float(row[4])
        assert on_many == (None if e.hours_on_many is None else pytest.approx(e.hours_on_many, rel=0.02, abs=0.1))


def test_the_optimisers_and_schedules_of_others_are_theirs() -> None:
    """The commands for which nobody here has the pictures: Restormer's optimiser, NAFNet's options for GoPro."""
    blocks = re.findall(r"```\n(runir train .*?)```", TEXT, re.DOTALL)
    recipes = []
    for words in (shlex.split(block.replace("\\\n", " ")) for block in blocks):
        changes = [word for before, word in itertools.pairwise(words) if before == "--set"]
        assert words == ["runir", "train", words[2], "--data", "gopro.store", *words[5:]]
        assert len(words) == 5 + 2 * len(changes)
        recipes.append(load_recipe(ROOT / words[2], changes))
    restormer, nafnet = recipes
    assert (restormer.optim.optimiser, restormer.optim.rate, restormer.optim.clip) == ("adamw", 3e-4, 0.01)
    total, optim = 400_000, nafnet.optim
    assert phase_ends(nafnet.schedule.phases, total) == [(total, 64, 256)]
    assert (nafnet.schedule.steps, nafnet.loss.name) == (total, "psnr")
    assert (optim.optimiser, optim.betas, optim.weight_decay, optim.clip) == ("adamw", (0.9, 0.9), 1e-3, 0.01)
    assert (optim.norms, optim.ema) == (False, 0)
    for step in (0, 1, 100_000, 200_000, total):  # PyTorch's CosineAnnealingLR from 1e-3 to 1e-7
        rate = 1e-7 + (1e-3 - 1e-7) * (1 + math.cos(math.pi * step / total)) / 2
        assert optim.rate * rate_factor(step, total, nafnet.schedule) == pytest.approx(rate, rel=1e-9)


def test_commands_run_in_this_order(tmp_path: Path) -> None:
    for name in ("recipes", "samples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.restored.*"))
    for folder in ("photos", "my_photos"):
        (tmp_path / folder).mkdir()
        for index, path in enumerate([*(ROOT / "tests" / "data").glob("*.webp"), ROOT / "samples" / "dark.png"]):
            shutil.copy(path, tmp_path / folder / f"{index}{path.suffix}")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 7
    for line in lines:
        words = line.replace("torchrun", f"{sys.executable} -m torch.distributed.run --local-addr=127.0.0.1").split()
        words = [sys.executable, "-m", *words] if words[0] == "runir" else words
        if " train " in line and "--dry-run" not in line:
            words += [word for change in SMALL for word in ("--set", change)] + ["--allocator", "system"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        starts = "recipes/paper" not in line  # which are not given their data
        assert done.returncode == (0 if starts else 1), done.stderr
        assert done.stdout
    assert (tmp_path / "samples" / "noisy.restored.png").exists()
