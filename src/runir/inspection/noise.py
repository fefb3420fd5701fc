"""How noisy a picture is, and of what kind the noise is.

Blocks of 8 x 8 pixels are taken apart by the discrete cosine transform. Where a block is flat (little energy in its low
frequencies), its middle and high frequencies hold noise alone; choosing blocks by other frequencies than those that are
measured does not bias the measurement, since white noise has independent coefficients. Of the flat blocks the calmest
tenth counts, corrected for having been picked. Noise that a camera has demosaiced, compressed or smoothed has
less energy in high frequencies than in middle ones, and other amounts in light and in colour.

Sources: Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", IGARSS 2007 (blocks chosen
by low, measured by high DCT frequencies); Danielyan and Foi, "Noise variance estimation in nonlocal transform domain",
LNLA 2009. Quantile of a chi-square: Wilson and Hilferty, PNAS 1931.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.inspection.crops import Pixels, Seen, planes

BLOCK = 8
STRIDE = 4
FLAT = 0.15  # share of blocks, the flattest, that count as flat
CALM = 0.1  # quantile among these that is read
Z_CALM = -1.28155156554  # the standard normal's quantile at CALM
RICH = 0.85  # quantile from which blocks count as textured
CLIPPED = 2  # pixels per block that may be black or white
LEAST = 0.01  # share of blocks that must be left when those of a backdrop are left out


def _frequencies() -> dict[str, NDArray[np.intp]]:
    order = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)).ravel()
    bands = {"flat": (1, 3), "low": (2, 3), "mid": (4, 6), "high": (8, 14)}
    return {name: np.flatnonzero((order >= low) & (order <= high)) for name, (low, high) in bands.items()}


def _dct_matrix() -> NDArray[np.float32]:
    """Orthonormal DCT-II of 8 x 8 blocks as a 64 x 64 matrix."""
    k, n = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None, :]
    rows = math.sqrt(2.0 / BLOCK) * np.cos(math.pi * (2 * n + 1) * k / (2 * BLOCK))
    rows[0] /= math.sqrt(2.0)
    return np.kron(rows, rows).astype(np.float32)


BANDS = _frequencies()
DCT = _dct_matrix()


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """Standard deviations in flat blocks, in 8-bit levels (>= 0); see the module.

    Attributes:
        sigma: in all channels, high frequencies: the sigma of white noise.
        light_mid, light_high: of the light plane. colour_low, colour_mid, colour_high: of the two colour planes;
        zero where `gray`, for pictures without colour.
        overall: of all planes, middle frequencies in light and low ones in colour: for noise whose high ones are lost.
        dark_to_bright: sigma in the darker over that in the brighter half of the flat blocks.
        texture_low: energy of the low band over the variance of the blocks' means; texture_mid, texture_high: of these
        bands over that of the low band where there is texture, noise taken off.
    """

    sigma: float
    light_mid: float
    light_high: float
    colour_low: float
    colour_mid: float
    colour_high: float
    gray: bool
    overall: float
    dark_to_bright: float
    texture_low: float
    texture_mid: float
    texture_high: float


def noise_levels(crops: Sequence[Pixels], seen: Sequence[Seen] | None = None) -> NoiseLevels:
    """Measure the noise of crops (H x W x C in [0, 1], at least 8 x 8 each). seen: H x W each, False where what is
    there does not count; None: all of it does."""
    seen = [np.ones(crop.shape[:2], bool) for crop in crops] if seen is None else seen
    showing = _showing(crops, seen)
    coefficients = np.concatenate([_coefficients(*pair) for pair in zip(crops, showing, strict=True)], axis=1)
    texture = (coefficients[0][:, BANDS["flat"]] ** 2).sum(1)
    flat = np.argsort(texture, kind="stable")[: max(16, int(FLAT * len(texture)))]
    chosen = coefficients[:, flat]
    light, colour = chosen[:1], chosen[1:]
    brightness = light[0, :, 0]
    darker = brightness <= np.median(brightness)
    halves = [_sigma(chosen[:, half], "mid") for half in (darker, ~darker)]
    coarse = [_sigma(light, "mid"), *(_sigma(plane[None], "low") for plane in colour)]
    return NoiseLevels(
        gray=len(colour) == 0,
        overall=math.sqrt(sum(level**2 for level in coarse) / len(coarse)),
        sigma=_sigma(chosen, "high"),
        light_mid=_sigma(light, "mid"),
        light_high=_sigma(light, "high"),
        colour_low=_sigma(colour, "low"),
        colour_mid=_sigma(colour, "mid"),
        colour_high=_sigma(colour, "high"),
        dark_to_bright=(halves[0] + 0.3) / (halves[1] + 0.3),
        texture_low=_spread(coefficients[0]),
        texture_mid=_texture(coefficients[:1], light, texture, "mid"),
        texture_high=_texture(coefficients[:1], light, texture, "high"),
    )


def _spread(light: NDArray[np.float32]) -> float:
    """Energy of the low band over the variance of the blocks' means."""
    return float((light[:, BANDS["low"]] ** 2).mean() + 0.1) / float(light[:, 0].var() + 64.0)


def _texture(light: NDArray[np.float32], flat: NDArray[np.float32], texture: NDArray[np.float32], band: str) -> float:
    """Energy of a band over that of the low band in the most textured blocks, noise taken off both; at least 1e-4."""
    rich = light[:, texture >= np.quantile(texture, RICH)]
    parts = [float((rich[..., BANDS[b]] ** 2).mean()) - _sigma(flat, b) ** 2 for b in (band, "low")]
    return max(parts[0], 1e-4 * parts[1], 1e-3) / max(parts[1], 1.0)


def _showing(crops: Sequence[Pixels], seen: Sequence[Seen]) -> list[NDArray[np.bool_]]:
    """Which blocks of each crop show noise, if there is any. Those do not that are clipped, not seen throughout, or
    hold the one even colour of a frame or backdrop (which does count where nothing else is left: a page of print)."""
    lost = [_lost(crop, visible) for crop, visible in zip(crops, seen, strict=True)]
    framed = [count + _blocks(_backdrop(crop)) for crop, count in zip(crops, lost, strict=True)]
    for counts, share in ((framed, LEAST), (lost, 0.0)):
        found = [count <= CLIPPED for count in counts]
        if sum(map(np.count_nonzero, found)) >= max(16, share * sum(map(len, counts))):
            return found
    every = np.sort(np.concatenate(lost))
    return [count <= every[min(15, len(every) - 1)] for count in lost]


def _lost(crop: Pixels, seen: Seen) -> NDArray[np.float32]:
    """Pixels of each block that are black or white; whole blocks where any is not seen."""
    ends = ((crop <= 0.5 / 255.0) | (crop >= 254.5 / 255.0)).any(2).astype(np.float32)
    return _blocks(ends + BLOCK * BLOCK * ~seen)


def _blocks(counts: NDArray[Any]) -> NDArray[np.float32]:
    """Sums over blocks, flat."""
    views = np.lib.stride_tricks.sliding_window_view(counts, (BLOCK, BLOCK))[::STRIDE, ::STRIDE]
    return np.asarray(views.sum((2, 3)), np.float32).ravel()


def _coefficients(crop: Pixels, keep: NDArray[np.bool_]) -> NDArray[np.float32]:
    """DCT of these blocks: planes x blocks x 64."""
    views = np.lib.stride_tricks.sliding_window_view
    blocks = [
        views(plane, (BLOCK, BLOCK))[::STRIDE, ::STRIDE].reshape(-1, BLOCK * BLOCK)[keep] @ DCT.T
        for plane in planes(crop)
    ]
    return np.stack(blocks)


def _backdrop(crop: Pixels) -> Seen:
    """Pixels of the colour that the crop's even blocks have most often, unless it is clipped."""
    blocks = np.lib.stride_tricks.sliding_window_view(crop, (BLOCK, BLOCK), (0, 1))[::STRIDE, ::STRIDE]
    low, high = blocks.min((3, 4)), blocks.max((3, 4))
    even = ((low == high) & (low > 0.5 / 255.0) & (high < 254.5 / 255.0)).all(2)
    if not even.any():
        return np.zeros(crop.shape[:2], bool)
    colours, counts = np.unique(low[even], axis=0, return_counts=True)
    return np.asarray((crop == colours[counts.argmax()]).all(2))


def _sigma(chosen: NDArray[np.float32], band: str) -> float:
    """Of planes x blocks x 64: the standard deviation of a band's coefficients in the calmer blocks."""
    if chosen.shape[0] == 0 or chosen.shape[1] == 0:
        return 0.0
    part = chosen[:, :, BANDS[band]]
    energy = (part**2).mean((0, 2))
    freedom = 2.0 / (9.0 * part.shape[0] * part.shape[2])
    picked = (1.0 - freedom + Z_CALM * math.sqrt(freedom)) ** 3  # of a chi-square over its mean
    return math.sqrt(float(np.quantile(energy, CALM)) / picked)
