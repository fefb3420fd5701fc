"""Low light: too short an exposure in linear light, and the noise, colours and steps that come with it.

The dark picture is what a camera gives that does not brighten it: light is scaled down, noise (shot and read) is added
at the sensor's level, white balance and tone curve are a little off, and few of the 256 levels are left.

Sources. Exposure in linear light: Wei et al., "Deep Retinex Decomposition for Low-Light Enhancement", BMVC 2018
(the data set LOL), Lv et al., "Attention Guided Low-Light Image Enhancement", IJCV 2021; noise as in
`camera`: Foi et al. 2008. The ranges are ours, wide around the real pairs of LOL's training part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.degradations._ranges import check_ranges, log_uniform
from runir.degradations.jpeg import jpeg_round_trip
from runir.degradations.transfer import linear_to_srgb, srgb_to_linear
from runir.errors import UsageError


@dataclass(frozen=True, slots=True)
class LowLight:
    """One dark exposure.

    Attributes:
        exposure: factor on linear light, > 0.
        shot, read: variance of the noise per unit of the dark linear light, and in the dark; >= 0.
        balance: factors on red, green, blue in linear light, > 0.
        gamma: exponent on the encoded dark picture (above 1: darker still), > 0.
        levels: whether the result is rounded to 8 bit.
        jpeg: quality 1 to 100 of the dark file, or None.

    Raises:
        UsageError: a value is out of its range.
    """

    exposure: float
    shot: float = 0.0
    read: float = 0.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    levels: bool = True
    jpeg: int | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        if not all(0.0 < value < math.inf for value in (self.exposure, self.gamma, *self.balance)):
            raise UsageError(f"low light: exposure, gamma and balance must be above zero and finite, got {self}")
        if not all(0.0 <= value < math.inf for value in (self.shot, self.read)):
            raise UsageError(f"low light: shot and read must be zero or more and finite, got {self}")
        if self.jpeg is not None and not 1 <= self.jpeg <= 100:
            raise UsageError(f"low light: JPEG quality is 1 to 100, got {self.jpeg}")


@dataclass(frozen=True, slots=True)
class LowLights:
    """What is drawn for a picture: ranges (low, high).

    Attributes:
        exposure: logarithmic. shot: logarithmic; the read noise follows it. gamma: uniform. balance: largest deviation
        of red and blue from 1. jpeg: share stored as JPEG of quality 80 to 98.

    Raises:
        UsageError: a value is out of its range.
    """

    exposure: tuple[float, float] = (0.01, 0.35)
    shot: tuple[float, float] = (2e-5, 1e-3)
    gamma: tuple[float, float] = (0.9, 1.2)
    balance: float = 0.12
    jpeg: float = 0.2

    margin = 0

    def __post_init__(self) -> None:
        """Check every range by its ends."""
        check_ranges("low light", (self.exposure, self.shot, self.gamma), positive=True)
        if not 0.0 <= self.balance < 1.0 or not 0.0 <= self.jpeg <= 1.0:
            raise UsageError("low light: balance is in [0, 1), jpeg a share in [0, 1]")

    def draw(self, rng: np.random.Generator) -> LowLight:
        """Draw one exposure; the number of draws never depends on what is drawn."""
        exposure, shot = log_uniform(rng, self.exposure), log_uniform(rng, self.shot)
        read = shot * shot * math.exp(rng.normal(0.0, 0.5))
        red, blue = rng.uniform(1.0 - self.balance, 1.0 + self.balance, 2)
        gamma, stores, quality = rng.uniform(*self.gamma), rng.random(), int(rng.integers(80, 99))
        return LowLight(
            exposure, shot, read, (float(red), 1.0, float(blue)), gamma, jpeg=quality if stores < self.jpeg else None
        )


def low_light(clean: FloatPicture, params: LowLight, rng: np.random.Generator) -> Picture32:
    """Take a well-lit picture again with too little light.

    Args:
        clean: H x W x C, sRGB-encoded, C 1 or 3, H, W >= 1; clipped to [0, 1].
        params: the exposure; with one channel the green balance counts.
        rng: source of the noise.

    Returns:
        float32, same shape, in [0, 1]; multiples of 1/255 if `levels` or a JPEG quality say so.

    Raises:
        UsageError: `clean` is not a picture.
    """
    require_picture(clean)
    balance = np.array(params.balance if clean.shape[2] == 3 else params.balance[1:2], np.float32)
    light = srgb_to_linear(np.clip(clean, 0.0, 1.0)) * (balance * np.float32(params.exposure))
    if params.shot or params.read:
        variance = np.float32(params.shot) * light + np.float32(params.read)
        light = light + np.sqrt(variance) * rng.standard_normal(light.shape, np.float32)
    dark = linear_to_srgb(np.clip(light, 0.0, 1.0)) ** np.float32(params.gamma)
    if params.levels:
        dark = np.rint(dark * np.float32(255.0)) / np.float32(255.0)
    return dark if params.jpeg is None else jpeg_round_trip(dark, params.jpeg)
