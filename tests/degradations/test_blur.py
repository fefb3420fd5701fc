"""Motion blur: kernels with the stated size and centre, convolution against a plain sum, and what must stay."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from runir.degradations import MotionBlur, MotionBlurs, blur, motion_blur
from runir.degradations.kernels import STEPS, convolve, draw_path, full_convolution, roll_path, shake_path
from runir.degradations.transfer import linear_to_srgb, srgb_to_linear
from runir.errors import UsageError


def picture(height: int = 40, width: int = 52, channels: int = 3) -> NDArray[Any]:
    return np.random.default_rng(0).random((height, width, channels)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 6), st.floats(0, 4), st.floats(0, 2), st.floats(0, 45))
def test_kernels_sum_to_one_are_centred_and_have_the_size(
    seed: int, shake: float, pull: float, jerks: float, size: float
) -> None:
    path = shake_path(np.random.default_rng(seed), shake=shake, pull=pull, jerks=jerks)
    assert path.shape == (STEPS, 2)
    assert (path.max(0) - path.min(0)).max() == pytest.approx(1)
    kernel = draw_path(path * size)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert float(kernel.sum(1) @ offsets) == pytest.approx(0, abs=1e-3)
    assert float(kernel.sum(0) @ offsets) == pytest.approx(0, abs=1e-3)
    extent = max(np.ptp(np.flatnonzero(kernel.sum(axis) > 1e-6)) for axis in (0, 1))
    assert size - 0.1 <= extent <= size + 2


def test_a_path_that_stands_still_is_one_pixel() -> None:
    np.testing.assert_array_equal(draw_path(np.full((5, 2), 3.7)), [[1]])


def test_a_straight_path_is_a_straight_kernel() -> None:
    kernel = draw_path(np.stack((np.zeros(50), np.linspace(0, 10, 50)), 1))
    row = kernel[kernel.shape[0] // 2]
    assert row.sum() == pytest.approx(1)
    np.testing.assert_allclose(row[1:-1], 0.1, atol=0.01)


def test_straight_and_shaky_paths_differ_in_length() -> None:
    def length(shake: float) -> float:
        paths = (shake_path(np.random.default_rng(s), shake=shake, pull=0, jerks=0) for s in range(20))
        return float(np.mean([np.linalg.norm(np.diff(p, axis=0), axis=1).sum() for p in paths]))

    assert length(0) < 1.45  # at most the diagonal
    assert length(6) > 1.6


def test_every_jerk_nearly_turns_the_path_round() -> None:
    turned = 0
    for seed in range(40):
        path = shake_path(np.random.default_rng(seed), shake=0, pull=0, jerks=3)
        steps = np.diff(path, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        cosines = (steps[1:] * steps[:-1]).sum(1)
        jerks = cosines[cosines < 0.999]
        assert (jerks < np.cos(np.deg2rad(110))).all()
        turned += len(jerks)
    assert 60 < turned < 180  # three each on average


def test_roll_has_range_one_and_mean_zero() -> None:
    turn = roll_path(np.random.default_rng(1))
    assert np.ptp(turn) == pytest.approx(1)
    assert turn.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("side", [1, 3, 7])
def test_convolution_equals_the_plain_sum(side: int) -> None:
    rng = np.random.default_rng(2)
    source, kernel = picture(12, 9), rng.random((side, side)).astype(np.float32)
    reach = side // 2
    wide = np.pad(source, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    expected = np.zeros_like(source)
    for y in range(side):
        for x in range(side):
            expected += kernel[y, x] * wide[side - 1 - y : side - 1 - y + 12, side - 1 - x : side - 1 - x + 9]
    np.testing.assert_allclose(convolve(source, kernel), expected, rtol=1e-4, atol=1e-5)
    full = full_convolution(source, kernel)
    assert full.shape == (11 + side, 8 + side, 3)
    assert full.sum() == pytest.approx(source.sum() * kernel.sum(), rel=1e-4)


def test_even_kernels_are_refused() -> None:
    with pytest.raises(UsageError, match="odd sides"):
        convolve(picture(), np.ones((2, 3), np.float32))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 60, 3), (33, 20, 1), (140, 150, 3)])
def test_any_shape_and_range(shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).random(shape)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        out = motion_blur(clean, MotionBlurs(rolling=0.5, objects=0.5).draw(rng), rng)
        assert out.shape == shape
        assert out.dtype == np.float32
        assert out.min() >= 0
        assert out.max() <= 1


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("roll", [0.0, 3.0])
@pytest.mark.parametrize("objects", [0, 2])
def test_flat_pictures_stay_flat(linear: bool, roll: float, objects: int) -> None:
    clean = np.full((70, 300, 3), 0.4, np.float32)
    params = MotionBlur(21, roll=roll, objects=objects, linear=linear)
    out = motion_blur(clean, params, np.random.default_rng(3))
    np.testing.assert_allclose(out, clean, atol=2e-3)


def test_no_motion_changes_nothing() -> None:
    out = motion_blur(picture(), MotionBlur(0), np.random.default_rng(0))
    np.testing.assert_allclose(out, picture(), atol=1e-4)


def test_light_is_added_in_linear_light() -> None:
    clean = (picture() > 0.5).astype(np.float32)
    bright, plain = (
        motion_blur(clean, MotionBlur(15, linear=flag), np.random.default_rng(5)) for flag in (True, False)
    )
    inside = (slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(srgb_to_linear(bright)[inside], plain[inside], atol=2e-3)
    assert bright.mean() > plain.mean() + 0.1
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(bright)), bright, atol=1e-4)


def test_highlights_spread_further() -> None:
    clean = np.full((61, 61, 3), 0.05, np.float32)
    clean[28:33, 28:33] = 1
    dim, bright = (motion_blur(clean, MotionBlur(25, highlights=h), np.random.default_rng(1)) for h in (1.0, 6.0))
    assert (bright > 0.6).sum() > 1.5 * (dim > 0.6).sum()
    assert bright.max() <= 1


def test_roll_blurs_more_away_from_the_axis() -> None:
    clean = picture(64, 400)
    out = motion_blur(clean, MotionBlur(0, roll=4, axis=(0, -200)), np.random.default_rng(0))
    near, far = out[:, :40].std(), out[:, -40:].std()
    assert near > 0.1
    assert far < 0.6 * near


def test_objects_move_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    outlines: list[NDArray[np.float32]] = []

    def outline(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
        outlines.append(drawn(height, width, rng))
        return outlines[-1]

    drawn = blur._outline
    monkeypatch.setattr(blur, "_outline", outline)
    clean = picture(128, 128)
    still = motion_blur(clean, MotionBlur(0.0), np.random.default_rng(4))
    params = MotionBlur(12.0, objects=1)
    moved, shaken = (motion_blur(clean, p, np.random.default_rng(4)) for p in (params, MotionBlur(12.0)))
    changed = np.abs(moved - shaken).max(axis=2) > 0.02
    assert len(outlines) == 1
    inside = Image.fromarray((outlines[0] * 255).astype(np.uint8))
    within, reached = (np.asarray(inside.filter(f(51))) > 0 for f in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    assert not changed[~reached].any()  # no further than its motion, of at most 24 pixels, takes it
    assert changed[within].mean() > 0.3
    assert 0 < reached.mean() < 0.95
    assert np.abs(still - clean).max() < 1e-3


def test_noise_has_the_stated_level() -> None:
    clean = np.full((100, 100, 3), 0.5, np.float32)
    out = motion_blur(clean, MotionBlur(5, sigma=4), np.random.default_rng(0))
    assert (out - clean).std() * 255 == pytest.approx(4, rel=0.05)
    light = srgb_to_linear(clean).mean()
    out = motion_blur(clean, MotionBlur(5, shot=1e-3, read=1e-4), np.random.default_rng(0))
    assert srgb_to_linear(out).std() == pytest.approx((1e-3 * light + 1e-4) ** 0.5, rel=0.05)


def test_what_is_drawn_stays_in_its_ranges() -> None:
    ranges = MotionBlurs(size=(5.0, 9.0), sigma=(1.0, 2.0), rolling=0.5, objects=0.5)
    drawn = [ranges.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(5 <= d.size <= 9 and 1 <= d.sigma <= 2 for d in drawn)
    assert 0.35 < np.mean([d.roll > 0 for d in drawn]) < 0.65
    assert 0.35 < np.mean([d.objects > 0 for d in drawn]) < 0.65
    assert 0.25 < np.mean([not d.linear for d in drawn]) < 0.55


@pytest.mark.parametrize(
    "values", [{"size": -1}, {"size": float("nan")}, {"size": 1, "highlights": 0.5}, {"size": 1, "axis": (0, np.inf)}]
)
def test_bad_parameters_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="motion blur"):
        MotionBlur(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"size": (9.0, 5.0)}, {"rolling": 2.0}, {"shot": -1.0}, {"highlights": 0.0}])
def test_bad_ranges_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="motion blur"):
        MotionBlurs(**values)  # type: ignore[arg-type]


def test_the_same_exposure_can_be_drawn_again_with_other_noise() -> None:
    clean, params = picture(), MotionBlur(5, sigma=2.0, objects=1)
    first, again, other = (
        motion_blur(clean, params, np.random.default_rng(0), np.random.default_rng(noise)) for noise in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert 1 < 255 * np.std(first - other) < 2 * 2**0.5
    still = MotionBlur(5, objects=1)
    np.testing.assert_array_equal(
        motion_blur(clean, still, np.random.default_rng(0), np.random.default_rng(1)),
        motion_blur(clean, still, np.random.default_rng(0)),
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_a_share_of_the_pictures_is_stored_as_jpeg(channels: int) -> None:
    clean = picture(channels=channels)

    def stored(share: float, seed: int) -> bool:
        out = motion_blur(clean, MotionBlur(2, jpeg=share), np.random.default_rng(seed))
        return bool(np.allclose(out * 255, np.rint(out * 255), atol=1e-3))

    shares = {share: np.mean([stored(share, seed) for seed in range(60)]) for share in (0.0, 0.5, 1.0)}
    assert shares[0.0] == 0
    assert shares[1.0] == 1
    assert 0.3 < shares[0.5] < 0.7
    # What is drawn before does not depend on it, so test sets stay what they are.
    kept = [seed for seed in range(20) if not stored(0.5, seed)]
    for seed in kept:
        with_jpeg, without = (motion_blur(clean, MotionBlur(2, jpeg=s), np.random.default_rng(seed)) for s in (0.5, 0))
        np.testing.assert_array_equal(with_jpeg, without)
