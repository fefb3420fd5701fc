"""Motion blur: camera shake and moving objects, in linear light, with highlights that saturate.

While the shutter is open, a point of the scene moves over the sensor. Shifts (small yaw and pitch of the camera act as
shifts) move all points alike; roll turns them about the optical axis, so that the kernel changes from place to place.
An object that moves by itself has a kernel of its own inside its outline.

Sources. Trajectories: `kernels.shake_path`. Rotation of the camera: Whyte et al., "Non-uniform Deblurring for
Shaken Images", IJCV 2012, here for small angles. Kernels that change over the picture: Hirsch et al., "Efficient Filter
Flow for Space-Variant Multiframe Blind Deconvolution", CVPR 2010. Linear light and saturation: Nah et al.,
"Deep Multi-scale CNN for Dynamic Scene Deblurring", CVPR 2017; Rim et al., "Realistic Blur Synthesis", ECCV 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runir.degradations._picture import FloatPicture, Picture32, require_picture
from runir.degradations._ranges import check_ranges
from runir.degradations.jpeg import jpeg_round_trip
from runir.degradations.kernels import (
    Path2D,
    convolve,
    draw_path,
    full_convolution,
    roll_path,
    shake_path,
)
from runir.degradations.transfer import linear_to_srgb, srgb_to_linear
from runir.errors import UsageError

NODE_DISTANCE = 128  # pixels between places whose kernels are drawn; in between they are blended
JPEG_QUALITY = (75, 98)
KNEE = 0.8  # linear light from which a highlight may have been brighter than the picture shows


@dataclass(frozen=True, slots=True)
class MotionBlur:
    """One exposure.

    Attributes:
        size: larger side of the camera's trajectory in pixels, >= 0.
        shake, pull, jerks: its form, see `kernels.shake_path`.
        roll: turn of the camera during the exposure in degrees, >= 0.
        axis: where the optical axis meets the picture, (y, x) in pixels from its centre.
        objects: how many objects move by themselves, >= 0; each has a trajectory of up to twice the size.
        highlights: how much brighter than white the brightest pixels really were, >= 1.
        linear: whether blur acts in linear light (as on a sensor), or on sRGB-encoded values (as in many test sets).
        shot, read: variance of the sensor's noise per unit of light (linear or encoded, see `linear`), and in the dark.
        sigma: white Gaussian noise on the encoded picture, in 8-bit levels, >= 0.
        jpeg: how likely the picture is stored as JPEG, in [0, 1]; then the quality is uniform within JPEG_QUALITY.

    Raises:
        UsageError: a value is out of its range.
    """

    size: float
    shake: float = 3.0
    pull: float = 1.0
    jerks: float = 0.5
    roll: float = 0.0
    axis: tuple[float, float] = (0.0, 0.0)
    objects: int = 0
    highlights: float = 1.0
    linear: bool = True
    shot: float = 0.0
    read: float = 0.0
    sigma: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        """Check every range."""
        for name in ("size", "shake", "pull", "jerks", "roll", "objects", "shot", "read", "sigma"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise UsageError(f"motion blur: {name} must be zero or more and finite, got {getattr(self, name)}")
        if not 1.0 <= self.highlights < math.inf:
            raise UsageError(f"motion blur: highlights must be 1 or more and finite, got {self.highlights}")
        if not 0.0 <= self.jpeg <= 1.0:
            raise UsageError(f"motion blur: jpeg is a share in [0, 1], got {self.jpeg}")
        if not all(math.isfinite(value) for value in self.axis):
            raise UsageError(f"motion blur: the axis must be finite, got {self.axis}")


@dataclass(frozen=True, slots=True)
class MotionBlurs:
    """What is drawn for a picture: ranges (low, high), uniform, and shares in [0, 1].

    Attributes:
        size: pixels. sigma: 8-bit levels. shot: upper end; half of the pictures have such noise. roll: degrees, in
        `rolling` of the pictures, about an axis up to `off_axis` pixels away. objects: share of the pictures with one
        or two. highlights: upper end, in every second picture. encoded: share blurred in sRGB-encoded values.
        jpeg: share stored as JPEG.

    Raises:
        UsageError: a value is out of its range.
    """

    size: tuple[float, float] = (3.0, 31.0)
    sigma: tuple[float, float] = (0.0, 4.0)
    shot: float = 2e-3
    roll: tuple[float, float] = (0.0, 1.5)
    rolling: float = 0.3
    off_axis: float = 500.0
    objects: float = 0.2
    highlights: float = 6.0
    encoded: float = 0.4
    jpeg: float = 0.0

    margin = 16  # pixels of context that a training patch wants on every side

    def __post_init__(self) -> None:
        """Check every range by its ends."""
        check_ranges("motion blur", (self.size, self.sigma, self.roll))
        if not all(0.0 <= share <= 1.0 for share in (self.rolling, self.objects, self.encoded, self.jpeg)):
            raise UsageError("motion blur: rolling, objects, encoded and jpeg are shares in [0, 1]")
        if not (0.0 <= self.shot < math.inf and 1.0 <= self.highlights < math.inf and 0.0 <= self.off_axis < math.inf):
            raise UsageError("motion blur: shot and off_axis are zero or more, highlights 1 or more")

    def draw(self, rng: np.random.Generator) -> MotionBlur:
        """Draw one exposure; the number of draws never depends on what is drawn."""
        size, sigma, roll = (rng.uniform(*ends) for ends in (self.size, self.sigma, self.roll))
        shake, pull, jerks = rng.uniform(0.0, 6.0), rng.uniform(0.0, 4.0), rng.uniform(0.0, 2.0)
        axis = rng.uniform(-self.off_axis, self.off_axis, 2)
        rolls, moves, encodes, noisy, bright = rng.random(5)
        count, shot = int(rng.integers(1, 3)), rng.uniform(0.0, self.shot)
        read, highlights = shot * rng.uniform(0.0, 0.02), rng.uniform(1.0, self.highlights)
        return MotionBlur(
            size, shake, pull, jerks,
            roll=roll if rolls < self.rolling else 0.0,
            axis=(float(axis[0]), float(axis[1])),
            objects=count if moves < self.objects else 0,
            highlights=highlights if bright < 0.5 else 1.0,
            linear=bool(encodes >= self.encoded),
            shot=shot if noisy < 0.5 else 0.0,
            read=read if noisy < 0.5 else 0.0,
            sigma=sigma,
            jpeg=self.jpeg,
        )  # fmt: skip


def motion_blur(
    clean: FloatPicture, params: MotionBlur, rng: np.random.Generator, noise: np.random.Generator | None = None
) -> Picture32:
    """Blur a sharp picture.

    Args:
        clean: H x W x C, sRGB-encoded, C 1 or 3, H, W >= 1; clipped to [0, 1].
        params: the exposure.
        rng: source of trajectories, outlines and noise.
        noise: source of noise and JPEG quality instead: so the same exposure can be drawn again, with other noise.

    Returns:
        float32, same shape, in [0, 1], not rounded unless it was stored as JPEG. Every kernel's centroid is its centre.

    Raises:
        UsageError: `clean` is not a picture.
    """
    require_picture(clean)
    noise = rng if noise is None else noise
    encoded = np.clip(clean, 0.0, 1.0).astype(np.float32)
    light = srgb_to_linear(encoded) if params.linear else encoded
    if params.highlights > 1.0:
        rise = np.clip((light - KNEE) / (1.0 - KNEE), 0.0, 1.0)
        light = light * (1.0 + np.float32(params.highlights - 1.0) * rise * rise)
    path = shake_path(rng, shake=params.shake, pull=params.pull, jerks=params.jerks) * params.size
    turn = roll_path(rng) * math.radians(params.roll)
    blurred = _shake(light, path, turn, params.axis)
    for _ in range(params.objects):
        blurred = _move_object(light, blurred, params, rng)
    if params.shot or params.read:
        variance = params.shot * np.clip(blurred, 0.0, 1.0) + params.read
        blurred = blurred + np.sqrt(variance) * noise.standard_normal(blurred.shape, np.float32)
    seen = np.clip(blurred, 0.0, 1.0).astype(np.float32)
    result = linear_to_srgb(seen) if params.linear else seen
    if params.sigma:
        result = result + noise.standard_normal(result.shape, np.float32) * np.float32(params.sigma / 255.0)
    result = np.clip(result, 0.0, 1.0).astype(np.float32)
    if params.jpeg and noise.random() < params.jpeg:
        result = jpeg_round_trip(result, int(noise.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1)))
    return result


def _shake(light: Picture32, path: Path2D, turn: NDArray[np.float64], axis: tuple[float, float]) -> Picture32:
    """Blur by the camera's shift and roll (radians) over time."""
    if not turn.any():
        return convolve(light, draw_path(path))
    height, width = light.shape[:2]
    centre = np.array([(height - 1) / 2 + axis[0], (width - 1) / 2 + axis[1]])
    nodes = [np.linspace(0.0, side - 1.0, max(2, -(-side // NODE_DISTANCE) + 1)) for side in (height, width)]
    hats = [_hats(len(n), side) for n, side in zip(nodes, (height, width), strict=True)]
    kernels = {}
    for i, y in enumerate(nodes[0]):
        for j, x in enumerate(nodes[1]):
            dy, dx = y - centre[0], x - centre[1]
            kernels[i, j] = draw_path(path + turn[:, None] * np.array([dx, -dy]))
    margin = max(kernel.shape[0] for kernel in kernels.values()) // 2
    wide = np.pad(light, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    rows, columns = (np.pad(hat, ((0, 0), (margin, margin)), mode="edge") for hat in hats)
    total = np.zeros((height + 4 * margin, width + 4 * margin, light.shape[2]), np.float32)
    for (i, j), kernel in kernels.items():
        if not (rows[i].any() and columns[j].any()):  # a side of one pixel has one node too many
            continue
        top, bottom = _support(rows[i])
        left, right = _support(columns[j])
        part = wide[top:bottom, left:right] * (rows[i, top:bottom, None] * columns[j, left:right])[..., None]
        out, shift = full_convolution(part, kernel), margin - kernel.shape[0] // 2
        total[top + shift : top + shift + out.shape[0], left + shift : left + shift + out.shape[1]] += out
    return total[2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]


def _hats(count: int, side: int) -> Picture32:
    """count x side: linear interpolation weights between equally spaced nodes; each column sums to 1."""
    place = np.linspace(0.0, count - 1.0, side)
    return np.maximum(0.0, 1.0 - np.abs(place - np.arange(float(count))[:, None])).astype(np.float32)


def _support(weights: Picture32) -> tuple[int, int]:
    inside = np.flatnonzero(weights)
    return int(inside[0]), int(inside[-1]) + 1


def _move_object(light: Picture32, behind: Picture32, params: MotionBlur, rng: np.random.Generator) -> Picture32:
    """Put an object of the same picture, blurred by its own motion, over what is behind it."""
    height, width = light.shape[:2]
    path = shake_path(rng, shake=params.shake / 3.0, pull=0.0, jerks=0.0) * params.size * rng.uniform(0.0, 2.0)
    kernel = draw_path(path)
    cover = _outline(height, width, rng)[..., None]
    moved = convolve(light * cover, kernel)
    return moved + (1.0 - convolve(cover, kernel)) * behind


def _outline(height: int, width: int, rng: np.random.Generator) -> Picture32:
    """1 inside a random ellipse, 0 outside, a soft border of about 2 pixels."""
    y, x = np.ogrid[:height, :width]
    centre, half = rng.uniform(0.1, 0.9, 2), rng.uniform(0.12, 0.45, 2) * max(height, width)
    angle = rng.uniform(0.0, math.pi)
    dy, dx = y - centre[0] * height, x - centre[1] * width
    u, v = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    reach = np.sqrt((u / half[0]) ** 2 + (v / half[1]) ** 2)
    cover: Picture32 = np.clip((1.0 - reach) * half.min() / 2.0 + 0.5, 0.0, 1.0).astype(np.float32)
    return cover
