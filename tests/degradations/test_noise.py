"""Gaussian noise: exactly the protocol's formula, and the statistics that it promises."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from runir.degradations import awgn, gray_awgn
from runir.errors import UsageError

FLAT = np.full((200, 200, 3), 0.5, np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_awgn_is_the_protocol_formula_bit_for_bit(channels: int, dtype: type[np.floating[Any]]) -> None:
    clean: npt.NDArray[Any] = np.random.default_rng(5).random((7, 9, channels)).astype(dtype)
    noise = np.random.default_rng(42).normal(0, 25 / 255, (7, 9, channels))
    expected = (np.float64(1.0) * clean + noise).astype(np.float32)
    noisy = awgn(clean, 25, np.random.default_rng(42))
    assert noisy.dtype == np.float32
    np.testing.assert_array_equal(noisy, expected)


def test_awgn_has_the_stated_mean_and_deviation_and_independent_channels() -> None:
    noise = (awgn(FLAT, 30, np.random.default_rng(1)) - FLAT) * 255
    assert abs(noise.mean()) < 4 * 30 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(30, rel=0.01)
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert np.abs(correlation - np.eye(3)).max() < 0.02


def test_awgn_is_not_clipped() -> None:
    noisy = awgn(np.zeros((50, 50, 3), np.float32), 50, np.random.default_rng(1))
    assert noisy.min() < -0.3
    assert awgn(np.ones((50, 50, 3), np.float32), 50, np.random.default_rng(1)).max() > 1.3


def test_gray_awgn_puts_one_plane_on_all_channels() -> None:
    clean = np.random.default_rng(3).random((200, 200, 3))
    noise = gray_awgn(clean, 20, np.random.default_rng(1)) - clean
    np.testing.assert_allclose(noise[:, :, 0], noise[:, :, 1], atol=1e-6)
    np.testing.assert_allclose(noise[:, :, 0], noise[:, :, 2], atol=1e-6)
    assert noise[:, :, 0].std() * 255 == pytest.approx(20, rel=0.02)


def test_gray_awgn_of_one_channel_is_awgn() -> None:
    clean = FLAT[:, :, :1]
    one, other = (f(clean, 10, np.random.default_rng(9)) for f in (awgn, gray_awgn))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("noise", [awgn, gray_awgn])
def test_no_noise_gives_the_picture_and_leaves_the_input_alone(noise) -> None:  # type: ignore[no-untyped-def]
    clean = np.random.default_rng(3).random((1, 1, 3)).astype(np.float32)
    kept = clean.copy()
    np.testing.assert_array_equal(noise(clean, 0, np.random.default_rng(1)), kept)
    noise(clean, 50, np.random.default_rng(1))
    np.testing.assert_array_equal(clean, kept)


@pytest.mark.parametrize("sigma", [-1, 255.1, float("nan"), float("inf")])
def test_sigma_out_of_range_is_refused(sigma: float) -> None:
    with pytest.raises(UsageError, match="0 to 255"):
        awgn(FLAT, sigma, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_shapes_that_are_no_picture_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="shape"):
        awgn(np.zeros(shape), 10, np.random.default_rng(0))


def test_eight_bit_levels_are_refused() -> None:
    with pytest.raises(UsageError, match="uint8"):
        awgn(np.zeros((4, 4, 3), np.uint8), 10, np.random.default_rng(0))
