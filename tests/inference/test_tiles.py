"""Tiles: every pixel is covered, weights sum to one, identity comes back exactly enough."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runir.inference.tiles import Blender, extend, plan_tiles, tiles


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([(16, 0), (16, 4), (16, 8), (24, 5)]))
def test_cut_and_blend_is_the_identity(height: int, width: int, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    plan = plan_tiles(height, width, *shape)
    blender = Blender(plan, 3)
    count = 0
    for top, left, tile in tiles(picture, plan):
        assert tile.shape == (shape[0], shape[0], 3)
        blender.add(top, left, tile)
        count += 1
    assert count == len(plan)
    np.testing.assert_allclose(blender.picture(), picture, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.sampled_from([(512, 32), (256, 64), (100, 50)]))
def test_neighbours_share_at_least_the_overlap_with_as_few_tiles_as_possible(side: int, shape: tuple[int, int]) -> None:
    tile, overlap = shape
    rows = plan_tiles(side, 1, tile, overlap).rows
    assert rows[0] == 0
    assert rows[-1] + tile == max(side, tile)
    assert all(a + tile - b >= overlap for a, b in itertools.pairwise(rows))
    if len(rows) > 1:
        assert (len(rows) - 1) * (tile - overlap) + overlap < side


def test_extension_reflects_as_often_as_needed() -> None:
    picture = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    assert extend(picture, 2, 8)[1, :, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    np.testing.assert_array_equal(
        extend(np.arange(12, dtype=np.float32).reshape(3, 4, 1), 5, 7)[..., 0],
        np.pad(np.arange(12.0).reshape(3, 4), ((0, 2), (0, 3)), mode="reflect"),
    )


def test_a_seam_is_a_fade_not_a_step() -> None:
    plan = plan_tiles(16, 28, 16, 4)
    blender = Blender(plan, 1)
    for index, (top, left, tile) in enumerate(tiles(np.zeros((16, 28, 1), np.float32), plan)):
        blender.add(top, left, tile + index)
    row = blender.picture()[0, :, 0]
    assert row[:12].max() == 0
    assert row[16:].min() == pytest.approx(1)
    assert np.diff(row).max() <= 0.26
