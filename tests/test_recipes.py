"""Every committed recipe trains: a few steps on small pictures, from the weights that it names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.training.checkpoint import load_tensors
from runir.training.recipe import load_recipe
from runir.training.run import run_training
from runir.training.session import WEIGHTS

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes" / "cpu").glob("*.toml"))


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


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_smoke(path: Path, folders: dict[str, list[Path]], tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.name == f"{recipe.model.preset}.{recipe.task}"
    phases = "schedule.phases=[{share = 0.5, batch = 2, patch = 32}, {share = 0.5, batch = 1, patch = 48}]"
    few = ("schedule.steps=3", "validation.every=0", "data.workers=0", "log_every=1", phases)
    weights = run_training(path, folders[recipe.data.kind], tmp_path / "run", few)
    tensors, state = load_tensors(weights)
    assert weights == tmp_path / "run" / WEIGHTS
    assert state["step"] == 3
    assert all(np.isfinite(t.numpy()).all() for t in tensors.values())
