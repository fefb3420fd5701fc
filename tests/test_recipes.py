"""Every committed recipe trains: a few steps on small pictures, from the weights that it names."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.data.catalogue import get_data_set
from runir.data.degrade import build_degrade
from runir.errors import UsageError
from runir.training.checkpoint import load_tensors
from runir.training.plan import MANY
from runir.training.recipe import load_recipe
from runir.training.run import run_training
from runir.training.schedule import phase_ends
from runir.training.session import WEIGHTS

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes" / "cpu").rglob("*.toml"))
PAPER = sorted((ROOT / "recipes" / "paper").glob("*.toml"))
TASKS = ("deblur", "denoise", "derain", "lowlight", "photo")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Training folders by recipe kind: one of clean pictures, one of pairs."""
    home = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for folder in ("clean", "pairs/input", "pairs/target"):
        (home / folder).mkdir(parents=True)
        for index in range(3):
            small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
            small.resize((96, 80), Image.Resampling.BICUBIC).save(home / folder / f"{index}.png")
    clean, pairs = [home / "clean"], [home / "pairs"]
    return {"clean": clean, "pairs": pairs, "both": clean + pairs}


def run(path: Path, folders: dict[str, list[Path]], out: Path, *more: str) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.name == f"{recipe.model.preset}.{recipe.task}"
    phases = "schedule.phases=[{share = 0.5, batch = 2, patch = 32}, {share = 0.5, batch = 1, patch = 48}]"
    few = ("schedule.steps=3", "validation.every=0", "data.workers=0", "log_every=1", phases)
    before = ("data.kernels=2", "curve.steps=3", "curve.count=20")
    weights = run_training(path, folders[recipe.data.kind], out, (*few, *before, *more))
    tensors, state = load_tensors(weights)
    assert weights == out / WEIGHTS
    assert state["step"] == 3
    assert all(np.isfinite(t.numpy()).all() for t in tensors.values())


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_smoke(path: Path, folders: dict[str, list[Path]], tmp_path: Path) -> None:
    run(path, folders, tmp_path / "run")


@pytest.mark.parametrize("path", [p for p in PAPER if p.stem.startswith("run-b")], ids=lambda p: p.stem)
def test_smoke_at_paper_scale(path: Path, folders: dict[str, list[Path]], tmp_path: Path) -> None:
    run(path, folders, tmp_path / "run", "precision='f32'")


def test_paper_scale_has_two_sizes_of_every_task_that_differ_in_size_only() -> None:
    assert [p.stem for p in PAPER] == [f"run-{size}.{task}" for size in "bl" for task in TASKS]
    for task in TASKS:
        texts = [(ROOT / f"recipes/paper/run-{size}.{task}.toml").read_text("utf-8") for size in "bl"]
        assert texts[0].replace("run-b", "run-l") == texts[1]


@pytest.mark.parametrize("path", PAPER, ids=lambda p: p.stem)
def test_paper_scale_starts_on_as_many_gpus_as_it_says(path: Path) -> None:
    (processes,) = re.findall(r"^#   torchrun --nproc-per-node (\d+) ", path.read_text("utf-8"), re.MULTILINE)
    schedule = load_recipe(path).schedule
    schedule.check_division(int(processes))
    if int(processes) < MANY:  # the dry run then has no hours for so many
        with pytest.raises(UsageError):
            schedule.check_division(MANY)


def test_low_light_is_trained_with_whole_pictures() -> None:
    (size,) = get_data_set("lol-v1").part("train").sizes or ()
    for path in (p for p in PAPER if p.stem.endswith("lowlight")):
        (patch,) = re.findall(r"^#   runir data prepare lol-v1 .*--patch (\d+)", path.read_text("utf-8"), re.MULTILINE)
        assert int(patch) >= max(size)


@pytest.mark.parametrize("path", PAPER, ids=lambda p: p.stem)
def test_paper_scale_names_its_data_and_has_the_published_phases(path: Path) -> None:
    """Restormer, section 4 and its published options; Retinexformer's for low light (a quarter of the steps)."""
    recipe = load_recipe(path)
    for name in recipe.data.sets:
        data_set, part = name.split()
        found = get_data_set(data_set).part(part)
        assert found.role == "train"
        assert found.paired == (recipe.data.kind == "pairs")
    lengths = [92_000, 64_000, 48_000, 36_000, 36_000, 24_000]
    quarter = 4 if recipe.task == "lowlight" else 1
    total = recipe.schedule.steps
    assert total == sum(lengths) // quarter
    ends = [last for last, _, _ in phase_ends(recipe.schedule.phases, total)]
    assert ends == pytest.approx([sum(lengths[: k + 1]) / quarter for k in range(6)], abs=5)
    assert [p.patch for p in recipe.schedule.phases] == [128, 160, 192, 256, 320, 384]
    assert all(batch.batch * quarter == usual for batch, usual in
               zip(recipe.schedule.phases, [64, 40, 32, 16, 8, 8], strict=True))  # fmt: skip
    assert recipe.precision == "bf16"
    assert recipe.optim.ema == 0.999
    if recipe.data.kind == "clean":
        build_degrade(recipe.data.degradation)
