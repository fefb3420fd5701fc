"""Batches of (degraded, clean) patches.

Sample j of step i depends only on (seed, i, j): any worker or process makes the same one again, so a resumed
run needs no sampler state and two processes see the same samples as one with the doubled batch.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from runir.data.blurs import MARGIN, with_guides
from runir.data.degrade import Degrade, FloatPatch, augment, to_unit
from runir.deconvolution import GuideMaker
from runir.errors import UsageError
from runir.images.reduce import thumbnail

Sample = tuple[FloatPatch, ...]
"""(degraded, clean), each float32 patch x patch x 3, but for guides behind the degraded one; from a source that `shows`
whole pictures also the thumbnail of the whole degraded one, which the exposure curve goes by."""
WHOLE = 320  # pixels: side of what stands for a whole picture where pictures are degraded on the fly
THUMBNAIL = 32  # side of the thumbnails that the exposure curve is trained on, which is shown most of each


class PairSource(Protocol):
    """Draws training samples."""

    def draw(self, rng: np.random.Generator, patch: int) -> Sample:
        """One sample of this patch side."""
        ...

    def thumbnails(self, rng: np.random.Generator, count: int) -> tuple[FloatPatch, FloatPatch]:
        """Of `count` whole pictures, (degraded, clean), each count x THUMBNAIL x THUMBNAIL x 3; pictures repeat evenly
        where there are fewer."""
        ...


def _corner(shape: tuple[int, ...], patch: int, rng: np.random.Generator) -> tuple[slice, slice]:
    top, left = (int(rng.integers(max(1, side - patch + 1))) for side in shape[:2])
    return slice(top, top + patch), slice(left, left + patch)


def _at_least(picture: NDArray[Any], patch: int) -> NDArray[Any]:
    pad = [(0, max(0, patch - side)) for side in picture.shape[:2]] + [(0, 0)]
    return np.pad(picture, pad, mode="symmetric") if any(after for _, after in pad) else picture


def _guided(picture: NDArray[np.uint8], place: tuple[slice, slice], maker: GuideMaker) -> FloatPatch:
    """A part of the picture with its guides, which are made with what lies around it."""
    around = tuple(slice(max(0, side.start - MARGIN), side.stop + MARGIN) for side in place)
    inner = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(place, around, strict=True))
    return with_guides(to_unit(picture[around]), maker)[inner]


class CleanSource:
    """Patches of clean pictures, degraded on the fly. A picture is as likely as it is large.

    The degraded patch, with its margin, is all that there is of the degraded picture: its thumbnail is of that.
    """

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], degrade: Degrade, shows: bool = False) -> None:
        """Pictures: uint8 H x W x 3; a sequence that reads them as they are asked for stays one."""
        if not len(pictures):
            raise UsageError("no clean pictures to train on")
        self._pictures, self._degrade, self._shows = pictures, degrade, shows
        sizes = np.array([p.shape[0] * p.shape[1] for p in pictures], np.float64)
        self._cumulative = np.cumsum(sizes / sizes.sum())

    def draw(self, rng: np.random.Generator, patch: int) -> Sample:
        """See PairSource."""
        index = min(int(np.searchsorted(self._cumulative, rng.random(), "right")), len(self._pictures) - 1)
        margin = self._degrade.margin
        picture = _at_least(self._pictures[index], patch + 2 * margin)
        rows, columns = _corner(picture.shape, patch + 2 * margin, rng)
        (clean,) = augment((picture[rows, columns],), rng)
        degraded, target = self._degrade(np.ascontiguousarray(clean), rng)
        inside = slice(margin, margin + patch)
        pair = degraded[inside, inside], target[inside, inside]
        return (*pair, thumbnail(degraded)) if self._shows else pair

    def thumbnails(self, rng: np.random.Generator, count: int) -> tuple[FloatPatch, FloatPatch]:
        """See PairSource."""
        drawn = (self.draw(rng, WHOLE)[:2] for _ in range(count))
        return _stacked([(thumbnail(degraded, THUMBNAIL), thumbnail(clean, THUMBNAIL)) for degraded, clean in drawn])


class PairedSource:
    """Patches of given (degraded, clean) pairs of equal size."""

    def __init__(
        self,
        pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
        shows: bool = False,
        guides: int = 0,
        kernels: FloatPatch | None = None,
    ) -> None:
        """Pairs: uint8 H x W x 3 each, as for CleanSource. guides: for each degraded patch, by the kernels of the
        degraded pictures, N x K x K. Raises UsageError when the sizes of a pair differ."""
        if not len(pairs):
            raise UsageError("no pairs to train on")
        for index, (degraded, clean) in enumerate(pairs):
            if degraded.shape != clean.shape:
                raise UsageError(f"pair {index}: input {degraded.shape} and target {clean.shape} differ in size")
        self._pairs = pairs
        self._seen: dict[int, FloatPatch] | None = {} if shows else None
        self._guides, self._kernels = guides, kernels

    def draw(self, rng: np.random.Generator, patch: int) -> Sample:
        """See PairSource."""
        index = int(rng.integers(len(self._pairs)))
        pair = self._pairs[index]
        both = tuple(_at_least(p, patch) for p in pair)
        rows, columns = _corner(both[0].shape, patch, rng)
        degraded, clean = (to_unit(p[rows, columns]) for p in both)
        if self._kernels is not None:
            degraded = _guided(both[0], (rows, columns), GuideMaker(self._kernels[index], self._guides))
        sample = augment((degraded, clean), rng)
        if self._seen is None:
            return sample
        if index not in self._seen:
            self._seen[index] = thumbnail(to_unit(pair[0]))
        return (*sample, self._seen[index])

    def thumbnails(self, rng: np.random.Generator, count: int) -> tuple[FloatPatch, FloatPatch]:
        """See PairSource."""
        order = rng.permutation(len(self._pairs))[:count]
        made = [tuple(thumbnail(to_unit(p), THUMBNAIL) for p in self._pairs[index]) for index in order]
        return _stacked([made[k % len(made)] for k in range(count)])


def _stacked(pairs: Sequence[tuple[FloatPatch, ...]]) -> tuple[FloatPatch, FloatPatch]:
    empty = np.empty((0, THUMBNAIL, THUMBNAIL, 3), np.float32)
    degraded, clean = zip(*pairs, strict=True) if pairs else ((), ())
    return np.stack(degraded) if pairs else empty, np.stack(clean) if pairs else empty


class MixedSource:
    """Draws from one of two sources."""

    def __init__(self, first: PairSource, second: PairSource, share: float) -> None:
        """Share: of samples that come from the second one, in [0, 1]."""
        self._sources, self._share = (first, second), share

    def draw(self, rng: np.random.Generator, patch: int) -> Sample:
        """See PairSource."""
        return self._sources[int(rng.random() < self._share)].draw(rng, patch)

    def thumbnails(self, rng: np.random.Generator, count: int) -> tuple[FloatPatch, FloatPatch]:
        """See PairSource."""
        second = round(count * self._share)
        (a, b), (c, d) = (s.thumbnails(rng, n) for s, n in zip(self._sources, (count - second, second), strict=True))
        return np.concatenate((a, c)), np.concatenate((b, d))


class StepBatches(Dataset[tuple[Tensor, ...]]):
    """Item i is the whole batch of step i: (degraded, clean), each float32 B x 3 x P x P (the first with its
    guides, if any); from a source that shows whole pictures also their thumbnails, B x 3 x GRID x GRID."""

    def __init__(
        self,
        source: PairSource,
        sizes: Sequence[tuple[int, int, int]],
        seed: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Sizes: (last step, batch, patch) per phase; rank r of n makes its share of each batch."""
        self._source, self._sizes, self._seed = source, list(sizes), seed
        self._rank, self._ranks = rank, ranks

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        """The batch of this step."""
        batch, patch = next((b, p) for last, b, p in self._sizes if step < last)
        samples = [
            self._source.draw(np.random.default_rng((self._seed, step, j)), patch)
            for j in range(self._rank, batch, self._ranks)
        ]
        parts = (torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))
        return tuple(part.permute(0, 3, 1, 2) for part in parts)


def batches(dataset: StepBatches, first: int, last: int, workers: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches of steps first..last-1 in order; made ahead in worker processes when workers > 0."""
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_outlive_signals,
    )
    return iter(loader)


def _outlive_signals(_: int) -> None:
    """A signal to all processes of a job stops the training after its step: until then workers must live."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
