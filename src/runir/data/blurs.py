"""Blurred patches with guides, for networks that are given those (`RUNConfig.guides`).

To find a picture's kernel takes a thousand times longer than to blur a patch, and needs more of the picture. So blurs
are drawn in advance, and for each the kernel is found in a larger part of some training picture; a patch that is
blurred in the same way later gets the guides that this kernel makes, with errors like those of a real estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from runir.data.degrade import GRAY, Degraded, FloatPatch, augment, to_unit
from runir.deconvolution import GuideMaker, estimate_kernel
from runir.degradations import Drawn
from runir.degradations.blur import MotionBlurs, motion_blur
from runir.errors import UsageError
from runir.images.reduce import CLEAREST, PART, PARTS, clearest, views

SIDES = (256, PART)  # pixels: of the parts in which kernels are found
MARGIN = 48  # pixels: at borders guides ring, and restoring shows the network none of that either
BLUR, FINDING = 11, 12  # set streams of random numbers apart from those of samples, (seed, step, index)
Report = Callable[[int], None]


def with_guides(degraded: FloatPatch, maker: GuideMaker) -> FloatPatch:
    """H x W x C -> H x W x (C + C x guides)."""
    return np.concatenate((degraded, maker(degraded)), axis=2)


def blurs_of(degrade: object) -> MotionBlurs:
    """What a recipe's degradation draws from. Raises UsageError if that is no blur: nothing else has kernels."""
    if isinstance(degrade, Degraded) and isinstance(degrade.degradation, Drawn):
        ranges = degrade.degradation.ranges
        if isinstance(ranges, MotionBlurs):
            return ranges
    raise UsageError('model.guides is for data.degradation.name = "blur" only')


@dataclass(frozen=True)
class GuidedBlur:
    """Clean patch -> (blurred patch and its guides, H x W x (3 + 3 x guides); clean patch).

    blurs: how pictures are blurred. kernels: N x K x K, that found for blur k of this seed. gray: share of samples that
    are made gray.
    """

    blurs: MotionBlurs
    kernels: FloatPatch
    seed: int
    guides: int
    gray: float = 0.0
    margin: ClassVar[int] = MARGIN

    def __call__(self, clean: NDArray[np.uint8], rng: np.random.Generator) -> tuple[FloatPatch, FloatPatch]:
        """See `runir.data.degrade.Degrade`."""
        index = int(rng.integers(len(self.kernels)))
        target = to_unit(clean)
        gray = rng.random() < self.gray
        if gray:  # blurred as one channel, so that its noise has no colour either
            target = target @ GRAY
        shown = with_guides(
            blurred(self.blurs, self.seed, index, target, rng), GuideMaker(self.kernels[index], self.guides)
        )
        if gray:
            shown, target = np.repeat(shown, 3, axis=2), np.repeat(target, 3, axis=2)
        turned, target = augment((shown, target), rng)  # the blur with the picture: eight for each that was drawn
        return turned, target

    def table(self) -> dict[str, Any]:
        """See `runir.data.degrade.Degrade`; without the kernels, which are found again."""
        return Degraded(Drawn("blur", self.blurs), self.gray).table()


def blurred(blurs: MotionBlurs, seed: int, index: int, clean: FloatPatch, noise: np.random.Generator) -> FloatPatch:
    """H x W x C in [0, 1] through blur number `index` of this seed, always the same but for its noise."""
    rng = np.random.default_rng((seed, index, BLUR))
    return motion_blur(clean, blurs.draw(rng), rng, noise)


def find_kernels(
    blurs: MotionBlurs,
    pictures: Sequence[NDArray[np.uint8]],
    seed: int,
    indices: Iterable[int],
    threads: int = 1,
    report: Report | None = None,
) -> list[FloatPatch]:
    """The kernels that are found for blurs of these numbers, each in a part of some picture, K x K each.

    pictures: clean, uint8 H x W x 3. report: called with how many were found so far.
    """

    def find(index: int) -> FloatPatch:
        rng = np.random.default_rng((seed, index, FINDING))
        picture, side = pictures[int(rng.integers(len(pictures)))], int(rng.integers(SIDES[0], SIDES[1] + 1))
        top, left = (int(rng.integers(max(1, length - side + 1))) for length in picture.shape[:2])
        clean = to_unit(np.asarray(picture[top : top + side, left : left + side]))
        return estimate_kernel([blurred(blurs, seed, index, clean, rng)])

    return _each(find, indices, threads, report)


def kernels_of(
    pictures: Sequence[NDArray[np.uint8]],
    indices: Iterable[int],
    threads: int = 1,
    report: Report | None = None,
) -> list[FloatPatch]:
    """The kernels of given blurred pictures of these numbers, uint8 H x W x 3 each; see `find_kernels`."""

    def find(index: int) -> FloatPatch:
        parts = [to_unit(np.asarray(view)) for view in views(np.asarray(pictures[index]), PART, PARTS)]
        return estimate_kernel(clearest(parts, CLEAREST))

    return _each(find, indices, threads, report)


def _each(
    find: Callable[[int], FloatPatch], indices: Iterable[int], threads: int, report: Report | None
) -> list[FloatPatch]:
    found: list[FloatPatch] = []
    with ThreadPoolExecutor(threads) as pool:
        for kernel in pool.map(find, indices):
            found.append(kernel)
            if report is not None:
                report(len(found))
    return found
