"""Blurs drawn in advance, the kernels found for them, and patches with guides."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import runir.data.blurs as blurs
from runir.data.blurs import GuidedBlur, guided_blur, with_guides
from runir.data.degrade import GaussianNoise, build_degrade, to_unit
from runir.data.samples import CleanSource, PairedSource, StepBatches
from runir.deconvolution import KERNEL_SIDE, estimate_kernel
from runir.errors import UsageError
from runir.images import read_picture

PICTURES = [
    np.rint(read_picture(Path(__file__).parent / f"{name}.webp").pixels * 255).astype(np.uint8)
    for name in ("house", "hippo")
]
BLUR = build_degrade({"name": "blur", "size": [6.0, 9.0], "rolling": 0.0, "objects": 0.0, "sigma": [1.0, 1.0]})


def found(count: int = 3, **more: object) -> GuidedBlur:
    return guided_blur(BLUR, PICTURES, **{"guides": 2, "count": count, "seed": 1, **more})  # type: ignore[arg-type]


def test_kernels_are_found_alike_with_any_number_of_threads_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    first = found(file=tmp_path / "k.npz", report=lambda *n: told.append(n))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert first.kernels.shape == (3, KERNEL_SIDE, KERNEL_SIDE)
    np.testing.assert_array_equal(found(threads=2).kernels, first.kernels)
    other = found(seed=2, count=1)  # before nothing can be found any more
    assert not np.array_equal(other.kernels[0], first.kernels[0])
    monkeypatch.setattr(blurs, "estimate_kernel", None)
    np.testing.assert_array_equal(found(file=tmp_path / "k.npz").kernels, first.kernels)
    with pytest.raises(TypeError):
        found(file=tmp_path / "k.npz", seed=2)


def test_a_blur_is_the_same_each_time_but_for_its_noise() -> None:
    clean = to_unit(PICTURES[0])[:80, :80]
    one, again = (blurs._blurred(BLUR.degradation.ranges, 1, 0, clean, np.random.default_rng(n)) for n in (0, 1))  # type: ignore[attr-defined]
    other = blurs._blurred(BLUR.degradation.ranges, 1, 1, clean, np.random.default_rng(0))  # type: ignore[attr-defined]
    assert 0.5 < 255 * np.std(one - again) / 2**0.5 < 1.1
    assert 255 * np.std(one - other) > 3


def test_batches_have_guides_behind_the_blurred_picture() -> None:
    source = CleanSource(PICTURES, found())
    degraded, clean = StepBatches(source, [(9, 4, 48)], 0)[2]
    assert degraded.shape == (4, 9, 48, 48)
    assert clean.shape == (4, 3, 48, 48)
    again, _ = StepBatches(source, [(9, 4, 48)], 0)[2]
    assert degraded.equal(again)
    blurred, sharper = (float((degraded[:, part] - clean).square().mean()) for part in (slice(3), slice(6, 9)))
    assert sharper < 4 * blurred  # the same picture, not another one


def test_gray_samples_are_gray_throughout() -> None:
    source = found(1)
    gray = GuidedBlur(source.blurs, source.kernels, 1, 2, gray=1.0)
    shown, target = gray(PICTURES[0][:64, :64], np.random.default_rng(0))
    assert shown.shape == (64, 64, 9)
    for part in (shown[..., :3], shown[..., 3:6], shown[..., 6:], target):
        np.testing.assert_array_equal(part[..., 0], part[..., 2])


def test_given_pairs_get_guides_by_the_kernel_of_their_picture() -> None:
    source = PairedSource([(PICTURES[0], PICTURES[1])], guides=1)
    degraded, clean = source.draw(np.random.default_rng(0), 32)
    assert degraded.shape == (32, 32, 6)
    assert clean.shape == (32, 32, 3)
    whole: NDArray[np.float32] = to_unit(PICTURES[0])
    (kernel,) = source._kernels.values()
    middle = whole[:512, :512]
    np.testing.assert_array_equal(kernel, estimate_kernel([middle]))
    assert with_guides(middle, kernel, 1).shape == (*middle.shape[:2], 6)


def test_other_degradations_have_no_kernels() -> None:
    with pytest.raises(UsageError, match="blur"):
        guided_blur(GaussianNoise(), PICTURES, guides=1, count=1, seed=0)
