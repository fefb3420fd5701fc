"""Rain: streaks of falling drops, drop by drop, and the veil of the distant ones.

A drop falls several centimetres while the shutter is open, so it is seen as a line: long, wide, sharp or blurred, by
distance and focus. The drops of one layer share wind, distance and focus; several layers make heavy rain.

Sources. Rain as layers of streaks added to the scene: Li et al., "Rain Streak Removal Using Layer Priors", CVPR 2016;
several directions, sharp lines, and veil (scattered light of drops too far to be seen one by one): Yang et al., "Deep
Joint Rain Detection and Removal from a Single Image", CVPR 2017; screen blend: Luo et al., "Removing Rain from a Single
Image via Discriminative Sparse Coding", ICCV 2015; noise smeared along a line, as image editors draw rain: Zhang and
Patel, "Density-aware Single Image De-raining using a Multi-stream Dense Network", CVPR 2018; appearance: Garg and
Nayar, "Vision and Rain", IJCV 2007. The ranges are ours. Everything happens in sRGB-encoded values, as in these papers'
data.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.degradations._ranges import check_ranges, log_uniform
from runir.degradations.jpeg import jpeg_round_trip
from runir.degradations.kernels import draw_path, full_convolution
from runir.errors import UsageError

Blend = Literal["add", "screen", "cover"]
BLENDS: tuple[Blend, ...] = ("add", "add", "screen", "cover")  # as drawn
Points = NDArray[np.floating[Any]]
COVERED = 0.9  # what the streaks of a drawn rain add at most, as a mean over the picture where each has brightness 1


@dataclass(frozen=True, slots=True)
class RainLayer:
    """Drops of one distance and wind.

    Attributes:
        density: streaks per 1000 pixels, >= 0.
        length: mean length in pixels, > 0; each streak's differs by up to a third.
        angle: degrees from the vertical; spread: standard deviation of single streaks about it, >= 0.
        width: standard deviation across a streak in pixels, > 0 (defocus makes it larger).
        brightness: of a streak's middle, mean, in [0, 1].
        sharp: streaks are lines of one brightness, round(2 width) pixels wide, without soft edges or ends.

    Raises:
        UsageError: a value is out of its range.
    """

    density: float
    length: float
    angle: float = 0.0
    spread: float = 1.0
    width: float = 0.6
    brightness: float = 0.5
    sharp: bool = False

    def __post_init__(self) -> None:
        """Check every range."""
        values = (self.density, self.length, self.spread, self.width, self.brightness)
        if not all(0.0 <= value < math.inf for value in values) or not math.isfinite(self.angle):
            raise UsageError(f"rain: a layer's values must be zero or more and finite, got {self}")
        if self.length <= 0.0 or self.width <= 0.0 or self.brightness > 1.0:
            raise UsageError(f"rain: length and width must be above zero, brightness at most 1, got {self}")

    @property
    def covered(self) -> float:
        """What the streaks add, as a mean over the picture where each has brightness 1."""
        across = round(2.0 * self.width) if self.sharp else math.sqrt(math.tau) * self.width
        return self.density / 1000.0 * self.length * max(1.0, across)


@dataclass(frozen=True, slots=True)
class Rain:
    """The rain of one picture.

    Attributes:
        layers: drawn one over the other.
        blend: how streaks S join the picture B: "add": B + A S; "screen": B + S - B S; "cover": B (1 - S) + A S, where
            A = `light`.
        smeared: None: streaks are drawn drop by drop. A number: they are white noise smeared along a line, where that
            lies this many standard deviations above its mean; a layer's density then does not count. ramp: standard
            deviations from there to full brightness, > 0; few make the streaks flat, with hard edges.
        light: colour of streaks and veil, in [0, 1].
        veil: share of the scene lost behind distant drops: B (1 - v) + A v, in [0, 1].
        jpeg: quality 1 to 100 of the rainy file, or None.

    Raises:
        UsageError: a value is out of its range.
    """

    layers: tuple[RainLayer, ...]
    blend: Blend = "add"
    light: tuple[float, float, float] = (1.0, 1.0, 1.0)
    veil: float = 0.0
    jpeg: int | None = None
    smeared: float | None = None
    ramp: float = 2.0

    def __post_init__(self) -> None:
        """Check every range."""
        if self.blend not in get_args(Blend):
            raise UsageError(f"rain: blend is one of {', '.join(get_args(Blend))}; got {self.blend}")
        if not 0.0 <= self.veil <= 1.0 or not all(0.0 <= value <= 1.0 for value in self.light):
            raise UsageError(f"rain: veil and light are in [0, 1], got {self.veil} and {self.light}")
        if self.jpeg is not None and not 1 <= self.jpeg <= 100:
            raise UsageError(f"rain: JPEG quality is 1 to 100, got {self.jpeg}")
        if self.smeared is not None and not -2.0 <= self.smeared <= 3.0:
            raise UsageError(f"rain: smeared is -2 to 3 standard deviations, got {self.smeared}")
        if not 0.0 < self.ramp < math.inf:
            raise UsageError(f"rain: ramp is above zero, got {self.ramp}")


@dataclass(frozen=True, slots=True)
class Rains:
    """What is drawn for a picture: ranges (low, high) and shares in [0, 1].

    Attributes:
        heavy: share of pictures with two to five layers in different directions; the rest has one or two alike. Every
            second heavy rain is one kind of drop from several directions, of density and brightness `dense` and
            `bright` (as in Yang et al., whose heavy rain leaves 13.6 dB).
        density: streaks per 1000 pixels of a layer, logarithmic; length, width: pixels, logarithmic; brightness.
            What would cover the whole picture is thinned out (COVERED).
        slant: largest angle from the vertical in degrees.
        dry: share without rain (a derainer must leave those alone). veiled: share with a veil of up to `veil`.
        jpeg: share that is stored as JPEG of quality 80 to 98. smeared, sharp: shares whose streaks are smeared noise,
            and (of the rest) sharp lines. aligned: share of the heavy rains whose layers have one direction, as one
            wind would have it. ramp: of smeared noise (see Rain), logarithmic.

    Raises:
        UsageError: a value is out of its range.
    """

    heavy: float = 0.5
    density: tuple[float, float] = (0.3, 6.0)
    dense: tuple[float, float] = (1.0, 10.0)
    bright: tuple[float, float] = (0.3, 1.0)
    length: tuple[float, float] = (8.0, 100.0)
    width: tuple[float, float] = (0.4, 1.8)
    brightness: tuple[float, float] = (0.1, 0.9)
    slant: float = 50.0
    dry: float = 0.03
    veiled: float = 0.1
    veil: float = 0.2
    jpeg: float = 0.3
    smeared: float = 0.0
    sharp: float = 0.0
    aligned: float = 0.0
    ramp: tuple[float, float] = (2.0, 2.0)

    margin = 0  # drops beyond the border are drawn anyway

    def __post_init__(self) -> None:
        """Check every range by its ends."""
        ranges = (self.density, self.dense, self.bright, self.length, self.width, self.brightness, self.ramp)
        check_ranges("rain", ranges, positive=True)
        names = ("heavy", "dry", "veiled", "veil", "jpeg", "smeared", "sharp", "aligned")
        if not all(0.0 <= getattr(self, name) <= 1.0 for name in names):
            raise UsageError(f"rain: {', '.join(names[:-1])} and {names[-1]} are shares in [0, 1]")
        if max(self.brightness[1], self.bright[1]) > 1.0 or not 0.0 <= self.slant <= 90.0:
            raise UsageError("rain: brightness is at most 1, slant 0 to 90 degrees")

    def draw(self, rng: np.random.Generator) -> Rain:
        """Draw the rain of one picture."""
        kind, blends, veils, dries, stores = rng.random(5)
        wind, common = rng.uniform(-self.slant, self.slant), self._layer(rng, 0.0)
        count = int(rng.integers(2, 6)) if kind < self.heavy else int(rng.integers(1, 3))
        layers = [self._layer(rng, wind if kind >= self.heavy else rng.uniform(-self.slant, self.slant))
                  for _ in range(count)]  # fmt: skip
        density, brightness = log_uniform(rng, self.dense), rng.uniform(*self.bright)
        if kind < self.heavy and blends < 0.5:
            layers = [RainLayer(density, common.length, layer.angle, layer.spread, common.width, brightness)
                      for layer in layers]  # fmt: skip
        light = float(rng.uniform(0.75, 1.0))
        tint = rng.uniform(-0.03, 0.03, 3)
        blend = BLENDS[int(rng.integers(4))]
        quality = int(rng.integers(80, 99))
        veil = rng.uniform(0.0, self.veil)
        smears, threshold = rng.random(), rng.uniform(0.0, 1.5)
        if self.sharp and rng.random() < self.sharp:
            layers = [replace(layer, sharp=True) for layer in layers]
        if self.aligned and kind < self.heavy and rng.random() < self.aligned:
            layers = [replace(layer, angle=wind + rng.normal(0.0, 3.0)) for layer in layers]
        covered = sum(layer.covered for layer in layers)
        if covered > COVERED:
            layers = [replace(layer, density=layer.density * COVERED / covered) for layer in layers]
        return Rain(
            () if dries < self.dry else tuple(layers),
            blend,
            light=(1.0, 1.0, 1.0) if blend == "add" else tuple(np.clip(light + tint, 0.0, 1.0).tolist()),
            veil=veil if veils < self.veiled and dries >= self.dry else 0.0,
            jpeg=quality if stores < self.jpeg else None,
            smeared=threshold if smears < self.smeared else None,
            ramp=log_uniform(rng, self.ramp) if self.ramp[0] < self.ramp[1] else self.ramp[0],
        )

    def _layer(self, rng: np.random.Generator, wind: float) -> RainLayer:
        density, length, width = (log_uniform(rng, ends) for ends in (self.density, self.length, self.width))
        angle, spread = wind + rng.normal(0.0, 3.0), rng.uniform(0.0, 4.0)
        return RainLayer(density, length, angle, spread, width, rng.uniform(*self.brightness))


def rain(clean: FloatPicture, params: Rain, rng: np.random.Generator) -> Picture32:
    """Let it rain on a picture.

    Args:
        clean: H x W x C, sRGB-encoded, C 1 or 3, H, W >= 1; clipped to [0, 1].
        params: the rain.
        rng: source of the drops.

    Returns:
        float32, same shape, in [0, 1], rounded to 8 bit only by the JPEG file.

    Raises:
        UsageError: `clean` is not a picture.
    """
    require_picture(clean)
    result: NDArray[Any] = np.clip(clean, 0.0, 1.0).astype(np.float32)
    light = np.array(params.light, np.float32)
    if result.shape[2] == 1:
        light = light.mean(keepdims=True)
    height, width = result.shape[:2]
    for layer in params.layers:
        if params.smeared is None:
            streaks = np.minimum(streak_map(height, width, layer, rng), 1.0)[..., None]
        else:
            streaks = smeared_noise(height, width, layer, params.smeared, params.ramp, rng)[..., None]
        if params.blend == "add":
            result = result + streaks * light
        else:
            result = result + streaks * ((1.0 if params.blend == "screen" else light) - result)
    result = np.clip(result * (1.0 - params.veil) + light * params.veil, 0.0, 1.0).astype(np.float32)
    return result if params.jpeg is None else jpeg_round_trip(result, params.jpeg)


def streak_map(height: int, width: int, layer: RainLayer, rng: np.random.Generator) -> Picture32:
    """One layer of streaks, H x W, >= 0: each drop smears its light along its way, then across it (Gaussian), or leaves
    a sharp line."""
    border = math.ceil(3.0 * layer.width)  # of the Gaussian across
    reach = math.ceil(layer.length * 1.4) + border + 2
    area = (height + 2 * reach) * (width + 2 * reach)
    count = rng.poisson(layer.density * area / 1000.0)
    start = rng.random((count, 2)) * (height + 2 * reach, width + 2 * reach) - reach
    length = layer.length * rng.uniform(0.67, 1.33, count)
    angle = np.deg2rad(layer.angle + layer.spread * rng.standard_normal(count))
    strength = layer.brightness * rng.uniform(0.4, 1.0, count)
    points = max(2, math.ceil(layer.length * (2.68 if layer.sharp else 1.34)))
    along = (np.arange(points) + 0.5) / points
    y = start[:, :1] + (length * np.cos(angle))[:, None] * along
    x = start[:, 1:] + (length * np.sin(angle))[:, None] * along
    if layer.sharp:
        return _lines(height, width, y, x, strength, max(1, round(2.0 * layer.width)))
    taper = np.minimum(1.0, 4.0 * np.minimum(along, 1.0 - along))  # a streak fades at both ends
    # Light per pixel of length, times what the Gaussian across will spread: the middle then has the strength asked for.
    light = (strength * length / points)[:, None] * taper * (layer.width * math.sqrt(math.tau))
    return _blur_across(_splat(height + 2 * border, width + 2 * border, y + border, x + border, light), layer.width)


def smeared_noise(
    height: int, width: int, layer: RainLayer, threshold: float, ramp: float, rng: np.random.Generator
) -> Picture32:
    """White noise smeared along a line, H x W, from 0 (below `threshold` standard deviations) to the layer's brightness
    (from `ramp` above that on)."""
    angle, half = math.radians(layer.angle), layer.length / 2.0
    steps = np.linspace(-half, half, max(2, math.ceil(layer.length)))
    line = draw_path(np.stack((steps * math.cos(angle), steps * math.sin(angle)), axis=1))
    reach = (line.shape[0] - 1) // 2 + math.ceil(3.0 * layer.width)
    noise = rng.standard_normal((height + 2 * reach, width + 2 * reach), np.float32)
    smeared = _blur_across(full_convolution(noise[..., None], line)[..., 0], layer.width)
    top, left = (smeared.shape[0] - height) // 2, (smeared.shape[1] - width) // 2
    inside = smeared[top : top + height, left : left + width]
    # The deviation that white noise keeps is the root of the whole filter's sum of squares.
    taps = float(np.square(_blur_across(np.pad(line, 2 * math.ceil(3.0 * layer.width)), layer.width)).sum())
    shown: Picture32 = np.clip((inside / np.float32(math.sqrt(taps)) - threshold) / ramp, 0.0, 1.0) * layer.brightness
    return shown


def _splat(height: int, width: int, y: Points, x: Points, light: Points) -> Picture32:
    """Add points of light to the pixels around them (bilinear), H x W."""
    tall, wide = height + 1, width + 1
    y, x = y.ravel(), x.ravel()
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x, light = y[inside], x[inside], light.ravel()[inside]
    row, column = y.astype(np.int64), x.astype(np.int64)
    down, right = y - row, x - column
    total = np.zeros(tall * wide)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = light * (down if dy else 1.0 - down) * (right if dx else 1.0 - right)
            total += np.bincount((row + dy) * wide + column + dx, weight, tall * wide)
    return total.reshape(tall, wide)[:height, :width].astype(np.float32)


def _lines(height: int, width: int, y: Points, x: Points, strength: Points, thick: int) -> Picture32:
    """Points as squares of `thick` pixels, the strongest where they overlap, H x W."""
    seen = np.zeros((height + 2 * thick, width + 2 * thick), np.float32)
    row, column = np.rint(y).astype(np.intp) + thick, np.rint(x).astype(np.intp) + thick
    inside = (row >= 0) & (row < seen.shape[0]) & (column >= 0) & (column < seen.shape[1])
    place = row[inside] * seen.shape[1] + column[inside]
    np.maximum.at(seen.reshape(-1), place, np.broadcast_to(strength[:, None], y.shape)[inside].astype(np.float32))
    for axis in (0, 1):
        shifts = (np.take(seen, np.arange(k, k + seen.shape[axis] - thick + 1), axis) for k in range(thick))
        seen = functools.reduce(np.maximum, shifts)
    first = thick - (thick - 1) // 2
    return np.ascontiguousarray(seen[first : first + height, first : first + width])


def _blur_across(light: Picture32, width: float) -> Picture32:
    """A Gaussian of this standard deviation; its radius, 3 deviations, is cut off every side."""
    radius = math.ceil(3.0 * width)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        size = light.shape[axis] - 2 * radius
        shifted = (tap * np.take(light, np.arange(k, k + size), axis) for k, tap in enumerate(taps))
        light = functools.reduce(np.add, shifted)
    return light
