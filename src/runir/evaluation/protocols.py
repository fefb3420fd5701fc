"""Named ways of scoring, exact to the rounding, so that two people get the same figure."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from runir.errors import RunirError, UsageError, nearest

Picture = npt.NDArray[np.floating[Any]]
Scorable = npt.NDArray[np.float64]
_Levels = npt.NDArray[np.int64]

SCORES = (
    "PSNR 10 log10(255^2 / MSE); SSIM of Wang et al. 2004: Gaussian window 11 x 11, sigma 1.5, population covariance, "
    "K 0.01 and 0.03, peak 255, where the window fits, mean over channels"
)
"""How the planes that a protocol makes are scored, see `runir.evaluation.metrics`."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is done to a picture before PSNR and SSIM (peak 255) are taken, in words and as a function.

    Attributes:
        name: as used on the command line and printed with every figure.
        source: where the pairs come from, and whose figures it compares with.
        colour: colour conversion.
        rounded: whether values are rounded to 8 bit.
        crop: what is cut off before scoring.
        averaging: how the scores of pictures become one.
        adaptation: what is done to the output (and to the input, for its own score) with knowledge of the target.
        convert: levels (H x W x C, C 1 or 3; int64 in 0..255, float64 where nothing is rounded) to the planes that
            are scored (float64, 0 to 255).
        adapt: (output, target) -> output, in about [0, 1], before rounding; or None.
        align: (output's planes, target's planes) -> both, of equal shape, after rounding; or None.
    """

    name: str
    source: str
    colour: str
    rounded: bool = True
    crop: str = "none"
    averaging: str = (
        "PSNR over all pixels and channels and SSIM per picture, then the mean of pictures; one that equals its target "
        "before or after is left out of the PSNR means"
    )
    adaptation: str = "none"
    convert: Callable[[npt.NDArray[Any]], Scorable] = field(repr=False)
    adapt: Callable[[Picture, Picture], Picture] | None = field(default=None, repr=False)
    align: Callable[[Scorable, Scorable], tuple[Scorable, Scorable]] | None = field(default=None, repr=False)

    @property
    def quantisation(self) -> str:
        """When and how values are rounded."""
        how = "and rounded to 8 bit, for scoring only" if self.rounded else "not rounded"
        return f"output, input and target clipped to [0, 1], {how}"

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the definition in words and of `SCORES`; figures compare only if it is equal."""
        words = (self.name, self.source, self.colour, self.quantisation, self.crop, self.averaging, self.adaptation)
        return hashlib.sha256(json.dumps([*words, SCORES]).encode()).hexdigest()[:12]

    def planes(self, output: Picture, target: Picture) -> tuple[Scorable, Scorable]:
        """Make an output and its target ready for scoring; both as for `prepare`, of equal shape.

        Returns:
            (output's, target's) planes, float64 in 0..255, of equal shape.

        Raises:
            RunirError: as of `prepare`, or the pictures are too small for the protocol.
        """
        _require_scorable(output)
        if self.adapt is not None:
            output = self.adapt(output, target)
        ours, answer = self.prepare(output), self.prepare(target)
        return (ours, answer) if self.align is None else self.align(ours, answer)

    def prepare(self, picture: Picture) -> Scorable:
        """Make a picture ready for scoring: clip to [0, 1], round to 8 bit (halves up) if so defined, convert.

        Args:
            picture: H x W x C, floating point, sRGB-encoded in about [0, 1], C 1 or 3.

        Returns:
            float64, H x W x C or H x W x 1, in 0..255.

        Raises:
            RunirError: not a picture, or it holds values that are not finite.
        """
        _require_scorable(picture)
        levels = np.clip(picture.astype(np.float64), 0.0, 1.0) * 255.0
        return self.convert(np.floor(levels + 0.5).astype(np.int64) if self.rounded else levels)


def _require_scorable(picture: Picture) -> None:
    """Raise `RunirError` unless `picture` is floating point, H x W x 1 or H x W x 3, and finite."""
    shape = picture.shape
    if not np.issubdtype(picture.dtype, np.floating) or picture.ndim != 3 or shape[2] not in (1, 3):
        raise RunirError(f"cannot score {picture.dtype} of shape {shape}; give floating point, H x W x 1 or 3")
    if not np.isfinite(picture).all():
        raise RunirError("the picture holds values that are not finite; check the model that made it")


def _all_channels(levels: npt.NDArray[Any]) -> Scorable:
    return levels.astype(np.float64)


def _luma_float(levels: _Levels) -> Scorable:
    """BT.601 luma, H x W x 1, not rounded."""
    luma: Scorable = 16.0 + _luma(levels) / _LUMA_UNIT
    return luma


def _luma_uint8(levels: _Levels) -> Scorable:
    """BT.601 luma, H x W x 1, rounded to whole levels (halves up) in exact integer arithmetic."""
    rounded: _Levels = (2 * _luma(levels) + _LUMA_UNIT) // (2 * _LUMA_UNIT)
    return 16.0 + rounded.astype(np.float64)


_LUMA_UNIT = 255_000


def _luma(levels: _Levels) -> _Levels:
    """65.481 R + 128.553 G + 24.966 B, R, G, B = levels / 255, in units of 1 / 255000; gray is R = G = B."""
    weights = np.array([65_481, 128_553, 24_966], np.int64)
    weighted: _Levels = (levels * weights).sum(axis=2, keepdims=True)
    return weighted


_GRAY = np.array([0.299, 0.587, 0.114])


def _gray(levels: _Levels) -> Scorable:
    """0.299 R + 0.587 G + 0.114 B, H x W x 1, not rounded; gray is R = G = B."""
    gray: Scorable = (levels * _GRAY).sum(axis=2, keepdims=True)
    return gray


def _to_mean_of_target(output: Picture, target: Picture) -> Picture:
    output = np.clip(output, 0.0, 1.0)
    ours, answer = (float((p * _GRAY).sum(axis=2).mean()) for p in (output, target))
    if ours <= 0.0:
        return output
    scaled: Picture = output * (answer / ours)
    return scaled


SHIFT, SHIFT_BORDER = 7, 15


def _best_shift(output: Scorable, target: Scorable) -> tuple[Scorable, Scorable]:
    """The output moved by whole pixels to where it fits best; a border is cut off both."""
    height, width = target.shape[:2]
    if min(height, width) < 2 * SHIFT_BORDER + 11:
        raise RunirError(f"{width} x {height} is too small for protocol shift; at least 41 x 41 is needed")
    rows, columns = height - 2 * SHIFT_BORDER, width - 2 * SHIFT_BORDER
    answer = target[SHIFT_BORDER : SHIFT_BORDER + rows, SHIFT_BORDER : SHIFT_BORDER + columns]
    moves = range(SHIFT_BORDER - SHIFT, SHIFT_BORDER + SHIFT + 1)
    candidates = (output[y : y + rows, x : x + columns] for y in moves for x in moves)
    return min(candidates, key=lambda c: float(np.square(c - answer).sum())), answer


_LUMA_TEXT = "luma 16 + 65.481 R + 128.553 G + 24.966 B, R, G, B in [0, 1] from the 8-bit pictures"
_OTHER_SSIM = "compare PSNR only: their SSIM has a window of three dimensions"
_KNOWN = (
    Protocol(
        name="awgn-rgb",
        source="clean pictures by file name; picture k gets Gaussian noise from default_rng(seed + k), added "
        "in float64, cast to float32, not clipped; as in the colour denoising tables",
        colour="none: RGB",
        convert=_all_channels,
    ),
    Protocol(name="rgb", source="given pairs", colour="none: RGB", convert=_all_channels),
    Protocol(name="y-float", source="given pairs", colour=f"{_LUMA_TEXT}, not rounded", convert=_luma_float),
    Protocol(
        name="y-uint8",
        source="given pairs, probably as in the rain tables",
        colour=f"{_LUMA_TEXT}, rounded to 8 bit as by MATLAB's rgb2ycbcr for uint8",
        convert=_luma_uint8,
    ),
    Protocol(
        name="gopro-rgb",
        source="given pairs: GoPro's 1,111 test pairs (Nah et al., CVPR 2017), blur against sharp, whole pictures, as "
        f"in the tables of MPRNet, Restormer and NAFNet; {_OTHER_SSIM}",
        colour="none: RGB",
        convert=_all_channels,
    ),
    Protocol(
        name="sidd-rgb",
        source="given pairs: SIDD's 1,280 validation blocks (Abdelhamed et al., CVPR 2018), as in the tables of "
        f"Restormer and NAFNet, whose scripts do not round; {_OTHER_SSIM}",
        colour="none: RGB",
        rounded=False,
        convert=_all_channels,
    ),
    Protocol(
        name="rain13k-y-uint8",
        source="given pairs: the tests of Rain13K, each by itself, as scored by MPRNet's and Restormer's script",
        colour=f"{_LUMA_TEXT}, rounded to 8 bit as by MATLAB's rgb2ycbcr for uint8",
        convert=_luma_uint8,
    ),
    Protocol(
        name="lol-rgb",
        source="given pairs: LOL's low-light pictures (Wei et al., BMVC 2018); no brightness is taken from the target",
        colour="none: RGB",
        convert=_all_channels,
    ),
    Protocol(
        name="lol-gtmean",
        source='given pairs: LOL, as in tables with "GT-mean" (Zhang et al., KinD, ACM MM 2019, and its followers)',
        colour="none: RGB",
        adaptation="clipped, then scaled by mean(gray target) / mean(gray output), gray 0.299 R + 0.587 G + 0.114 B",
        convert=_all_channels,
        adapt=_to_mean_of_target,
    ),
    Protocol(
        name="shift",
        source="given pairs with an unknown translation, as blind deblurring leaves it (Levin et al., CVPR 2009); not "
        "Levin's own script, which searches +-5 in quarter pixels, bilinear: do not compare with its tables",
        colour="gray 0.299 R + 0.587 G + 0.114 B from the 8-bit pictures, not rounded",
        crop=f"{SHIFT_BORDER} pixels on every side",
        adaptation=f"moved by whole pixels, at most {SHIFT} in each direction, to the highest PSNR",
        convert=_gray,
        align=_best_shift,
    ),
)
PROTOCOLS: MappingProxyType[str, Protocol] = MappingProxyType({p.name: p for p in _KNOWN})


def get_protocol(name: str) -> Protocol:
    """Look a protocol up by name; `UsageError` names the nearest one if there is none."""
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol '{name}'; {nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name]
