"""A project folder for the tests of training."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import RECIPE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a recipe, a held-out list and ten smooth pictures."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "held_out.txt").write_text("# kept out\np8.png\np9.png\n")
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for index in range(10):
        small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        small.resize((48, 40), Image.Resampling.BICUBIC).save(tmp_path / "data" / f"p{index}.png")
    return tmp_path
