"""Blurs drawn in advance, the kernels found for them, and patches with guides."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runir.data.blurs import GuidedBlur, blurred, blurs_of, find_kernels, kernels_of, with_guides
from runir.data.degrade import GaussianNoise, build_degrade, to_unit
from runir.data.samples import CleanSource, PairedSource, StepBatches
from runir.deconvolution import KERNEL_SIDE, GuideMaker, estimate_kernel
from runir.errors import UsageError
from runir.images import read_picture

PICTURES = [
    np.rint(read_picture(Path(__file__).parent / f"{name}.webp").pixels * 255).astype(np.uint8)
    for name in ("house", "hippo")
]
PLAIN = {"name": "blur", "rolling": 0.0, "objects": 0.0, "shot": 0.0, "highlights": 1.0}
BLUR = build_degrade({**PLAIN, "size": [6.0, 9.0], "sigma": [1.0, 1.0]})
BLURS = blurs_of(BLUR)


def guided(count: int = 3, gray: float = 0.0) -> GuidedBlur:
    return GuidedBlur(BLURS, np.stack(find_kernels(BLURS, PICTURES, 1, range(count))), 1, 2, gray)


def test_kernels_are_found_alike_with_any_number_of_threads_and_in_any_share() -> None:
    told: list[int] = []
    first = find_kernels(BLURS, PICTURES, 1, range(3), report=told.append)
    assert told == [1, 2, 3]
    assert first[0].shape == (KERNEL_SIDE, KERNEL_SIDE)
    np.testing.assert_array_equal(find_kernels(BLURS, PICTURES, 1, range(3), threads=2), first)
    np.testing.assert_array_equal(find_kernels(BLURS, PICTURES, 1, [2])[0], first[2])
    assert not np.array_equal(find_kernels(BLURS, PICTURES, 2, [0])[0], first[0])


def test_a_blur_is_the_same_each_time_but_for_its_noise() -> None:
    clean = to_unit(PICTURES[0])[:80, :80]
    one, again = (blurred(BLURS, 1, 0, clean, np.random.default_rng(n)) for n in (0, 1))
    other = blurred(BLURS, 1, 1, clean, np.random.default_rng(0))
    assert 0.5 < 255 * np.std(one - again) / 2**0.5 < 1.1
    assert 255 * np.std(one - other) > 3


def test_the_kernel_of_a_blur_undoes_it_in_another_picture() -> None:
    gains = []
    for index, kernel in enumerate(find_kernels(BLURS, PICTURES, 1, range(4))):
        clean = to_unit(PICTURES[index % 2])
        shown = blurred(BLURS, 1, index, clean, np.random.default_rng(9))
        sharper = GuideMaker(kernel)(shown)[..., 3:]
        gains.append(10 * np.log10(np.square(shown - clean).mean() / np.square(sharper - clean)[40:-40, 40:-40].mean()))
    assert np.median(gains) > 1


def test_batches_have_guides_behind_the_blurred_picture() -> None:
    source = CleanSource(PICTURES, guided())
    degraded, clean = StepBatches(source, [(9, 4, 48)], 0)[2]
    assert degraded.shape == (4, 9, 48, 48)
    assert clean.shape == (4, 3, 48, 48)
    again, _ = StepBatches(source, [(9, 4, 48)], 0)[2]
    assert degraded.equal(again)
    blurred, sharper = (float((degraded[:, part] - clean).square().mean()) for part in (slice(3), slice(6, 9)))
    assert sharper < 4 * blurred  # the same picture, not another one


def test_gray_samples_are_gray_throughout() -> None:
    shown, target = guided(1, gray=1.0)(PICTURES[0][:64, :64], np.random.default_rng(0))
    assert shown.shape == (64, 64, 9)
    for part in (shown[..., :3], shown[..., 3:6], shown[..., 6:], target):
        np.testing.assert_array_equal(part[..., 0], part[..., 2])


def test_given_pairs_get_guides_by_the_kernel_of_their_picture_made_with_what_lies_around() -> None:
    kernels = np.stack(kernels_of(PICTURES, range(2), threads=2))
    np.testing.assert_array_equal(kernels[0], estimate_kernel([to_unit(PICTURES[0])]))
    source = PairedSource([(PICTURES[0], PICTURES[1])], guides=1, kernels=kernels)
    whole: NDArray[np.float32] = with_guides(to_unit(PICTURES[0]), GuideMaker(kernels[0], 1))
    shown, clean = source.draw(np.random.default_rng(0), 200)
    assert shown.shape == (200, 200, 6)
    assert clean.shape == (200, 200, 3)
    like = _like(shown, whole)
    for part in (slice(3), slice(3, 6)):  # the same part of the whole, whatever way it was turned
        sampled, expected = (np.sort(p[..., part].ravel())[::999] for p in (shown, like))
        np.testing.assert_allclose(sampled, expected, atol=0.02)


def _like(shown: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of `whole` that shows the same picture, in any of the eight ways."""
    for way in range(8):
        turned = np.rot90(whole[:, ::-1] if way >= 4 else whole, way % 4)
        for top in range(turned.shape[0] - 199):
            for left in range(turned.shape[1] - 199):
                if np.array_equal(turned[top, left : left + 200, :3], shown[0, :, :3]):
                    return turned[top : top + 200, left : left + 200]
    raise AssertionError("not a part of the picture")


def test_other_degradations_have_no_kernels() -> None:
    with pytest.raises(UsageError, match="blur"):
        blurs_of(GaussianNoise())
    with pytest.raises(UsageError, match="blur"):
        blurs_of(build_degrade({"name": "rain"}))
