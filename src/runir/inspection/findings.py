"""What is wrong with a picture, in plain data: one finding per fault."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

NoiseKind = Literal["none", "white", "camera"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault looked for.

    Attributes:
        score: how likely it is, in [0, 1]. threshold: from which it counts as found.
        text: one line for people.
    """

    score: float
    threshold: float
    text: str

    @property
    def found(self) -> bool:
        """Whether the fault is there."""
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True)
class Noise(Finding):
    """sigma: standard deviation in 8-bit levels. kind: white (alike at all frequencies), camera (all else), none."""

    sigma: float = 0.0
    kind: NoiseKind = "none"


@dataclass(frozen=True, slots=True)
class Darkness(Finding):
    """Encoded luma in [0, 1]: mean, median, and what 99% of the pixels stay below."""

    mean: float = 0.0
    median: float = 0.0
    brightest: float = 0.0


@dataclass(frozen=True, slots=True)
class Blur(Finding):
    """pixels: over which sharp edges are spread. direction: degrees from the horizontal, anticlockwise, if clear."""

    pixels: float = 0.0
    direction: int | None = None


@dataclass(frozen=True, slots=True)
class Rain(Finding):
    """angle: of the streaks, degrees from the vertical, positive to the right at the bottom."""

    angle: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was looked for, in the order in which it would be repaired."""

    noise: Noise
    darkness: Darkness
    blur: Blur
    rain: Rain

    def __iter__(self) -> Any:
        """(name, finding) in order."""
        return iter([(field.name, getattr(self, field.name)) for field in fields(self)])

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain data for JSON: name of the fault to its fields, and `found`."""
        return {name: asdict(finding) | {"found": finding.found} for name, finding in self}
