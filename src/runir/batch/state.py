"""How far a run is, and what came of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from runir.batch.plan import Job

Status = Literal["restored", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run.

    skipped: finished by an earlier run; left: not tried, because the run stopped early; `stopped` says why.
    megapixels, seconds: restored in this run, and how long it took. failures: (path, error line); notes: (path, note),
    with path "" for those of the whole run.
    """

    output: str
    restored: int
    skipped: int
    failed: int
    left: int
    megapixels: float
    seconds: float
    stopped: str
    failures: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def exit_code(self) -> int:
        """0: every picture has its result; 1: something failed or was left."""
        return 1 if self.failed or self.left else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        failures = [{"path": path, "error": error} for path, error in self.failures]
        notes = [{"path": path, "note": note} for path, note in self.notes]
        return asdict(self) | {"failures": failures, "notes": notes}


@dataclass(slots=True)
class State:
    """How far a run is. Bytes of the pictures' files stand for the work in them, because they are known at once."""

    total: int
    bytes: int
    restored: int = 0
    skipped: int = 0
    failed: int = 0
    pixels: int = 0
    current: str = ""
    """The picture that is being restored."""
    part: float = 0.0
    """How much of it is done, 0 to 1."""
    ended: bool = False
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    _gone: int = 0
    _worked: int = 0
    _current_size: int = 0
    _begun: float | None = None

    @property
    def done(self) -> int:
        """Pictures that are through, however they ended."""
        return self.restored + self.skipped + self.failed

    def working(self, job: Job, done: int, total: int) -> None:
        """`done` of `total` parts of a picture are computed; the first call of all starts the clock."""
        if self._begun is None:
            self._begun = time.perf_counter()
        self.current, self.part, self._current_size = job.name, done / max(1, total), job.size

    def through(self, job: Job, status: Status, pixels: int = 0) -> None:
        """A picture has ended."""
        setattr(self, status, getattr(self, status) + 1)
        self._gone += job.size
        self.pixels += pixels
        if status == "restored":
            self._worked += job.size
        if job.name == self.current:
            self.current, self.part, self._current_size = "", 0.0, 0

    @property
    def seconds(self) -> float:
        """Since the first picture began to be computed."""
        return 0.0 if self._begun is None else time.perf_counter() - self._begun

    @property
    def rate(self) -> float:
        """Megapixels per second so far."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the bytes worked off so far; None while there is nothing to go by."""
        current = self.part * self._current_size
        worked = self._worked + current
        if not worked:
            return None
        return self.seconds / worked * max(0.0, self.bytes - self._gone - current)
