"""Tiles: every pixel is covered, weights sum to one, identity comes back, and only a band is held."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runir.inference.tiles import GRID, MARGIN, TilePlan, plan_tiles, reflected, restore_rows


class Held:
    """A picture in memory that is read once, from top to bottom."""

    def __init__(self, picture: NDArray[Any]) -> None:
        self.picture, self.read = picture, 0

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        assert top == self.read
        self.read = bottom
        return self.picture[top:bottom]


def run(picture: NDArray[Any], plan: TilePlan, restore: Any = lambda tile, top, left: tile) -> NDArray[np.float32]:
    def cut(tile: NDArray[Any]) -> NDArray[np.float32]:
        return tile.astype(np.float32)

    parts = [(a.copy(), b.copy()) for a, b in restore_rows(Held(picture), plan, cut, restore)]
    np.testing.assert_array_equal(np.concatenate([a for a, _ in parts]), picture)
    return np.concatenate([b for _, b in parts])


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 200), st.sampled_from([(16, 0), (16, 4), (16, 8), (24, 5), (64, 8), (100, 20)])
)
def test_cut_and_blend_is_the_identity(height: int, width: int, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    plan, count = plan_tiles(height, width, *shape), 0

    def restore(tile: NDArray[np.float32], top: int, left: int) -> NDArray[np.float32]:
        nonlocal count
        count += 1
        assert tile.shape == (shape[0], shape[0], 3)
        return tile

    np.testing.assert_allclose(run(picture, plan, restore), picture, atol=1e-6)
    assert count == len(plan)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5000), st.sampled_from([(512, 32), (256, 64), (100, 50)]))
def test_neighbours_share_at_least_the_overlap_with_as_few_tiles_as_possible(side: int, shape: tuple[int, int]) -> None:
    tile, overlap = shape
    rows = plan_tiles(side, 1, tile, overlap).rows
    before, after = -rows[0], rows[-1] + tile - side
    assert 0 <= before <= max(MARGIN, tile // 2)
    assert before <= after + 1
    assert after <= before + GRID  # the picture lies in the middle, but for the grid
    assert all(a + tile - b >= overlap for a, b in itertools.pairwise(rows))
    if len(rows) > 1:
        assert (len(rows) - 1) * ((tile - overlap) // GRID * GRID) + overlap < side
        assert not any((b - a) % GRID for a, b in itertools.pairwise(rows))


def test_extension_is_reflection_as_often_as_needed() -> None:
    assert reflected(-3, 8, 3).tolist() == [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]
    assert reflected(-2, 3, 1).tolist() == [0] * 5
    row = np.arange(30)
    np.testing.assert_array_equal(row[reflected(-7, 41, 30)], np.pad(row, (7, 11), mode="reflect"))


def test_a_seam_is_a_fade_not_a_step() -> None:
    plan = plan_tiles(16, 28, 16, 4)
    row = run(np.zeros((16, 28, 3), np.float32), plan, lambda tile, top, left: tile + plan.columns.index(left))[0, :, 0]
    assert row[:12].max() == 0
    assert row[16:].min() == pytest.approx(1)
    assert np.diff(row).max() <= 0.26


def test_only_a_band_of_the_source_is_held() -> None:
    """Of a picture of 2000 rows no part larger than a tile (and the overlap) is handed out or asked for at once."""
    plan, asked = plan_tiles(2000, 40, 64, 8), []

    class Endless:
        def rows(self, top: int, bottom: int) -> NDArray[Any]:
            asked.append(bottom - top)
            return np.zeros((bottom - top, 40, 1), np.uint8)

    def cut(tile: NDArray[Any]) -> NDArray[np.float32]:
        return np.repeat(tile, 3, 2).astype(np.float32)

    heights = [len(done) for _, done in restore_rows(Endless(), plan, cut, lambda tile, top, left: tile)]
    assert sum(heights) == sum(asked) == 2000
    assert max(*heights, *asked) <= 64
