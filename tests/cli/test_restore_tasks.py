"""`runir restore --task`: auto, and several tasks one after the other."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import runir
from runir.cli import restore as restore_verb
from runir.cli.main import main
from runir.degradations import parse_degradation
from runir.evaluation import psnr
from runir.images import Picture, read_picture, write_picture
from runir.inference import Restorer

DATA = Path(__file__).parents[1] / "data"


def run(*words: object) -> int:
    return main(["restore", *map(str, words)])


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def test_auto_says_what_it_found_and_does_it(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(noisy, "--task", "auto", "--fast", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["models"] == ["run-t.denoise"]
    assert len(told["found"]) == 1
    assert "noise" in told["found"][0]
    clean = pixels(DATA / "hippo.webp")
    assert psnr(pixels(noisy.with_name("noisy.restored.png")), clean) > psnr(pixels(noisy), clean) + 7


def test_auto_leaves_a_clean_picture_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = tmp_path / "house.webp"
    clean.write_bytes((DATA / "house.webp").read_bytes())
    assert run(clean, "--task", "auto") == 0
    assert "nothing to repair" in capsys.readouterr().out
    np.testing.assert_array_equal(pixels(tmp_path / "house.restored.webp"), pixels(clean))


def test_tasks_follow_one_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = read_picture(DATA / "hippo.webp").pixels
    dark = parse_degradation("lowlight:exposure=0.05").apply(clean, np.random.default_rng(0))
    write_picture(Picture(dark), tmp_path / "dark.png")
    assert run(tmp_path / "dark.png", "--task", "lowlight,denoise", "--fast", "--json") == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["run-t.lowlight", "run-t.denoise"]
    result = pixels(tmp_path / "dark.restored.png")
    first = Restorer("run-t.lowlight")(np.rint(dark * 255).astype(np.float32) / np.float32(255))
    expected = Restorer("run-t.denoise")(first).clip(0, 1) * 255
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize("strength", [0.25, 0.5])
def test_several_tasks_together_are_mixed_with_the_original(noisy: Path, strength: float) -> None:
    before = read_picture(noisy).pixels
    full = runir.restore(before, task="denoise,derain", fast=True)
    expected = before + strength * (full - before)
    mixed = runir.restore(before, task="denoise,derain", fast=True, strength=strength)
    np.testing.assert_allclose(mixed, expected, atol=1e-6)
    assert run(noisy, "--task", "denoise,derain", "--fast", "--strength", strength) == 0
    result = pixels(noisy.with_name("noisy.restored.png"))
    assert np.abs(result - expected.clip(0, 1) * 255).max() <= 1


def test_several_tasks_take_light_beyond_white(tmp_path: Path) -> None:
    """More than half of one of the parts that are looked at first lies far beyond 1, though not of the picture."""
    scene = np.tile(read_picture(DATA / "house.webp").pixels, (5, 3, 1))[:1100, :560]
    scene[:400] += 5
    tifffile.imwrite(tmp_path / "a.tif", scene, photometric="rgb")
    assert run(tmp_path / "a.tif", "--task", "denoise,derain", "--fast") == 0
    result = tifffile.imread(tmp_path / "a.restored.tif")
    assert result.shape == scene.shape
    assert np.abs(result[:390] - scene[:390]).mean() < 0.1
    assert np.abs(result[410:] - scene[410:]).mean() < 0.05


@pytest.mark.parametrize("words", [("--model", "run-x.photo"), ("--task", "foto")])
def test_a_mistyped_name_is_told_before_a_result_in_the_way(
    noisy: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    noisy.with_name("noisy.restored.png").write_bytes(b"")
    assert run(noisy, *words) == 2
    assert words[1] in capsys.readouterr().err


def test_a_result_in_the_way_is_told_before_auto_looks(
    noisy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object, **__: object) -> None:
        raise AssertionError("looked first")

    monkeypatch.setattr(restore_verb, "inspect_file", look)
    noisy.with_name("noisy.restored.png").write_bytes(b"")
    assert run(noisy, "--task", "auto") == 2
    assert "--overwrite" in capsys.readouterr().err
