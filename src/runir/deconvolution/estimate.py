"""Which kernel blurred a picture: from coarse to fine, a sharp picture and the kernel are found in turns.

The sharp picture is piecewise flat (few pixels have a gradient): Xu, Zheng, Jia, "Unnatural L0 Sparse Representation
for Natural Image Deblurring", CVPR 2013; Pan et al., "Deblurring Text Images via L0-Regularized Intensity and Gradient
Prior", CVPR 2014. The kernel is found from its strongest edges: Cho & Lee, "Fast Motion Deblurring", SIGGRAPH Asia
2009. Whether it may be believed: the picture without it must have sparser gradients than with it (Krishnan, Tay,
Fergus, "Blind Deconvolution Using a Normalized Sparsity Measure", CVPR 2011). That is also how it is told whether the
file's values were blurred or, as in a camera, light: a kernel is found for both. Parts of one picture that were blurred
alike are looked at together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runir.deconvolution.fourier import divergence, gradient, inverse, roughness, transfer, transform, wrapped
from runir.deconvolution.solve import Correlations, centred, cleaned, correlations, solve
from runir.deconvolution.wiener import GuideMaker
from runir.degradations.transfer import srgb_to_linear

Array = NDArray[np.float32]
KERNEL_SIDE = 41  # pixels: the largest kernel that is looked for
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
COARSEST = 5  # pixels: side of the kernel to begin with
STEP = math.sqrt(0.5)  # between resolutions
ROUNDS = 8  # sharp picture, then kernel, at each resolution
FLAT = 1e-3  # price of a pixel with a gradient, with values in [0, 1]; falls from round to round
FLATTEST = 1e-4
COOLING = 1.1
COUPLING = 1e5  # last weight of the gradients that are paid for against those of the picture; doubled from 2 FLAT on
EDGES = 20  # edge pixels per direction and pixel of the kernel's side; rises from round to round
WEAK, FAINT = 0.1, 0.1  # shares of the kernel's largest value, and of its heaviest piece, below which all is noise
MOST = 4  # pixels of a kernel, per pixel of its side: what covers more is no path, but nothing was found
LEAST = 3  # a part is looked at if its sides are so many times the coarsest kernel's, at least


def estimate_kernel(parts: Sequence[Array], side: int = KERNEL_SIDE, threads: int = 1) -> Array:
    """The kernel that blurred a picture.

    Args:
        parts: of one picture, each H x W x C, C 1 or 3, sRGB-encoded, clipped to [0, 1], at full resolution.
        side: of the kernel, odd; blur that reaches further is not found.
        threads: processors to use, at most.

    Returns:
        float32 side x side, >= 0, sum 1, its centroid within half a pixel of the centre. One 1 in the middle where
        nothing is to be seen (flat or tiny parts) or what was found makes nothing better. It can be wrong all the same:
        textures and noise without clear edges mislead it.
    """
    clipped = [np.clip(part, 0, 1) for part in parts if min(part.shape[:2]) >= LEAST * COARSEST]
    if not clipped:
        return _sharp(side)
    encoded, light = [_luma(part) for part in clipped], [_luma(srgb_to_linear(part)) for part in clipped]
    at_once = min(2, threads)
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(_judged, (encoded, light), (1.0, _likeness(light, encoded)), repeat(side),
                              repeat(threads // at_once)))  # fmt: skip
    sparser, kernel = max(found, key=lambda pair: pair[0])
    return kernel if sparser > 0 else _sharp(side)


def _judged(planes: Sequence[Array], scale: float, side: int, threads: int) -> tuple[float, Array]:
    """The logarithm of how much sparser the gradients are without the kernel, and the kernel."""
    with ThreadPoolExecutor(threads) as pool:
        kernel = _found([plane * np.float32(scale) for plane in planes], side, pool)
    nothing = _sharp(side)
    if kernel is None or np.count_nonzero(kernel) > MOST * side:
        return 0.0, nothing
    before, after = _spread(planes, nothing), _spread(planes, kernel)
    return (math.log(before / after) if after > 0 else 0.0), kernel


def _likeness(light: Sequence[Array], encoded: Sequence[Array]) -> float:
    """What light is multiplied by to have gradients as strong as the file's values have: prices are set for these."""
    strengths = [sum(float(np.square(np.diff(plane, axis=axis)).sum()) for plane in planes for axis in (0, 1))
                 for planes in (light, encoded)]  # fmt: skip
    return math.sqrt(strengths[1] / strengths[0]) if strengths[0] else 1.0


def _found(planes: Sequence[Array], side: int, pool: ThreadPoolExecutor) -> Array | None:
    """The kernel, whatever it is worth; None where there is no gradient."""
    levels = max(0, int(math.log(COARSEST / side) / math.log(STEP)))
    kernel = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]], np.float32)
    for level in range(levels, -1, -1):
        scale = STEP**level
        kernel = _enlarged(kernel, math.ceil(side * scale) // 2 * 2 + 1)
        views = [_View(_shrunk(plane, scale), len(kernel)) for plane in planes]
        views = [view for view in views if view.roomy] or views[:1]
        flat, edges = FLAT, float(EDGES)
        for _ in range(ROUNDS):
            equations = pool.map(_View.equations, views, repeat(kernel), repeat(flat), repeat(edges))
            found = cleaned(solve(list(equations)), WEAK, FAINT)
            if found is None:
                return None
            kernel = centred(found)
            flat, edges = max(flat / COOLING, FLATTEST), edges * COOLING
    return kernel


class _View:
    """One part at one resolution, and its gradients."""

    def __init__(self, plane: Array, kernel_side: int) -> None:
        height, width = plane.shape
        self._side = kernel_side
        self._plane = wrapped(plane, kernel_side)
        self._spectrum = transform(self._plane)
        self._rough = roughness(self._plane.shape)
        # What lies in the margin is no picture, and what the kernel carries in from there is no evidence.
        inner = kernel_side // 2
        self.roomy = min(height, width) > 4 * inner
        self._inside = (slice(inner, max(inner, height - inner)), slice(inner, max(inner, width - inner)))
        blurred = gradient(self._plane)
        self._blurred = tuple(_only(g, (slice(0, height - 1), slice(0, width - 1))) for g in blurred)

    def equations(self, kernel: Array, flat: float, edges: float) -> Correlations:
        """What the strongest edges of the sharp picture say about the kernel."""
        across, down = (_only(g, self._inside) for g in gradient(self._sharp(kernel, flat)))
        weak = np.hypot(across, down) < _strength_of(across, down, int(edges * self._side))
        across[weak] = down[weak] = 0
        return correlations((across, down), self._blurred, self._side)

    def _sharp(self, kernel: Array, flat: float) -> Array:
        """argmin |k * x - y|^2 + flat (number of pixels with a gradient), by half-quadratic splitting."""
        blur = transfer(kernel, self._plane.shape)
        power, matched = np.abs(blur) ** 2, np.conj(blur) * self._spectrum
        sharp, coupling = self._plane, 2 * flat
        while coupling < COUPLING:
            across, down = gradient(sharp)
            cheap = across * across + down * down < flat / coupling
            across[cheap] = down[cheap] = 0
            pulled = np.float32(coupling) * transform(divergence(across, down))
            sharp = inverse((matched + pulled) / (power + np.float32(coupling) * self._rough), self._plane.shape)
            coupling *= 2
        return sharp


def _spread(planes: Sequence[Array], kernel: Array) -> float:
    """How evenly gradients are spread over the pictures without this blur: mean of |.|_1 / |.|_2, the less the sharper,
    while ringing adds to it. Borders, which ring most, do not count."""
    total, maker = 0.0, GuideMaker(kernel, 1)
    for plane in planes:
        sharp = maker(plane[..., None])[..., 0]
        cut = [min(len(kernel) // 2, side // 4) for side in sharp.shape]
        sharp = sharp[cut[0] : sharp.shape[0] - cut[0], cut[1] : sharp.shape[1] - cut[1]]
        for difference in (np.diff(sharp, axis=axis) for axis in (0, 1)):
            length = float(np.sqrt(np.square(difference).mean()))
            total += float(np.abs(difference).mean()) / length if length else 0.0
    return total / len(planes)


def _only(plane: Array, where: tuple[slice, slice]) -> Array:
    """The plane there, zero elsewhere."""
    kept = np.zeros_like(plane)
    kept[where] = plane[where]
    return kept


def _strength_of(across: Array, down: Array, count: int) -> float:
    """The gradient that, in each of four directions, at least `count` pixels reach (or all that have one)."""
    strength = np.hypot(across, down)
    direction = np.minimum(np.arctan2(down, across) % np.pi / (np.pi / 4), 3).astype(np.int8)
    groups = (strength[(direction == d) & (strength > 0)] for d in range(4))
    reached = [np.partition(g, len(g) - min(count, len(g)))[len(g) - min(count, len(g))] for g in groups if len(g)]
    return float(min(reached, default=0.0))


def _luma(picture: Array) -> Array:
    return np.ascontiguousarray(picture @ LUMA if picture.shape[2] == 3 else picture[..., 0], np.float32)


def _resized(plane: Array, height: int, width: int) -> Array:
    return np.array(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def _shrunk(plane: Array, scale: float) -> Array:
    return plane if scale == 1 else _resized(plane, *(max(1, round(side * scale)) for side in plane.shape))


def _enlarged(kernel: Array, side: int) -> Array:
    """The kernel at the next resolution, 1 / STEP times as large, in a frame of that side."""
    seen, wide = side * STEP, np.pad(kernel, side)
    first = (len(wide) - seen) / 2
    box = (first, first, first + seen, first + seen)
    larger = Image.fromarray(wide).resize((side, side), Image.Resampling.BICUBIC, box)
    tidy = cleaned(np.asarray(larger, np.float32), WEAK / 2, 0.0)
    return _sharp(side) if tidy is None else tidy


def _sharp(side: int) -> Array:
    kernel = np.zeros((side, side), np.float32)
    kernel[side // 2, side // 2] = 1
    return kernel
