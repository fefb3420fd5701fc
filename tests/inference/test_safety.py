"""What the Restorer does with results and values that cannot be meant."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import runir
from runir.degradations import awgn
from runir.evaluation import psnr
from runir.images import read_picture
from runir.images.reduce import views

Tile = NDArray[np.float32]
DATA = Path(__file__).parents[1] / "data"
NAME = "run-t.denoise"


class Fake:
    """An engine that does something else."""

    name = "openvino"

    def __init__(self, answer: Callable[[Tile], Tile]) -> None:
        self.answer = answer

    def __call__(self, tile: Tile, statistics: Tile | None = None) -> Tile:
        return self.answer(tile)

    def measure(self, tile: Tile) -> Tile | None:
        return None


@pytest.fixture
def noisy() -> Tile:
    return awgn(read_picture(DATA / "hippo.webp").pixels, 25, np.random.default_rng(0))


@pytest.mark.parametrize("factor", ["nan", "inf", "40"])
def test_a_result_that_cannot_be_meant_leaves_the_tile_as_it_was_and_says_so(factor: str, noisy: Tile) -> None:
    restorer, notes = runir.Restorer(NAME), list[str]()
    restorer._engine = Fake(lambda tile: tile * np.float32(factor))
    np.testing.assert_allclose(restorer(noisy, notes=notes), noisy, atol=1e-6)
    assert len(notes) == 1
    assert "kept as they were" in notes[0]


def test_only_the_bad_tile_is_kept(noisy: Tile) -> None:
    restorer, notes = runir.Restorer(NAME), list[str]()
    real, calls = restorer._engine, 0

    def once(tile: Tile) -> Tile:
        nonlocal calls
        calls += 1
        return tile * np.float32("nan") if calls == 1 else real(tile)

    restorer._engine = Fake(once)
    wide = np.concatenate([noisy] * 4, axis=1)
    out = restorer(wide, notes=notes)
    assert np.isfinite(out).all()
    assert notes[0].startswith(f"1 of {restorer.tile_count(*wide.shape[:2])} tiles kept")
    np.testing.assert_allclose(out[:, :200], wide[:, :200], atol=1e-6)
    assert np.abs(out[:, -200:] - wide[:, -200:]).mean() > 0.02


def test_another_precision_is_tried_again_in_float32(monkeypatch: pytest.MonkeyPatch, noisy: Tile) -> None:
    expected = runir.Restorer(NAME)(noisy)
    restorer, notes = runir.Restorer(NAME, precision="auto"), list[str]()
    restorer._engine = Fake(lambda tile: tile * np.float32("nan"))
    np.testing.assert_allclose(restorer(noisy, notes=notes), expected, atol=1e-6)
    assert notes == []


def test_values_far_beyond_white_keep_their_distance(noisy: Tile) -> None:
    bright = noisy.copy()
    bright[:8, :8] = 300.0  # a float file in linear light
    out = runir.Restorer(NAME)(bright)
    assert np.isfinite(out).all()
    assert np.abs(out[:8, :8] - 300).max() < 1
    assert np.abs(out[64:] - runir.Restorer(NAME)(noisy)[64:]).mean() < 0.02


def test_a_checkerboard_and_pure_noise_stay_within_bounds() -> None:
    restorer = runir.Restorer(NAME)
    board = np.indices((100, 90)).sum(0)[..., None].repeat(3, 2) % 2
    noise = np.random.default_rng(0).random((100, 90, 3))
    for picture in (board, noise):
        out = restorer(picture.astype(np.float32))
        assert np.isfinite(out).all()
        assert -0.6 < out.min() <= out.max() < 1.6
        assert abs(float(out.mean() - picture.mean())) < 4 / 255


@pytest.mark.parametrize("way", range(1, 8))
def test_a_turned_picture_gives_nearly_the_turned_result(way: int, noisy: Tile) -> None:
    """Not exactly: nothing in training makes the eight symmetries equal. 41 to 44 dB to each other at sigma 25."""
    restorer, side = runir.Restorer(NAME), 256
    picture = noisy[:side, :side]

    def turn(x: Tile) -> Tile:
        x = np.rot90(x, way % 4)
        return np.ascontiguousarray(x[:, ::-1] if way >= 4 else x)

    assert psnr(restorer(turn(picture)) * 255, turn(restorer(picture)) * 255) > 40


def test_tta_is_the_mean_of_the_eight_ways_and_better(noisy: Tile) -> None:
    clean = read_picture(DATA / "hippo.webp").pixels
    restorer = runir.Restorer(NAME)
    plain, averaged = restorer(noisy), restorer(noisy, tta=True)
    assert psnr(averaged * 255, clean * 255) > psnr(plain * 255, clean * 255)
    square = noisy[:200, :200]
    turned = np.ascontiguousarray(np.rot90(square))
    np.testing.assert_allclose(restorer(turned, tta=True), np.rot90(restorer(square, tta=True)), atol=2e-5)


def test_the_stream_holds_one_row_of_tiles_and_equals_the_call(noisy: Tile) -> None:
    tall = np.concatenate([noisy] * 4)[:, :60]
    restorer, parts, asked = runir.Restorer(NAME), [], []

    class Source:
        height, width, channels = tall.shape

        def rows(self, top: int, bottom: int) -> Tile:
            asked.append(bottom - top)
            return tall[top:bottom]

        def reduced(self, side: int) -> Tile:
            raise AssertionError("only models with an exposure curve look at the whole picture first")

        def clearest(self, side: int, count: int, most: int) -> list[Tile]:
            raise AssertionError("only models with guides do")

        def views(self, side: int, count: int) -> list[Tile]:
            return views(tall, side, count)

    for before, after in restorer.stream(Source()):
        assert before.shape == after.shape
        parts.append(after.copy())
    np.testing.assert_allclose(np.concatenate(parts), restorer(tall), atol=1e-6)
    assert max(asked) <= restorer.card.tile < tall.shape[0]
