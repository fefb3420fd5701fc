"""Tiled against whole: the same result for every shipped model, and no seam."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tifffile

from runir.degradations import parse_degradation
from runir.evaluation import psnr
from runir.evaluation.tiling import compare_tiling
from runir.images import Picture, read_picture, write_picture
from runir.inference import Restorer
from runir.inference.file import FileOptions, restore_file
from runir.inference.part import Region
from runir.weights import Model, list_models

ROOT = Path(__file__).parents[2]
tools = runpy.run_path(str(ROOT / "benchmarks" / "tiles_vs_whole.py"))
# dB, and levels of 255 near seams.
LEAST = {"denoise": 55.0, "deblur": 55.0, "photo": 50.0, "derain": 50.0, "lowlight": 55.0}
BRIGHTNESS = {"denoise": 0.2, "photo": 0.3, "deblur": 0.5, "derain": 3.0, "lowlight": 1.0}


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.card.name)
def test_tiles_give_the_whole_picture_without_a_seam(model: Model) -> None:
    clean = tools["enlarged"](read_picture(ROOT / "tests/data/house.webp").pixels, 640)
    degraded = parse_degradation(model.card.sample_degradation).apply(clean, np.random.default_rng(0))
    found = compare_tiling(Restorer(model), degraded, tools["whole_network"](model))
    assert found.psnr > LEAST[model.card.task]
    assert model.card.tiled_psnr > 0  # measured
    assert found.psnr > model.card.tiled_psnr - 5
    assert found.border < 1.25 * found.inside  # a seam would stand out; the spread between pictures is about 10%
    assert found.brightness < BRIGHTNESS[model.card.task] / 255


@pytest.mark.parametrize("model", [m for m in list_models() if m.card.task == "lowlight"], ids=lambda m: m.card.name)
@pytest.mark.parametrize("size", [(600, 1100), pytest.param((3000, 4000), marks=pytest.mark.slow)])
def test_a_dark_ramp_and_a_dark_photo_have_no_steps_in_brightness(model: Model, size: tuple[int, int]) -> None:
    """The difference of local means along seams stays within bounds, and a ramp stays a ramp."""
    restorer, network = Restorer(model), tools["whole_network"](model)
    assert model.card.views
    down, across = (np.linspace(0, 1, side, dtype=np.float32) for side in size)
    ramp = np.repeat((0.01 + 0.06 * across + 0.02 * down[:, None])[..., None], 3, axis=2)
    assert compare_tiling(restorer, ramp, network).brightness < BRIGHTNESS[model.card.task] / 255
    steps = np.diff(restorer(ramp).mean(axis=(0, 2)).reshape(-1, 20).mean(axis=1))
    assert steps.min() > 0
    photo = tools["enlarged"](read_picture(ROOT / "tests/data/hippo.webp").pixels, max(size))[: size[0], : size[1]]
    dark = parse_degradation("lowlight:exposure=0.04").apply(photo, np.random.default_rng(0))
    assert compare_tiling(restorer, dark, network).brightness < BRIGHTNESS[model.card.task] / 255


def test_a_dark_ramp_of_twelve_megapixels_stays_a_ramp() -> None:
    """At full size, but without the whole picture to compare with: a step at a seam would turn the ramp around."""
    ramp = np.repeat((0.01 + 0.06 * np.linspace(0, 1, 4000, dtype=np.float32))[None, :, None], 3, axis=2)
    steps = np.diff(Restorer("run-t.lowlight")(np.repeat(ramp, 3000, axis=0)).mean(axis=2).reshape(30, 100, 200, 20)
                    .mean(axis=(1, 3)), axis=1)  # fmt: skip
    assert steps.min() > 0


def test_a_part_comes_out_as_in_the_whole(tmp_path: Path) -> None:
    """Statistics and exposure are those of the whole picture, also for a region of it."""
    restorer = Restorer("run-t.lowlight")
    photo = tools["enlarged"](read_picture(ROOT / "tests/data/hippo.webp").pixels, 900)[:600]
    photo = np.concatenate([photo * np.linspace(0.2, 1, 900, dtype=np.float32)[:, None]] * 2)
    dark = parse_degradation("lowlight:exposure=0.05").apply(photo, np.random.default_rng(0))
    source = tmp_path / "dark.png"
    write_picture(Picture(dark), source)
    region = Region(300, 500, 200, 180)
    restore_file([restorer], source, tmp_path / "whole.png")
    restore_file([restorer], source, tmp_path / "part.png", FileOptions(region=region))
    whole, part = (read_picture(tmp_path / f"{name}.png").pixels for name in ("whole", "part"))
    inside = whole[500:680, 300:500]
    assert psnr(part, inside, peak=1.0) > 45
    assert abs(float((part - inside).mean())) < 0.5 / 255


def test_highlights_beyond_white_count_as_white_in_an_array_as_in_a_file(tmp_path: Path) -> None:
    restorer = Restorer("run-t.lowlight")
    photo = read_picture(ROOT / "tests/data/house.webp").pixels
    dark = parse_degradation("lowlight:exposure=0.05").apply(photo, np.random.default_rng(0))
    dark[:20, :20] = 40.0
    tifffile.imwrite(tmp_path / "dark.tif", dark, photometric="rgb")
    restore_file([restorer], tmp_path / "dark.tif", tmp_path / "bright.tif")
    np.testing.assert_allclose(restorer(dark), read_picture(tmp_path / "bright.tif").pixels, atol=1e-4)


def test_a_second_model_shares_the_statistics_of_what_the_first_made(tmp_path: Path) -> None:
    photo = tools["enlarged"](read_picture(ROOT / "tests/data/house.webp").pixels, 600)
    dark = parse_degradation("lowlight:exposure=0.1").apply(photo, np.random.default_rng(0))
    source, models = tmp_path / "dark.tif", [Restorer("run-t.denoise"), Restorer("run-t.lowlight")]
    write_picture(Picture(dark), source)
    restore_file(models, source, tmp_path / "both.tif")
    expected = models[1](models[0](read_picture(source).pixels))
    assert psnr(read_picture(tmp_path / "both.tif").pixels, expected.clip(0, 1), peak=1.0) > 38


def test_a_model_behind_the_brightened_picture_shares_the_statistics_of_that(tmp_path: Path) -> None:
    """Not those of views that were each brightened as a picture by itself."""
    photo = read_picture(ROOT / "tests/data/house.webp").pixels
    photo = np.tile(np.concatenate([photo, photo[:, ::-1]], axis=1), (3, 3, 1))[:1100, :1400]
    dark = photo * np.geomspace(1, 0.01, 1400, dtype=np.float32)[:, None]
    source, models = tmp_path / "dark.tif", [Restorer("run-t.lowlight"), Restorer("run-t.derain")]
    write_picture(Picture(dark), source, bit_depth=32)
    restore_file(models, source, tmp_path / "both.tif")
    expected = models[1](models[0](read_picture(source).pixels))
    assert psnr(read_picture(tmp_path / "both.tif").pixels, expected, peak=1.0) > 67
