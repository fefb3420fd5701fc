"""PSNR and SSIM against scikit-image, their limits, and the accumulating classes."""

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from runir.errors import RunirError, UsageError
from runir.evaluation import PSNR, SSIM, psnr, ssim

Array = npt.NDArray[Any]


def pair(shape: tuple[int, ...], seed: int = 0) -> tuple[Array, Array]:
    """A smooth random picture in 0..255 and a noisy one."""
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(rng.normal(size=shape), axis=0), axis=1)
    a = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    return a, np.clip(a + rng.normal(0, 20, shape), 0, 255)


def reference_ssim(a: Array, b: Array, peak: float = 255.0) -> float:
    """The mean of scikit-image's full map over the pixels where the window fits."""
    _, full = structural_similarity(  # type: ignore[no-untyped-call]
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=peak,
        channel_axis=2 if a.ndim == 3 else None,
        full=True,
    )
    return float(full[5:-5, 5:-5].mean())


SHAPES = [(11, 11), (37, 52), (40, 31, 1), (64, 45, 3), (11, 200, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_agrees_with_scikit_image(shape: tuple[int, ...]) -> None:
    a, b = pair(shape)
    assert ssim(a, b) == pytest.approx(reference_ssim(a, b), abs=1e-6)
    assert ssim(a / 255, b / 255, peak=1.0) == pytest.approx(reference_ssim(a / 255, b / 255, 1.0), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_agrees_with_scikit_image(shape: tuple[int, ...]) -> None:
    a, b = pair(shape)
    expected = peak_signal_noise_ratio(a, b, data_range=255)  # type: ignore[no-untyped-call]
    assert psnr(a, b) == pytest.approx(expected, abs=1e-6)


def test_eight_bit_pictures_do_not_wrap_around() -> None:
    a, b = (np.rint(x).astype(np.uint8) for x in pair((40, 40, 3)))
    assert psnr(a, b) == pytest.approx(psnr(a.astype(float), b.astype(float)))
    assert ssim(a, b) == pytest.approx(ssim(a.astype(float), b.astype(float)))


def test_psnr_by_hand() -> None:
    black, white = np.zeros((3, 5, 3)), np.full((3, 5, 3), 255.0)
    assert psnr(black, white) == 0.0
    assert psnr(black, black + 1) == pytest.approx(48.1308036)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 0.1, peak=1.0) == pytest.approx(20.0)


def test_ssim_by_hand() -> None:
    a, _ = pair((20, 20, 3))
    assert ssim(a, a) == pytest.approx(1.0)
    c1 = (0.01 * 255) ** 2
    flat = ssim(np.full((15, 15), 100.0), np.full((15, 15), 150.0))
    assert flat == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-9)


def test_ssim_weighs_channels_equally() -> None:
    a, b = pair((30, 30, 3))
    assert ssim(a, b) == pytest.approx(np.mean([ssim(a[:, :, c], b[:, :, c]) for c in range(3)]))


@settings(max_examples=30, deadline=None)
@given(st.integers(11, 40), st.integers(11, 40), st.integers(0, 1000))
def test_ssim_is_symmetric_turns_with_the_picture_and_stays_in_bounds(height: int, width: int, seed: int) -> None:
    a, b = pair((height, width, 3), seed)
    value = ssim(a, b)
    assert -1.0 <= value <= 1.0
    assert ssim(b, a) == pytest.approx(value, abs=1e-12)
    assert ssim(np.rot90(a), np.rot90(b)) == pytest.approx(value, abs=1e-9)


def test_ssim_of_a_large_picture_is_fast() -> None:
    a, b = pair((500, 500, 3))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        ssim(a, b)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_shapes_must_agree(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunirError, match=r"\(20, 20, 3\) and \(20, 20, 1\)"):
        metric(np.zeros((20, 20, 3)), np.zeros((20, 20, 1)))
    with pytest.raises(RunirError, match="not that of a picture"):
        metric(np.zeros(20), np.zeros(20))
    with pytest.raises(RunirError, match="not that of a picture"):
        metric(np.zeros((0, 20, 3)), np.zeros((0, 20, 3)))


@pytest.mark.parametrize("shape", [(10, 30, 3), (30, 10), (1, 1)])
def test_ssim_refuses_pictures_smaller_than_its_window(shape: tuple[int, ...]) -> None:
    with pytest.raises(RunirError, match="needs 11 x 11 pixels or more"):
        ssim(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(("accumulator", "function"), [(PSNR, psnr), (SSIM, ssim)])
def test_accumulator_takes_the_mean_of_pictures(accumulator, function) -> None:  # type: ignore[no-untyped-def]
    pictures = [pair((20 + 4 * k, 30, 3), k) for k in range(4)]
    values = [function(a, b) for a, b in pictures]
    whole, first, second = accumulator(), accumulator(), accumulator()
    for k, (a, b) in enumerate(pictures):
        assert whole.update(a, b) == values[k]
        (first if k < 3 else second).update(a, b)
    assert whole.compute() == pytest.approx(np.mean(values))
    first.merge(second)
    assert first.per_picture == whole.per_picture == values
    assert first.compute() == whole.compute()
    assert second.per_picture == values[3:]


@pytest.mark.parametrize("accumulator", [PSNR, SSIM])
def test_accumulator_refuses_what_it_cannot_average(accumulator) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunirError, match="no picture"):
        accumulator().compute()
    with pytest.raises(UsageError, match="peak 1 cannot join scores for peak 255"):
        accumulator().merge(accumulator(peak=1.0))


def test_accumulator_uses_its_peak() -> None:
    metric = PSNR(peak=1.0)
    assert metric.update(np.zeros((2, 2)), np.full((2, 2), 0.1)) == pytest.approx(20.0)
