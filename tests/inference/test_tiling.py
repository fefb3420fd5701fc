"""Tiled against whole: the same result for every shipped model, and no seam."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from runir.degradations import parse_degradation
from runir.evaluation.tiling import compare_tiling
from runir.images import read_picture
from runir.inference import Restorer
from runir.weights import Model, list_models

ROOT = Path(__file__).parents[2]
tools = runpy.run_path(str(ROOT / "benchmarks" / "tiles_vs_whole.py"))
LEAST = {"denoise": 50.0, "derain": 50.0, "photo": 50.0}  # dB; the other tasks depend on more of the picture


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.card.name)
def test_tiles_give_the_whole_picture_without_a_seam(model: Model) -> None:
    clean = tools["enlarged"](read_picture(ROOT / "tests/data/house.webp").pixels, 640)
    degraded = parse_degradation(model.card.sample_degradation).apply(clean, np.random.default_rng(0))
    found = compare_tiling(Restorer(model), degraded, tools["whole_network"](model))
    assert found.psnr > LEAST.get(model.card.task, 30.0)
    assert found.psnr > model.card.tiled_psnr - 5
    assert found.border < 1.5 * found.inside
    assert found.brightness < 1 / 255
