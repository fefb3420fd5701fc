"""Each named protocol against a few independent lines of scikit-image and SciPy, and against stored values.

The stored values were computed by those lines; they hold what the lines and the protocol must both give later.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.signal import correlate2d
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.util import img_as_ubyte

from runir.degradations import parse_degradation
from runir.evaluation import PROTOCOLS, evaluate, get_protocol, score_pairs

Floats = NDArray[np.floating[Any]]
Scores = tuple[float, float]


def drawn() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(output, target), 64 x 72 x 3: waves and a disc of 8-bit levels, and what a restorer might make of it."""
    y, x = np.mgrid[0:64, 0:72].astype(np.float64)
    waves = [0.5 + 0.4 * np.sin(x / (4 + c) + y / 9) * np.cos(y / (5 + c)) for c in range(3)]
    disc = ((x - 40) ** 2 + (y - 25) ** 2 < 15**2)[..., None]
    target = np.rint(np.where(disc, [0.9, 0.15, 0.3], np.stack(waves, 2)) * 255) / 255
    ripple = 0.04 * np.sin(1.7 * x + 2.3 * y)[..., None] * [1.0, -0.6, 0.8]
    return (0.93 * target + 0.05 + ripple - 0.02).astype(np.float32), target.astype(np.float32)


def ubyte(picture: Floats) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = img_as_ubyte(np.clip(picture, 0, 1).astype(np.float64))  # type: ignore[no-untyped-call]
    return rounded


def measured(a: Floats, b: Floats, peak: float = 255) -> Scores:
    """PSNR of scikit-image; its SSIM map where the window of 11 fits."""
    shape = {"channel_axis": 2 if a.ndim == 3 else None, "data_range": peak}
    kind = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(a, b, full=True, **shape, **kind)  # type: ignore[no-untyped-call]
    return float(peak_signal_noise_ratio(b, a, data_range=peak)), float(full[5:-5, 5:-5].mean())  # type: ignore[no-untyped-call]


def eight_bit_rgb(output: Floats, target: Floats) -> Scores:
    return measured(ubyte(output).astype(float), ubyte(target).astype(float))


def unrounded_rgb(output: Floats, target: Floats) -> Scores:
    return measured(np.clip(output, 0, 1).astype(np.float64), target.astype(np.float64), 1.0)


def luma_of_uint8(output: Floats, target: Floats) -> Scores:
    y = [np.rint(rgb2ycbcr(ubyte(p))[..., 0]) for p in (output, target)]
    return measured(*y)


def gt_mean(output: Floats, target: Floats) -> Scores:
    weights = [0.299, 0.587, 0.114]
    clipped = np.clip(output, 0, 1).astype(np.float64)
    return eight_bit_rgb(clipped * (target @ weights).mean() / (clipped @ weights).mean(), target)


def best_shift(output: Floats, target: Floats) -> Scores:
    """The squared error of all shifts at once: by correlations."""
    ours, theirs = (ubyte(p).astype(float) @ [0.299, 0.587, 0.114] for p in (output, target))
    answer = theirs[15:-15, 15:-15]
    window = ours[8:-8, 8:-8]
    power = correlate1d(window**2, np.ones(answer.shape[0]), axis=0, mode="constant")
    power = correlate1d(power, np.ones(answer.shape[1]), axis=1, mode="constant")
    rows, columns = (slice(n // 2, n // 2 + 15) for n in answer.shape)
    error = power[rows, columns] - 2 * correlate2d(window, answer, mode="valid") + (answer**2).sum()
    y, x = np.unravel_index(int(error.argmin()), error.shape)
    return measured(window[y : y + answer.shape[0], x : x + answer.shape[1]], answer)


CASES: dict[str, tuple[Callable[[Floats, Floats], Scores], Scores]] = {
    "gopro-rgb": (eight_bit_rgb, (30.96366, 0.917572)),
    "sidd-rgb": (unrounded_rgb, (30.96587, 0.917611)),
    "rain13k-y-uint8": (luma_of_uint8, (41.09274, 0.996846)),
    "lol-rgb": (eight_bit_rgb, (30.96366, 0.917572)),
    "lol-gtmean": (gt_mean, (31.28852, 0.917512)),
    "shift": (best_shift, (40.23285, 0.997691)),
}


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_an_independent_computation(name: str) -> None:
    compute, stored = CASES[name]
    output, target = drawn()
    if name == "shift":
        output = np.roll(output, (3, -5), (0, 1))
    (row,) = score_pairs(lambda picture: picture, [("a", output, target)], get_protocol(name)).rows
    independent = compute(output, target)
    assert (row.psnr, row.ssim) == pytest.approx(independent, abs=1e-4)
    assert independent == pytest.approx(stored, abs=1e-4)


def test_awgn_scores_are_those_of_an_independent_computation() -> None:
    """Picture k by name gets the noise of seed + k; nothing is clipped before the restorer; 8 bit for scoring."""
    _, target = drawn()
    clean = {"b.png": target, "a.png": target[::-1]}
    seen: list[Floats] = []

    def halved(picture: Floats) -> Floats:
        seen.append(picture)
        return (picture + 0.5) / 2

    noise_25 = parse_degradation("awgn:25")
    files = [Path(name) for name in clean]
    report = evaluate(halved, files, noise_25, get_protocol("awgn-rgb"), seed=7, read=lambda path: clean[path.name])
    for k, (row, name) in enumerate(zip(report.rows, ("a.png", "b.png"), strict=True)):
        noise = np.random.default_rng(7 + k).normal(0, 25 / 255, target.shape)
        noisy = (clean[name].astype(np.float64) + noise).astype(np.float32)
        np.testing.assert_array_equal(seen[k], noisy)
        assert (row.psnr, row.ssim) == pytest.approx(eight_bit_rgb((noisy + 0.5) / 2, clean[name]), abs=1e-4)
        assert (row.input_psnr, row.input_ssim) == pytest.approx(eight_bit_rgb(noisy, clean[name]), abs=1e-4)
    assert report.psnr == pytest.approx(sum(row.psnr for row in report.rows) / 2)


def test_what_rounding_costs_at_40_db() -> None:
    """Why sidd-rgb is a protocol of its own: published figures near 40 dB are of results that were not rounded."""
    rng = np.random.default_rng(0)
    target = (rng.integers(40, 200, (256, 256, 3)) / 255).astype(np.float32)
    output = (target + rng.normal(0, 0.01, target.shape)).astype(np.float32)
    pairs = [("a", output, target)]
    rounded, exact = (score_pairs(lambda p: p, pairs, get_protocol(n)).psnr for n in ("gopro-rgb", "sidd-rgb"))
    assert exact == pytest.approx(40.0, abs=0.05)
    assert exact - rounded == pytest.approx(10 * math.log10(1 + (1 / 12) / (0.01 * 255) ** 2), abs=0.01)


# ---- hashes --------------------------------------------------------------------------------------------------------

HASHES = {
    "awgn-rgb": "3f55abd092a7",
    "rgb": "03968c41e84e",
    "y-float": "4d479f09aa1c",
    "y-uint8": "f2907aa5ebd9",
    "gopro-rgb": "197fe44a5432",
    "sidd-rgb": "b2d05d7d1f5a",
    "rain13k-y-uint8": "e9e81c6c5875",
    "lol-rgb": "f48d48689f93",
    "lol-gtmean": "061806e5d22a",
    "shift": "ae822b3cca5d",
}


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_hashes_change_only_with_the_definition(name: str) -> None:
    """Wrong here? Then the definition's words have changed: figures from before do not compare, say so in CHANGELOG."""
    assert PROTOCOLS[name].hash == HASHES[name]


def test_hashes_differ() -> None:
    assert len({protocol.hash for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
