"""Blurred patches with guides, for networks that are given those (`RUNConfig.guides`).

To find a picture's kernel takes a thousand times longer than to blur a patch, and needs more of the picture. So blurs
are drawn in advance, and for each the kernel is found in a larger part of some training picture; a patch that is
blurred in the same way later gets the guides that this kernel makes, with errors like those of a real estimate.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from runir.data.degrade import GRAY, Degraded, FloatPatch, augment, to_unit
from runir.deconvolution import estimate_kernel, guides_for
from runir.degradations import Drawn
from runir.degradations.blur import MotionBlurs, motion_blur
from runir.errors import UsageError
from runir.images.place import place

SIDES = (256, 512)  # pixels: of the parts in which kernels are found
Report = Callable[[int, int], None]


def with_guides(degraded: FloatPatch, kernel: FloatPatch, guides: int) -> FloatPatch:
    """H x W x C -> H x W x (C + C x guides)."""
    return np.concatenate((degraded, guides_for(degraded, kernel, guides)), axis=2)


@dataclass(frozen=True)
class GuidedBlur:
    """Clean patch -> (blurred patch and its guides, H x W x (3 + 3 x guides); clean patch).

    blurs: how pictures are blurred. kernels: N x K x K, that found for blur k, which `exposure(k)` draws. gray: share
    of samples that are made gray.
    """

    blurs: MotionBlurs
    kernels: FloatPatch
    seed: int
    guides: int
    gray: float = 0.0

    margin: ClassVar[int] = MotionBlurs.margin

    def __call__(self, clean: NDArray[np.uint8], rng: np.random.Generator) -> tuple[FloatPatch, FloatPatch]:
        """See `runir.data.degrade.Degrade`."""
        index = int(rng.integers(len(self.kernels)))
        target = to_unit(clean)
        gray = rng.random() < self.gray
        if gray:  # blurred as one channel, so that its noise has no colour either
            target = target @ GRAY
        shown = with_guides(_blurred(self.blurs, self.seed, index, target, rng), self.kernels[index], self.guides)
        if gray:
            shown, target = np.repeat(shown, 3, axis=2), np.repeat(target, 3, axis=2)
        turned, target = augment((shown, target), rng)  # the blur with the picture: eight for each that was drawn
        return turned, target

    def table(self) -> dict[str, Any]:
        """See `runir.data.degrade.Degrade`."""
        return Degraded(Drawn("blur", self.blurs), self.gray).table()


def _blurred(blurs: MotionBlurs, seed: int, index: int, clean: FloatPatch, noise: np.random.Generator) -> FloatPatch:
    """Blur number `index`, always the same but for its noise."""
    rng = np.random.default_rng((seed, index))
    return motion_blur(clean, blurs.draw(rng), rng, noise)


def guided_blur(
    degrade: object,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    guides: int,
    count: int,
    seed: int,
    file: Path | None = None,
    threads: int = 1,
    report: Report | None = None,
) -> GuidedBlur:
    """Find kernels for `count` blurs.

    Args:
        degrade: of the recipe; only blur has kernels.
        pictures: clean, uint8 H x W x 3, to find them in.
        guides: per patch.
        count: of blurs. seed: decides which.
        file: where the kernels are kept (.npz); those found earlier with the same settings are used again.
        threads: to work with.
        report: called with (found, count) now and then.

    Raises:
        UsageError: another degradation than blur.
    """
    if not (isinstance(degrade, Degraded) and isinstance(degrade.degradation, Drawn)
            and isinstance(blurs := degrade.degradation.ranges, MotionBlurs)):  # fmt: skip
        raise UsageError('model.guides is for data.degradation.name = "blur" only')
    settings = json.dumps([degrade.table(), count, seed, SIDES], sort_keys=True)
    mark = hashlib.sha256(settings.encode()).hexdigest()
    kernels = _kept(file, mark)
    if kernels is None:
        kernels = _found(blurs, pictures, count, seed, threads, report)
        if file is not None:
            stream = io.BytesIO()
            np.savez(stream, kernels=kernels, mark=mark)
            place(stream.getvalue(), file, overwrite=True)
    return GuidedBlur(blurs, kernels, seed, guides, degrade.gray)


def _kept(file: Path | None, mark: str) -> FloatPatch | None:
    if file is None or not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as stored:
        return np.asarray(stored["kernels"], np.float32) if str(stored["mark"]) == mark else None


def _found(
    blurs: MotionBlurs,
    pictures: Sequence[NDArray[np.uint8]],
    count: int,
    seed: int,
    threads: int,
    report: Report | None,
) -> FloatPatch:
    def find(index: int) -> FloatPatch:
        rng = np.random.default_rng((seed, index, 1))
        picture, side = pictures[int(rng.integers(len(pictures)))], int(rng.integers(SIDES[0], SIDES[1] + 1))
        top, left = (int(rng.integers(max(1, length - side + 1))) for length in picture.shape[:2])
        clean = to_unit(np.asarray(picture[top : top + side, left : left + side]))
        return estimate_kernel([_blurred(blurs, seed, index, clean, rng)])

    kernels = []
    with ThreadPoolExecutor(threads) as pool:
        for kernel in pool.map(find, range(count)):
            kernels.append(kernel)
            if report is not None:
                report(len(kernels), count)
    return np.stack(kernels)
