"""Degradations as written on the command line: `awgn:25`, `gray-awgn:15`, `camera:shot=0.01,jpeg=80`."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from runir.degradations._picture import FloatPicture, Picture32
from runir.degradations.camera import CameraNoise, camera_noise
from runir.degradations.noise import awgn, check_sigma, gray_awgn
from runir.errors import UsageError, nearest


class Degradation(Protocol):
    """Something that makes a degraded picture from a clean one."""

    @property
    def name(self) -> str:
        """The canonical spelling; `parse_degradation(d.name) == d`."""

    def apply(self, clean: FloatPicture, rng: np.random.Generator) -> Picture32:
        """Degrade `clean` (H x W x C in [0, 1], C 1 or 3); float32, same shape; same `rng`, same result."""


@dataclass(frozen=True)
class Awgn:
    """White Gaussian noise of `sigma` 8-bit levels in every channel; see `noise.awgn`."""

    sigma: float

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


_CAMERA_KEYS = ("shot", "read", "demosaic", "jpeg")
_NAMES = ("awgn", "gray-awgn", "camera")


def parse_degradation(text: str) -> Degradation:
    """Read a degradation as written on the command line.

    Args:
        text: `awgn:SIGMA` or `gray-awgn:SIGMA` (8-bit levels, 0 to 255), `camera` (everything drawn per
            picture), or `camera:KEY=VALUE,...` with keys `shot`, `read` (variances), `demosaic` (none,
            bilinear, malvar) and `jpeg` (1 to 100, or none).

    Returns:
        A frozen, hashable degradation.

    Raises:
        UsageError: unknown name or key (the nearest known one is named), or a bad value.
    """
    name, colon, rest = text.strip().partition(":")
    if name == "camera":
        return _parse_camera(rest, text) if colon else Camera()
    if name == "awgn":
        return Awgn(_sigma(rest, name))
    if name == "gray-awgn":
        return GrayAwgn(_sigma(rest, name))
    raise UsageError(f"unknown degradation '{name}'; {nearest(name, _NAMES)}")


def _sigma(text: str, name: str) -> float:
    return _float(text, f"{name} needs a sigma in 8-bit levels, as in {name}:25")


def _parse_camera(rest: str, text: str) -> Camera:
    values: dict[str, Any] = {}
    for item in rest.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in _CAMERA_KEYS:
            raise UsageError(f"unknown key '{key}' in '{text}'; {nearest(key, _CAMERA_KEYS)}")
        if not equals or key in values:
            raise UsageError(f"'{text}': write each key once, as in camera:shot=0.01,jpeg=80")
        values[key] = _camera_value(key, value)
    camera = Camera(**values)
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
