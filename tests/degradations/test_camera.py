"""Camera noise: its variance, its correlations, and that a perfect camera changes nothing."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runir.degradations import CameraNoise, bayer, camera_noise
from runir.degradations.jpeg import jpeg_round_trip
from runir.degradations.transfer import apply_tone_curve, linear_to_srgb, srgb_to_linear, undo_tone_curve
from runir.errors import UsageError

UNIT = (1.0, 1.0, 1.0)
PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
METHODS: list[bayer.Demosaic] = ["bilinear", "malvar"]


def flat(colour: tuple[float, ...], size: int = 300) -> npt.NDArray[np.float32]:
    return np.broadcast_to(np.array(colour, np.float32), (size, size, len(colour))).copy()


def linear_noise(linear: tuple[float, ...], params: CameraNoise) -> npt.NDArray[np.float64]:
    """The noise of a flat picture of these linear values, in linear light."""
    picture = linear_to_srgb(flat(linear))
    noisy = camera_noise(picture, params, np.random.default_rng(7))
    noise: npt.NDArray[np.float64] = srgb_to_linear(noisy).astype(np.float64) - np.array(linear)
    return noise


# ---- transfer functions ------------------------------------------------------------------------------------


def test_srgb_values_of_the_standard() -> None:
    encoded = np.array([0.0, 0.04045, 0.2, 0.5, 1.0])
    linear = np.array([0.0, 0.0031308, 0.0331048, 0.2140411, 1.0])
    np.testing.assert_allclose(srgb_to_linear(encoded), linear, atol=1e-6)
    np.testing.assert_allclose(linear_to_srgb(linear), encoded, atol=1e-5)


def test_tone_curve_and_its_inverse() -> None:
    points = np.array([0, 0.25, 0.5, 1], np.float32)
    np.testing.assert_allclose(apply_tone_curve(points), np.array([0, 0.15625, 0.5, 1]), atol=1e-7)
    value = np.linspace(0, 1, 1001, dtype=np.float32)
    np.testing.assert_allclose(apply_tone_curve(undo_tone_curve(value)), value, atol=1e-6)


# ---- Bayer array -------------------------------------------------------------------------------------------


def test_mosaic_is_rggb_and_the_phase_moves_it() -> None:
    rgb = flat((1.0, 2.0, 3.0), 4)
    np.testing.assert_array_equal(bayer.mosaic(rgb, (0, 0))[:2, :2], [[1, 2], [2, 3]])
    np.testing.assert_array_equal(bayer.mosaic(rgb, (0, 1))[:2, :2], [[2, 1], [3, 2]])
    np.testing.assert_array_equal(bayer.mosaic(rgb, (1, 1))[:2, :2], [[3, 2], [2, 1]])


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
def test_demosaic_is_exact_for_a_flat_colour(method: bayer.Demosaic, phase: bayer.Phase) -> None:
    rgb = flat((0.2, 0.5, 0.9), 11)
    found = bayer.demosaic(bayer.mosaic(rgb, phase), method, phase)
    np.testing.assert_allclose(found, rgb[2:-2, 2:-2], atol=1e-6)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
def test_demosaic_is_exact_for_a_slope(method: bayer.Demosaic, phase: bayer.Phase) -> None:
    y, x = np.mgrid[:10, :13]
    rgb = np.repeat((0.05 * y + 0.02 * x)[:, :, None], 3, axis=2).astype(np.float32)
    found = bayer.demosaic(bayer.mosaic(rgb, phase), method, phase)
    np.testing.assert_allclose(found, rgb[2:-2, 2:-2], atol=1e-6)


def test_malvar_uses_the_other_colours_and_bilinear_does_not() -> None:
    plane = np.zeros((9, 9), np.float32)
    plane[4, 4] = 8.0  # a red sample, seen through the filters of its neighbours
    assert bayer.demosaic(plane, "malvar", (0, 0))[2, 2].tolist() == [8, 4, 6]
    assert bayer.demosaic(plane, "bilinear", (0, 0))[2, 2].tolist() == [8, 0, 0]
    assert bayer.demosaic(plane, "malvar", (0, 0))[2, 3].tolist() == [4, 0, 0]
    assert bayer.demosaic(plane, "malvar", (0, 0))[2, 4].tolist() == [0, -1, -1.5]


# ---- the noise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tone_curve", [False, True])
@pytest.mark.parametrize("demosaic", ["none", *METHODS])
@pytest.mark.parametrize("channels", [1, 3])
def test_perfect_camera_gives_the_picture_back(channels: int, demosaic: bayer.Demosaic, tone_curve: bool) -> None:
    clean = np.random.default_rng(0).random((33, 20, channels)).astype(np.float32)
    params = CameraNoise(shot=0.0, read=0.0, demosaic=demosaic, tone_curve=tone_curve)
    np.testing.assert_allclose(camera_noise(clean, params, np.random.default_rng(1)), clean, atol=1e-5)


def test_variance_grows_linearly_with_the_signal() -> None:
    params = CameraNoise(shot=0.004, read=2e-4, gains=UNIT, saturation=0.0, demosaic="none")
    for level in (0.2, 0.4, 0.6):
        noise = linear_noise((level,), params)
        assert noise.var() == pytest.approx(0.004 * level + 2e-4, rel=0.03)
        assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size)


def test_white_balance_amplifies_the_noise_of_each_channel() -> None:
    gains = (2.0, 1.25, 1.6)
    params = CameraNoise(shot=0.001, read=5e-5, gains=gains, saturation=0.0, demosaic="none")
    variance = linear_noise((0.4, 0.4, 0.4), params).var(axis=(0, 1))
    expected = [gain**2 * (0.001 * 0.4 / gain + 5e-5) for gain in gains]
    np.testing.assert_allclose(variance, expected, rtol=0.04)


def test_one_channel_uses_the_green_gain() -> None:
    params = CameraNoise(shot=0.001, read=5e-5, gains=(9.0, 1.5, 9.0))
    assert linear_noise((0.4,), params).var() == pytest.approx(1.5 * 0.001 * 0.4 + 1.5**2 * 5e-5, rel=0.04)


def test_colour_matrix_gives_noise_the_covariance_of_its_rows() -> None:
    params = CameraNoise(shot=0.0, read=1e-4, gains=UNIT, saturation=0.6, demosaic="none")
    noise = linear_noise((0.4, 0.4, 0.4), params).reshape(-1, 3)
    matrix = np.array([[1.6, -0.3, -0.3], [-0.3, 1.6, -0.3], [-0.3, -0.3, 1.6]])
    np.testing.assert_allclose(np.cov(noise.T), 1e-4 * matrix @ matrix.T, rtol=0.05)


def test_bilinear_demosaicing_correlates_neighbours_as_computed_by_hand() -> None:
    params = CameraNoise(shot=0.0, read=1e-4, gains=UNIT, saturation=0.0, demosaic="bilinear")
    noise = linear_noise((0.4, 0.4, 0.4), params)
    variance = noise.var(axis=(0, 1)) / 1e-4
    np.testing.assert_allclose(variance, [9 / 16, 10 / 16, 9 / 16], rtol=0.03)
    lag = (noise[:, 1:] * noise[:, :-1]).mean(axis=(0, 1)) / 1e-4
    np.testing.assert_allclose(lag, [3 / 8, 1 / 4, 3 / 8], atol=0.02)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02


def test_malvar_demosaicing_correlates_channels_and_no_demosaicing_nothing() -> None:
    params = CameraNoise(shot=0.0, read=1e-4, gains=UNIT, saturation=0.0, demosaic="malvar")
    red, green, _ = linear_noise((0.4, 0.4, 0.4), params).reshape(-1, 3).T
    assert (red * green).mean() > 0.2 * red.std() * green.std()
    white = linear_noise((0.4, 0.4, 0.4), replace(params, demosaic="none"))
    assert abs((white[:, 1:] * white[:, :-1]).mean()) < 0.02 * 1e-4


@pytest.mark.parametrize("demosaic", ["none", *METHODS])
def test_mean_brightness_is_kept_in_the_midtones(demosaic: bayer.Demosaic) -> None:
    params = CameraNoise(shot=0.004, read=1e-5, demosaic=demosaic)
    noise = linear_noise((0.3, 0.35, 0.3), params)
    assert np.abs(noise.mean(axis=(0, 1))).max() < 0.002


def test_noise_at_the_border_is_like_the_noise_inside() -> None:
    """A single pixel under blue: its red is the mean of four samples outside the picture."""
    params = CameraNoise(2e-4, 0.0, gains=UNIT, saturation=0.0, demosaic="bilinear", phase=(1, 1))
    picture = linear_to_srgb(flat((0.5, 0.5, 0.5), 1))
    rng = np.random.default_rng(0)
    noise = np.stack([srgb_to_linear(camera_noise(picture, params, rng))[0, 0] for _ in range(2000)])
    np.testing.assert_allclose(noise.var(axis=0) / 1e-4, [1 / 4, 1 / 4, 1], rtol=0.1)


def test_shot_noise_follows_the_raw_values_not_the_finished_colours() -> None:
    """Camera colours are duller: with s = 0.6, a difference from gray is 1 / (1 + 0.9) of what it becomes."""
    params = CameraNoise(shot=1e-3, read=0.0, gains=UNIT, saturation=0.6, demosaic="none")
    linear = np.array([0.6, 0.3, 0.3])
    raw = 0.4 + (linear - 0.4) / 1.9
    noise = linear_noise(tuple(linear), params).reshape(-1, 3)
    matrix = np.array([[1.6, -0.3, -0.3], [-0.3, 1.6, -0.3], [-0.3, -0.3, 1.6]])
    np.testing.assert_allclose(np.cov(noise.T), matrix @ np.diag(1e-3 * raw) @ matrix.T, rtol=0.05)


# ---- parameters --------------------------------------------------------------------------------------------


def test_sampled_parameters_follow_the_stated_distribution() -> None:
    rng = np.random.default_rng(0)
    cameras = [CameraNoise.sample(rng) for _ in range(2000)]
    shot, read = (np.log([getattr(c, name) for c in cameras]) for name in ("shot", "read"))
    assert np.log(1e-4) <= shot.min() < np.log(1.1e-4)
    assert np.log(0.011) < shot.max() <= np.log(0.012)
    assert np.median(shot) == pytest.approx(np.log(1e-4 * 0.012) / 2, abs=0.2)
    residual = read - (2.18 * shot + 1.2)
    assert residual.mean() == pytest.approx(0, abs=0.03)
    assert residual.std() == pytest.approx(0.26, abs=0.02)
    red = np.array([c.gains[0] / c.gains[1] for c in cameras])
    assert 1.9 <= red.min() < red.max() <= 2.4
    assert np.mean([1 / c.gains[1] for c in cameras]) == pytest.approx(0.8, abs=0.02)
    assert {c.demosaic for c in cameras} == {"none", "bilinear", "malvar"}
    assert {c.phase for c in cameras} == set(PHASES)
    quality = {c.jpeg_quality for c in cameras}
    assert None in quality
    assert quality - {None} == set(range(75, 99))


def test_fixed_shot_noise_brings_its_read_noise() -> None:
    rng = np.random.default_rng(0)
    read = [CameraNoise.sample(rng, shot=0.01).read for _ in range(500)]
    assert np.log(read).mean() == pytest.approx(2.18 * np.log(0.01) + 1.2, abs=0.05)
    assert CameraNoise.sample(rng, shot=0.0).read == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"shot": -1.0},
        {"read": float("nan")},
        {"gains": (1.0, 0.0, 1.0)},
        {"saturation": -0.1},
        {"demosaic": "ahd"},
        {"phase": (0, 2)},
        {"jpeg_quality": 0},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="camera noise"):
        replace(CameraNoise(shot=0.01, read=1e-4), **wrong)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32), st.floats(-0.2, 1.2))
def test_any_size_any_camera(height: int, width: int, channels: int, seed: int, level: float) -> None:
    clean = np.full((height, width, channels), level, np.float32)

    def once() -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        return camera_noise(clean, CameraNoise.sample(rng), rng)

    noisy = once()
    assert noisy.shape == clean.shape
    assert noisy.dtype == np.float32
    assert np.isfinite(noisy).all()
    assert 0.0 <= noisy.min() <= noisy.max() <= 1.0
    np.testing.assert_array_equal(noisy, once())


# ---- JPEG --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_gives_eight_bit_levels_and_loses_more_at_low_quality(channels: int) -> None:
    picture = np.random.default_rng(0).random((32, 24, channels)).astype(np.float32)
    errors = [np.abs(jpeg_round_trip(picture, quality) - picture).mean() for quality in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2] > 0
    levels = jpeg_round_trip(picture, 50) * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert jpeg_round_trip(picture, 50).shape == picture.shape


def test_camera_ends_with_jpeg() -> None:
    clean = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    params = CameraNoise(shot=0.0, read=0.0, jpeg_quality=80)
    expected = jpeg_round_trip(clean, 80)
    np.testing.assert_array_equal(camera_noise(clean, params, np.random.default_rng(0)), expected)


def test_jpeg_quality_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="quality"):
        jpeg_round_trip(flat((0.5,), 8), 101)
