"""Degradations as training wants them: a clean patch in, a degraded one and its target out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from runir.config import build, to_plain
from runir.degradations import Degradation, Drawn, parse_degradation
from runir.degradations.jpeg import jpeg_levels
from runir.degradations.spec import KINDS
from runir.errors import UsageError, nearest

FloatPatch = NDArray[np.float32]
GRAY = np.array([[0.299], [0.587], [0.114]], np.float32)  # BT.601 luma


class Degrade(Protocol):
    """Makes a training pair from a clean uint8 patch."""

    @property
    def margin(self) -> int:
        """Pixels on every side of the patch that only lend their light; the caller cuts them off."""

    def __call__(self, clean: NDArray[np.uint8], rng: np.random.Generator) -> tuple[FloatPatch, FloatPatch]:
        """(degraded, target), each float32 of the clean patch's shape; the target may differ from the patch."""

    def table(self) -> dict[str, Any]:
        """A recipe's table with every parameter in it: what `build_degrade` makes of it degrades alike, whatever the
        defaults are."""


def to_unit(picture: NDArray[np.uint8]) -> FloatPatch:
    """uint8 0 to 255 -> float32 in [0, 1]."""
    return np.divide(picture, np.float32(255), dtype=np.float32)


def augment(pictures: tuple[NDArray[Any], ...], rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """One of the eight flips and rotations, the same for all."""
    kind = int(rng.integers(8))
    if kind & 1:
        pictures = tuple(p[::-1] for p in pictures)
    if kind & 2:
        pictures = tuple(p[:, ::-1] for p in pictures)
    if kind & 4:
        pictures = tuple(p.transpose(1, 0, 2) for p in pictures)
    return pictures


@dataclass(frozen=True, slots=True)
class GaussianNoise:
    """Clean patch -> additive white Gaussian noise of a random level, not clipped (blind denoising).

    sigma: range of the standard deviation in 8-bit levels, uniform. clean: share of samples without noise.
    gray: share of samples turned gray, with one noise plane shared by the channels. jpeg: share of samples
    whose clean picture is first JPEG-compressed (most real "clean" photos are), at a quality from jpeg_quality.
    """

    sigma: tuple[float, float] = (0.0, 55.0)
    clean: float = 0.0
    gray: float = 0.1
    jpeg: float = 0.1
    jpeg_quality: tuple[int, int] = (85, 98)
    margin: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Refuse ranges that are upside down and shares outside [0, 1]."""
        if (
            not 0 <= self.sigma[0] <= self.sigma[1] <= 255
            or not 1 <= self.jpeg_quality[0] <= self.jpeg_quality[1] <= 100
        ):
            raise UsageError("awgn: sigma (0 to 255) and jpeg_quality (1 to 100) are ranges (low, high)")
        if not all(0 <= share <= 1 for share in (self.clean, self.gray, self.jpeg)):
            raise UsageError("awgn: clean, gray and jpeg are shares in [0, 1]")

    def __call__(self, clean: NDArray[np.uint8], rng: np.random.Generator) -> tuple[FloatPatch, FloatPatch]:
        """See Degrade."""
        if rng.random() < self.jpeg:
            clean = jpeg_levels(clean, int(rng.integers(self.jpeg_quality[0], self.jpeg_quality[1] + 1)))
        target = to_unit(clean)
        planes = 3
        if rng.random() < self.gray:
            target = np.repeat(target @ GRAY, 3, axis=2)
            planes = 1
        sigma = 0.0 if rng.random() < self.clean else rng.uniform(*self.sigma)
        noise = rng.standard_normal((*target.shape[:2], planes), dtype=np.float32)
        return target + noise * np.float32(sigma / 255), target

    def table(self) -> dict[str, Any]:
        """See Degrade."""
        return {"name": "awgn", **to_plain(self)}


@dataclass(frozen=True, slots=True)
class Degraded:
    """Clean patch -> (what `degradation` makes of it, the clean patch); a share `gray` of the samples is made gray."""

    degradation: Degradation
    gray: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1]."""
        if not 0 <= self.gray <= 1:
            raise UsageError("data.degradation.gray is a share in [0, 1]")

    @property
    def margin(self) -> int:
        """See Degrade."""
        return self.degradation.margin

    def __call__(self, clean: NDArray[np.uint8], rng: np.random.Generator) -> tuple[FloatPatch, FloatPatch]:
        """See Degrade."""
        target = to_unit(clean)
        if rng.random() < self.gray:  # degraded as one channel, so that its noise has no colour either
            luma = target @ GRAY
            return np.repeat(self.degradation.apply(luma, rng), 3, axis=2), np.repeat(luma, 3, axis=2)
        return self.degradation.apply(target, rng), target

    def table(self) -> dict[str, Any]:
        """See Degrade; the camera's ranges are not parameters, so its table has none."""
        drawn = self.degradation
        if isinstance(drawn, Drawn):
            return {"name": drawn.kind, "gray": self.gray, **to_plain(drawn.ranges)}
        return {"name": drawn.name, "gray": self.gray}


def build_degrade(table: dict[str, Any]) -> Degrade:
    """From a recipe's table: name ("awgn", "camera", "blur", "rain", "lowlight") and that one's parameters.

    Raises UsageError for an unknown name or key.
    """
    values = {key: value for key, value in table.items() if key != "name"}
    name, where = table.get("name", "awgn"), "data.degradation."
    if not isinstance(name, str):
        raise UsageError(f"{where}name = {name!r}: a word is needed")
    if name == "awgn":
        return build(GaussianNoise, values, where)
    gray = values.pop("gray", 0.0)
    if not isinstance(gray, int | float) or isinstance(gray, bool):
        raise UsageError(f"{where}gray = {gray!r}: a number is needed")
    if name in KINDS:
        return Degraded(Drawn(name, build(KINDS[name].ranges, values, where)), float(gray))
    if name == "camera" and not values:
        return Degraded(parse_degradation("camera"), float(gray))
    if name == "camera":
        raise UsageError(f"unknown key {where + next(iter(values))!r}; camera takes gray only")
    raise UsageError(f"data.degradation.name = {name!r}; {nearest(name, ['awgn', 'camera', *KINDS])}")
