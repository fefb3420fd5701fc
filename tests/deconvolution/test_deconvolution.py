"""Kernels found in blurred pictures, and pictures without them: real pictures, known kernels, nothing to be seen."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runir.deconvolution import GUIDES, KERNEL_SIDE, GuideMaker, estimate_kernel
from runir.deconvolution.fourier import divergence, gradient, inverse, roughness, transfer, transform, wrapped
from runir.deconvolution.solve import centred, cleaned, correlations, solve
from runir.degradations.kernels import convolve, draw_path, shake_path
from runir.degradations.transfer import linear_to_srgb, srgb_to_linear
from runir.errors import UsageError
from runir.evaluation import psnr
from runir.images import read_picture

DATA = Path(__file__).parents[1] / "data"
Array = NDArray[np.float32]
MIDDLE = KERNEL_SIDE // 2


def real(name: str) -> Array:
    return read_picture(DATA / f"{name}.webp").pixels


def shaken(
    name: str, seed: int, size: float = 14.0, *, sigma: float = 1.0, light: bool = False
) -> tuple[Array, Array, Array]:
    """(sharp, shaken with noise, the kernel); light: blurred as linear light, not as the file's values."""
    rng = np.random.default_rng(seed)
    sharp, kernel = real(name), draw_path(shake_path(rng, shake=2.0, pull=1.0, jerks=0.5) * size)
    noise = rng.standard_normal(sharp.shape, np.float32) * np.float32(sigma / 255)
    blurred = linear_to_srgb(convolve(srgb_to_linear(sharp), kernel)) if light else convolve(sharp, kernel)
    return sharp, np.clip(blurred + noise, 0, 1), kernel


def inner(picture: Array, border: int = 20) -> Array:
    return picture[border:-border, border:-border]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60))
def test_wrapped_pictures_begin_with_the_picture_and_have_no_seam(height: int, width: int, margin: int) -> None:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack((y, x))
    torus = wrapped(picture, margin)
    np.testing.assert_array_equal(torus[:, :height, :width], picture)
    assert torus.shape[1] >= height + margin
    assert torus.shape[2] >= width + margin
    if margin >= max(height, width):  # then nothing rises faster there than it fell
        assert np.abs(np.diff(torus, axis=1, append=torus[:, :1])).max() <= 2.5
        assert np.abs(np.diff(torus, axis=2, append=torus[:, :, :1])).max() <= 2.5


def test_spectra_are_those_of_the_operations() -> None:
    plane = np.random.default_rng(0).random((12, 15)).astype(np.float32)
    kernel = draw_path(np.array([[0.0, 0.0], [2.0, 1.0], [2.0, 3.0]]))
    half = len(kernel) // 2
    around = np.pad(plane, half, mode="wrap")
    expected = [
        [(around[y : y + 2 * half + 1, x : x + 2 * half + 1][::-1, ::-1] * kernel).sum() for x in range(15)]
        for y in range(12)
    ]
    blurred = inverse(transfer(kernel, plane.shape) * transform(plane), plane.shape)
    np.testing.assert_allclose(blurred, expected, atol=1e-5)
    rough = inverse(roughness(plane.shape) * transform(plane), plane.shape)
    np.testing.assert_allclose(rough, divergence(*gradient(plane)), atol=1e-5)


def test_the_kernel_of_a_known_sharp_picture_is_found() -> None:
    sharp = np.random.default_rng(0).random((60, 64)).astype(np.float32)
    kernel = draw_path(np.array([[0.0, 0.0], [5.0, 2.0], [6.0, 7.0]]))
    side = len(kernel)
    blurred = inverse(transfer(kernel, sharp.shape) * transform(sharp), sharp.shape)
    found = solve([correlations(gradient(sharp), gradient(blurred), side)])
    np.testing.assert_allclose(found, kernel, atol=0.01)


def test_cleaned_kernels_keep_what_is_strong_and_heavy() -> None:
    kernel = np.zeros((9, 9))
    kernel[4, 2:7] = 1.0
    kernel[0, 0] = 0.5  # alone
    kernel[5, 4] = 0.05  # weak
    kernel[8, 8] = -3.0
    kept = cleaned(kernel, weak=0.1, faint=0.2)
    assert kept is not None
    np.testing.assert_allclose(kept[4, 2:7], 0.2)
    assert kept.sum() == pytest.approx(1)
    assert np.count_nonzero(kept) == 5
    assert cleaned(np.full((3, 3), -1.0), 0.1, 0.1) is None
    moved = centred(np.roll(kept, (2, -1), (0, 1)))
    np.testing.assert_array_equal(moved, kept)


def test_what_leaves_the_frame_does_not_come_back_on_the_other_side() -> None:
    kernel = np.zeros((9, 9), np.float32)
    kernel[4, 0] = 0.1
    kernel[4, 6:] = 0.3
    moved = centred(kernel)  # its centroid is at 6.3, so by two to the left
    np.testing.assert_allclose(moved[4], [0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0], atol=1e-6)
    assert np.count_nonzero(moved) == 3


@pytest.mark.parametrize("name", ["house", "hippo", "flowers"])
def test_guides_by_the_found_kernel_are_nearer_to_the_sharp_picture(name: str) -> None:
    sharp, blurred, true = shaken(name, 5)
    found = estimate_kernel([blurred])
    assert found.shape == (KERNEL_SIDE, KERNEL_SIDE)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-5)
    before = psnr(inner(blurred), inner(sharp), peak=1.0)
    by_found, by_true = (psnr(inner(GuideMaker(k, 1)(blurred)), inner(sharp), peak=1.0) for k in (found, true))
    assert by_true > before + 3
    assert by_found > before + 1.5


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("name", ["house", "flowers"])  # not hippo, which is dark: there both are alike
def test_the_guide_for_the_values_that_were_blurred_is_the_better_one(name: str, light: bool) -> None:
    sharp, blurred, kernel = shaken(name, 5, sigma=0.3, light=light)
    guides = GuideMaker(kernel)(blurred)
    encoded, linear = (psnr(inner(guide), inner(sharp), peak=1.0) for guide in (guides[..., :3], guides[..., 3:]))
    before = psnr(inner(blurred), inner(sharp), peak=1.0)
    assert (linear if light else encoded) > before + 2
    assert (linear > encoded) == light


def test_parts_of_a_picture_are_looked_at_together() -> None:
    sharp, blurred, _ = shaken("house", 1, size=8.0)
    half = blurred.shape[1] // 2
    found = estimate_kernel([blurred[:, :half], blurred[:, half:]], 21)
    before = psnr(inner(blurred), inner(sharp), peak=1.0)
    assert psnr(inner(GuideMaker(found, 1)(blurred)), inner(sharp), peak=1.0) > before + 1


@pytest.mark.parametrize(
    "picture",
    [np.full((80, 90, 3), 0.4, np.float32), np.zeros((64, 64, 1), np.float32), np.full((1, 1, 3), 0.5, np.float32),
     np.random.default_rng(0).random((10, 300, 3)).astype(np.float32)],
    ids=["flat", "black", "one pixel", "thin"],
)  # fmt: skip
def test_where_nothing_is_to_be_seen_nothing_was_blurred(picture: Array) -> None:
    kernel = estimate_kernel([picture])
    assert kernel[MIDDLE, MIDDLE] == 1
    assert kernel.sum() == 1
    np.testing.assert_allclose(GuideMaker(kernel)(picture).mean(), picture.mean(), atol=0.01)


@pytest.mark.parametrize("shape", [(40, 200, 3), (50, 50, 1), (16, 16, 3), (300, 20, 3)])
def test_noise_gives_some_kernel_and_never_anything_else(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(0).random(shape).astype(np.float32)
    kernel = estimate_kernel([picture])
    assert np.isfinite(kernel).all()
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.isfinite(GuideMaker(kernel)(picture)).all()


def test_a_sharp_picture_stays_sharp() -> None:
    sharp = real("house")
    kernel = estimate_kernel([sharp])
    near = kernel[MIDDLE - 1 : MIDDLE + 2, MIDDLE - 1 : MIDDLE + 2].sum()
    assert near > 0.9


def test_guides_lie_where_the_picture_does_whatever_the_kernel_says_of_its_place() -> None:
    sharp, blurred, true = shaken("house", 2, size=9.0)
    middle = np.pad(true, 4)
    there, here = GuideMaker(np.roll(middle, (3, -2), (0, 1)))(blurred), GuideMaker(middle)(blurred)
    assert here.shape == (*sharp.shape[:2], 3 * len(GUIDES))
    np.testing.assert_allclose(there, here, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_guide_or_all(channels: int) -> None:
    picture = real("house")[:40, :50, :channels]
    kernel = draw_path(np.array([[0.0, 0.0], [3.0, 3.0]]))
    everything = GuideMaker(kernel)(picture)
    assert everything.shape == (40, 50, channels * len(GUIDES))
    np.testing.assert_array_equal(GuideMaker(kernel, 1)(picture), everything[..., :channels])


def test_values_beyond_white_do_not_reach_the_guides() -> None:
    picture = real("house")[:60, :60].copy()
    kernel = draw_path(np.array([[0.0, 0.0], [3.0, 3.0]]))
    picture[30, 30] = 1
    expected = GuideMaker(kernel)(picture)
    np.testing.assert_array_equal(GuideMaker(kernel, threads=2)(picture), expected)
    for value in (1000.0, 3e38):
        picture[30, 30] = value
        np.testing.assert_array_equal(GuideMaker(kernel)(picture), expected)
    assert np.isfinite(estimate_kernel([picture])).all()


@pytest.mark.parametrize("count", [0, len(GUIDES) + 1])
def test_other_numbers_of_guides_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match="guides"):
        GuideMaker(np.ones((1, 1), np.float32), count)


def test_a_maker_gives_the_same_for_parts_of_any_size_in_any_order() -> None:
    picture, kernel = real("house"), draw_path(np.array([[0.0, 0.0], [3.0, 3.0]]))
    maker = GuideMaker(kernel)
    parts = [picture[:40, :50], picture[:60, :30], picture[:40, :50]]
    for part in parts:
        np.testing.assert_array_equal(maker(part), GuideMaker(kernel)(part))


def test_the_picture_far_from_its_border_has_the_guides_of_the_whole() -> None:
    """Why restoring makes guides with more of the picture than the tile."""
    _, blurred, kernel = shaken("house", 3, size=20.0)
    maker = GuideMaker(kernel)
    whole, part = maker(blurred), maker(blurred[:, 20:220])
    error = np.abs(part - whole[:, 20:220]).mean(axis=(0, 2))
    assert error[64:-64].mean() < 0.4 * error[:8].mean()
