"""Degradations as written on the command line: `awgn:25`, `camera:shot=0.01,jpeg=80`, `blur:size=15-31`, `rain`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from runir.degradations._picture import FloatPicture, Picture32
from runir.degradations.blur import MotionBlurs, motion_blur
from runir.degradations.camera import CameraNoise, camera_noise
from runir.degradations.lowlight import LowLights, low_light
from runir.degradations.noise import awgn, check_sigma, gray_awgn
from runir.degradations.rain import Rains, rain
from runir.errors import UsageError, nearest


class Degradation(Protocol):
    """Something that makes a degraded picture from a clean one."""

    @property
    def name(self) -> str:
        """The canonical spelling; `parse_degradation(d.name) == d`."""

    @property
    def margin(self) -> int:
        """Pixels of context that a training patch wants on every side."""

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Degrade `clean` (H x W x C in [0, 1], C 1 or 3); float32, same shape; same `rng`, same result."""


@dataclass(frozen=True)
class Awgn:
    """White Gaussian noise of `sigma` 8-bit levels in every channel; see `noise.awgn`."""

    sigma: float

    margin: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check the range."""
        check_sigma(self.sigma)

    @property
    def name(self) -> str:
        """`awgn:SIGMA`."""
        return f"awgn:{_number(self.sigma)}"

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Add the noise; not clipped."""
        return awgn(clean, self.sigma, rng)


@dataclass(frozen=True)
class GrayAwgn:
    """White Gaussian noise of `sigma` 8-bit levels, the same in all channels; see `noise.gray_awgn`."""

    sigma: float

    margin: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check the range."""
        check_sigma(self.sigma)

    @property
    def name(self) -> str:
        """`gray-awgn:SIGMA`."""
        return f"gray-awgn:{_number(self.sigma)}"

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Add the noise; not clipped."""
        return gray_awgn(clean, self.sigma, rng)


@dataclass(frozen=True)
class Camera:
    """Camera noise; whatever is not fixed here is drawn anew for every picture by `CameraNoise.sample`.

    Attributes:
        shot: variance per unit of raw signal, or None: drawn.
        read: variance in the dark, or None: drawn, following `shot`.
        demosaic: "none", "bilinear" or "malvar", or None: drawn.
        jpeg: libjpeg quality 1 to 100, "none" for no JPEG, or None: drawn.
    """

    shot: float | None = None
    read: float | None = None
    demosaic: str | None = None
    jpeg: int | str | None = None

    margin: ClassVar[int] = 0

    @property
    def name(self) -> str:
        """`camera`, or `camera:key=value,...` in the order of the attributes."""
        fixed = ((key, getattr(self, key)) for key in _CAMERA_KEYS)
        text = ",".join(f"{key}={_number(value)}" for key, value in fixed if value is not None)
        return f"camera:{text}" if text else "camera"

    def parameters(self, rng: np.random.Generator) -> CameraNoise:
        """Draw the camera of one picture."""
        drawn = CameraNoise.sample(rng, shot=self.shot)
        fixed: dict[str, Any] = {"read": self.read, "demosaic": self.demosaic, "jpeg_quality": self.jpeg}
        fixed = {key: value for key, value in fixed.items() if value is not None}
        if self.jpeg == "none":
            fixed["jpeg_quality"] = None
        return replace(drawn, **fixed)

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Draw a camera, then its noise; the result is in [0, 1]."""
        return camera_noise(clean, self.parameters(rng), rng)


Ranges = MotionBlurs | Rains | LowLights


class _Kind(NamedTuple):
    ranges: type[MotionBlurs] | type[Rains] | type[LowLights]
    degrade: Callable[[FloatPicture, Any, np.random.Generator], Picture32]


KINDS = MappingProxyType(
    {"blur": _Kind(MotionBlurs, motion_blur), "rain": _Kind(Rains, rain), "lowlight": _Kind(LowLights, low_light)}
)


@dataclass(frozen=True)
class Drawn:
    """A degradation whose parameters are drawn anew for every picture.

    Attributes:
        kind: "blur", "rain" or "lowlight".
        ranges: within which to draw; see `MotionBlurs`, `Rains`, `LowLights`.
    """

    kind: str
    ranges: Ranges

    @property
    def name(self) -> str:
        """The kind, then `:key=value,...` for ranges that are not the usual ones, in the order of their fields."""
        usual = KINDS[self.kind].ranges()
        changed = [f.name for f in fields(self.ranges) if getattr(self.ranges, f.name) != getattr(usual, f.name)]
        text = ",".join(f"{key}={_range_text(getattr(self.ranges, key))}" for key in changed)
        return f"{self.kind}:{text}" if text else self.kind

    @property
    def margin(self) -> int:
        """Pixels of context that a training patch wants on every side."""
        return self.ranges.margin

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Draw parameters, then degrade; the result is in [0, 1]."""
        return KINDS[self.kind].degrade(clean, self.ranges.draw(rng), rng)


_CAMERA_KEYS = ("shot", "read", "demosaic", "jpeg")
_NAMES = ("awgn", "gray-awgn", "camera", *KINDS)


def parse_degradation(text: str) -> Degradation:
    """Read a degradation as written on the command line.

    Args:
        text: `awgn:SIGMA` or `gray-awgn:SIGMA` (8-bit levels, 0 to 255), `camera` (everything drawn per
            picture), or `camera:KEY=VALUE,...` with keys `shot`, `read` (variances), `demosaic` (none,
            bilinear, malvar) and `jpeg` (1 to 100, or none); `blur`, `rain` or `lowlight`, or with
            `:KEY=VALUE,...`, where a key is a field of `MotionBlurs`, `Rains` or `LowLights` and a value a
            number or a range such as `15-31`.

    Returns:
        A frozen, hashable degradation.

    Raises:
        UsageError: unknown name or key (the nearest known one is named), or a bad value.
    """
    name, colon, rest = text.strip().partition(":")
    if name == "camera":
        return _parse_camera(rest, text) if colon else Camera()
    if name in KINDS:
        return Drawn(name, _parse_ranges(KINDS[name].ranges, rest, text) if colon else KINDS[name].ranges())
    if name == "awgn":
        return Awgn(_sigma(rest, name))
    if name == "gray-awgn":
        return GrayAwgn(_sigma(rest, name))
    raise UsageError(f"unknown degradation '{name}'; {nearest(name, _NAMES)}")


def _parse_ranges(cls: type[Ranges], rest: str, text: str) -> Ranges:
    usual = {f.name: f.default for f in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in _items(rest, list(usual), text).items():
        needs = f"{key} needs a number"
        values[key] = _parse_range(key, value) if isinstance(usual[key], tuple) else _float(value, needs)
    return cls(**values)


def _items(rest: str, keys: Sequence[str], text: str) -> dict[str, str]:
    """Read `KEY=VALUE,...`; `UsageError` for an unknown key, or one without value or written twice."""
    values: dict[str, str] = {}
    for item in rest.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in keys:
            raise UsageError(f"unknown key '{key}' in '{text}'; {nearest(key, keys)}")
        if not equals or key in values:
            raise UsageError(f"'{text}': write each key once, as KEY=VALUE")
        values[key] = value
    return values


def _parse_range(key: str, text: str) -> tuple[float, float]:
    """`a` or `a-b` (an exponent may hold a minus of its own, as in 1e-4-1e-3)."""
    parts = re.split(r"(?<=[^eE])-", text, maxsplit=1)
    low, high = (_float(part, f"{key} needs a number or a range such as 15-31") for part in (parts[0], parts[-1]))
    return low, high


def _range_text(value: float | tuple[float, float]) -> str:
    if isinstance(value, tuple):
        low, high = (_number(float(end)) for end in value)
        return low if low == high else f"{low}-{high}"
    return _number(float(value))


def _sigma(text: str, name: str) -> float:
    return _float(text, f"{name} needs a sigma in 8-bit levels, as in {name}:25")


def _parse_camera(rest: str, text: str) -> Camera:
    values = {key: _camera_value(key, value) for key, value in _items(rest, _CAMERA_KEYS, text).items()}
    camera = Camera(**values)  # type: ignore[arg-type]
    camera.parameters(np.random.default_rng(0))  # raises for a value out of range
    return camera


def _camera_value(key: str, value: str) -> float | int | str:
    if key == "demosaic" or (key == "jpeg" and value == "none"):
        return value
    number = _float(value, f"camera: {key} needs a number")
    if key == "jpeg" and not number.is_integer():
        raise UsageError(f"camera: jpeg is a whole number, 1 to 100, or none; got '{value}'")
    return int(number) if key == "jpeg" else number


def _float(text: str, otherwise: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise UsageError(f"{otherwise}; got '{text}'")
    return number


def _number(value: float | str) -> str:
    """The shortest text that reads back as `value`; whole numbers without a point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
