"""Numbers and raw samples, and colour under transparent pixels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runir.errors import RunirError
from runir.images import fill_transparent, finite, from_float, keep_hidden, to_float
from runir.images.depth import change_depth, spread, squeeze


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_to_float_and_back(dtype: Any) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    numbers = to_float(levels)
    assert numbers.dtype == np.float32
    assert (float(numbers[0]), float(numbers[-1])) == (0.0, 1.0)
    np.testing.assert_array_equal(from_float(numbers, dtype), levels)


def test_from_float_clips_and_rounds_to_integers_only() -> None:
    numbers = np.array([-1, 0.0019, 0.0021, 0.5, 1.2, np.inf], np.float32)
    assert from_float(numbers, np.uint8).tolist() == [0, 0, 1, 128, 255, 255]
    np.testing.assert_array_equal(from_float(numbers[:5], np.float32), numbers[:5])
    for dtype in (np.uint8, np.uint16, np.float32):
        with pytest.raises(RunirError, match="not numbers"):
            from_float(np.array([0.5, np.nan], np.float32), dtype)


@pytest.mark.parametrize("bits", [10, 12])
def test_ten_and_twelve_bits_fill_the_scale(bits: int) -> None:
    stored = np.arange(0, 65536, 2 ** (16 - bits)).astype(np.uint16)
    wide = spread(stored, bits)
    assert (int(wide[0]), int(wide[-1])) == (0, 65535)
    np.testing.assert_array_equal(squeeze(wide, bits), stored)
    np.testing.assert_allclose(wide / 65535, np.arange(2**bits) / (2**bits - 1), atol=0.51 / 65535)


def test_depths_into_each_other() -> None:
    eight = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(change_depth(change_depth(eight, np.uint16), np.uint8), eight)
    np.testing.assert_array_equal(change_depth(change_depth(eight, np.float32), np.uint8), eight)
    sixteen = np.arange(65536).astype(np.uint16)
    np.testing.assert_array_equal(change_depth(sixteen, np.uint8), np.rint(sixteen / 257).astype(np.uint8))
    assert change_depth(np.array([np.nan, np.inf], np.float32), np.uint8).tolist() == [0, 255]


def test_finite() -> None:
    raw = np.array([1.5, np.nan, np.inf, -np.inf], np.float32)
    clean, bad = finite(raw)
    assert clean.tolist() == [1.5, 0, 1, 0]
    assert bad is not None
    assert bad.tolist() == [False, True, True, True]
    for sound in (np.arange(5, dtype=np.uint16), np.ones(3, np.float32)):
        assert finite(sound)[0] is sound
        assert finite(sound)[1] is None


def test_hidden_colour_follows_its_surroundings() -> None:
    """Two flat halves, hidden in the middle: what is filled in lies between them, and is near the nearer one."""
    pixels = np.zeros((40, 60, 3), np.float32)
    pixels[:, :20], pixels[:, 40:] = (0.8, 0.4, 0.2), (0.6, 0.5, 0.4)
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:, 20:40] = 0
    filled = fill_transparent(pixels, alpha)
    seen = alpha > 0
    np.testing.assert_array_equal(filled[seen], pixels[seen])
    low, high = np.minimum(pixels[0, 0], pixels[0, -1]), np.maximum(pixels[0, 0], pixels[0, -1])
    assert (filled >= low - 1e-5).all()
    assert (filled <= high + 1e-5).all()
    assert np.abs(filled[:, 20] - filled[:, 19]).max() < 0.06
    assert np.abs(np.diff(filled, axis=1)).max() < 0.1  # before it was 0.8


@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(st.integers(1, 17), st.integers(1, 17), st.integers(0, 1000))
def test_a_flat_picture_is_flat_again(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    alpha = (random.random((height, width)) < 0.3).astype(np.uint8)
    alpha[random.integers(height), random.integers(width)] = 1
    pixels = np.where(alpha[..., None] > 0, np.float32(0.3), random.random((height, width, 1), np.float32))
    before = pixels.copy()
    np.testing.assert_allclose(fill_transparent(pixels, alpha), 0.3, atol=1e-5)
    np.testing.assert_array_equal(pixels, before)


def test_where_nothing_is_hidden_nothing_is_done_and_where_all_is_it_is_gray() -> None:
    pixels = np.ones((3, 4, 3), np.float32)
    assert fill_transparent(pixels, np.full((3, 4), 7, np.uint8)) is pixels
    np.testing.assert_array_equal(fill_transparent(pixels, np.zeros((3, 4), np.uint8)), np.full_like(pixels, 0.5))


def test_hidden_colour_is_kept_bit_for_bit() -> None:
    random = np.random.default_rng(0)
    original = random.integers(0, 65536, (9, 8, 3), np.uint16)
    restored = random.integers(0, 65536, (9, 8, 3), np.uint16)
    alpha = random.integers(0, 2, (9, 8), np.uint16)
    kept = keep_hidden(restored, original, alpha)
    np.testing.assert_array_equal(kept[alpha == 0], original[alpha == 0])
    np.testing.assert_array_equal(kept[alpha > 0], restored[alpha > 0])
    assert keep_hidden(restored, original, alpha + 1) is restored
