"""The recipe: everything that decides what a training run does, as strict typed data from TOML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runir.config import build, override, read_toml
from runir.errors import UsageError


@dataclass(frozen=True, slots=True)
class ModelSection:
    """preset: a name from runir.models.presets, or network: a RUNConfig as a table; exposure, guides: give
    the preset a RUNConfig's `exposure` and `guides`; start: weights to start from (a shipped model's name or
    .safetensors file)."""

    preset: str | None = None
    network: dict[str, Any] | None = None
    exposure: bool = False
    guides: int = 0
    start: str | None = None


@dataclass(frozen=True, slots=True)
class CurveSection:
    """How the exposure curve of a network that has one is trained before the network (runir.training.curve).

    steps: of how many thumbnails of `batch` pictures; 0: the curve stays as it starts. count: of thumbnails that are
    made. rate, decay: of AdamW.
    """

    steps: int = 16000
    batch: int = 32
    count: int = 3000
    rate: float = 1e-3
    decay: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        if min(self.batch, self.count) < 1 or min(self.steps, self.rate, self.decay) < 0:
            raise UsageError("curve: batch and count must be positive, steps, rate and decay not negative")


@dataclass(frozen=True, slots=True)
class DataSection:
    """kind: "clean" (folders of clean pictures, degraded on the fly), "pairs" (folders that hold input/ and target/) or
    "both"; pairs: share of the samples that come from given pairs if both.

    held_out: a file of picture names, one per line, relative to the recipe; never trained on, used for validation.
    held_out_count: up to so many more, evenly spread over the names, about one in seven at most; their names are saved
    in the run folder.
    degradation: name and parameters of the on-the-fly degradation (not for kind "pairs"); a run folder's recipe has
    all of them.
    kernels: how many blurs are drawn in advance for a network with guides (runir.data.blurs).
    workers: processes that make batches ahead of the network (0: none). folders: where the pictures are; --data goes
    first. sets: the parts of public data sets that the recipe is for, such as "gopro train"; a dry run looks for them
    in the folders.
    """

    kind: Literal["clean", "pairs", "both"] = "clean"
    pairs: float = 0.5
    held_out: str | None = None
    held_out_count: int = 0
    degradation: dict[str, Any] = field(default_factory=dict)
    kernels: int = 1000
    workers: int = 1
    folders: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        if min(self.workers, self.held_out_count) < 0:
            raise UsageError("data.workers and data.held_out_count must not be negative")
        if self.kernels < 1:
            raise UsageError("data.kernels must be positive")
        if not 0 <= self.pairs <= 1:
            raise UsageError("data.pairs is a share in [0, 1]")


@dataclass(frozen=True, slots=True)
class Phase:
    """share: part of all training pixels spent here (shares sum to 1); batch: samples per step; patch: side."""

    share: float
    batch: int
    patch: int


@dataclass(frozen=True, slots=True)
class ScheduleSection:
    """hours (turned into steps after a timed warm-up; the number is in the checkpoint), or steps, which go first.

    warmup: steps of linear warm-up; hold: share of the steps before the rate falls, along a half cosine, to `floor` (a
    share of the peak). phases: in order. accumulate: equal parts that each batch is computed in, one after the other;
    saves memory and, while no batch norm measures its batch (optim.norms, optim.freeze), changes nothing but rounding.
    """

    phases: tuple[Phase, ...]
    steps: int | None = None
    hours: float | None = None
    warmup: int = 200
    hold: float = 0.0
    floor: float = 0.0
    accumulate: int = 1

    def __post_init__(self) -> None:
        """Refuse an impossible schedule."""
        if self.steps is None and self.hours is None:
            raise UsageError("schedule: give steps or hours")
        if not self.phases or abs(sum(p.share for p in self.phases) - 1) > 1e-6:
            raise UsageError("schedule.phases: the shares must sum to 1")
        if any(p.share <= 0 or p.batch < 1 or p.patch < 1 for p in self.phases):
            raise UsageError("schedule.phases: share, batch and patch must be positive")
        bad_steps, bad_hours = self.steps is not None and self.steps < 1, self.hours is not None and self.hours <= 0
        if bad_steps or bad_hours or self.warmup < 0:
            raise UsageError("schedule: steps and hours must be positive, warmup not negative")
        if not (0 <= self.hold < 1 and 0 <= self.floor <= 1):
            raise UsageError("schedule.hold is a share in [0, 1), schedule.floor one in [0, 1]")
        if self.accumulate < 1:
            raise UsageError("schedule.accumulate must be positive")
        self.check_division(1)

    def check_division(self, processes: int) -> None:
        """Raise UsageError unless every batch can be shared out to the processes and their parts."""
        parts = processes * self.accumulate
        if any(phase.batch % parts for phase in self.phases):
            what = f"{processes} processes" + (f" x {self.accumulate} parts" if self.accumulate > 1 else "")
            what = what if processes > 1 else f"schedule.accumulate = {self.accumulate}"
            raise UsageError(f"schedule.phases: every batch must be a multiple of {what}")


@dataclass(frozen=True, slots=True)
class OptimSection:
    """optimiser: "muon" (matrices by Muon, the rest by AdamW) or "adamw" (everything).

    rate, weight_decay: AdamW's; matrix_rate, matrix_decay: Muon's. Muon's updates have singular values near 1, so a
    decay of d keeps those of the weights below about 1 / d, which a network without norms needs to stay stable.
    clip: bound on the gradient's norm. ema: decay of the weight average. norms: train with batch norms, folded away
    afterwards; freeze: share of the steps after which their statistics stay; reopen: for starting weights whose
    activations have closed, see runir.training.norms.
    """

    optimiser: Literal["muon", "adamw"] = "muon"
    rate: float = 1e-3
    matrix_rate: float = 0.02
    matrix_decay: float = 0.5
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    norms: bool = True
    freeze: float = 0.5
    reopen: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        if min(self.rate, self.matrix_rate, self.matrix_decay, self.weight_decay) < 0 or self.clip <= 0:
            raise UsageError("optim: rates and decays must not be negative, clip must be positive")
        if not all(0 <= value < 1 for value in (*self.betas, self.ema)):
            raise UsageError("optim: betas and ema must be in [0, 1)")
        if not 0 <= self.freeze <= 1:
            raise UsageError("optim.freeze is a share of the steps, in [0, 1]")


@dataclass(frozen=True, slots=True)
class LossSection:
    """name: see runir.training.losses."""

    name: Literal["charbonnier", "psnr", "relative-charbonnier"] = "charbonnier"


@dataclass(frozen=True, slots=True)
class ValidationSection:
    """every: steps between validations (0: only at the end); times: so many, evenly spread, instead (0: see every);
    crop: side of the central part; levels: specs such as "awgn:25" for clean pictures (given pairs are scored as they
    are).

    keep: which averaged weights the run gives, the "last", or the "best" at a validation (mean PSNR of the groups; the
    starting weights take part). patience: validations without a new best after which the run ends early (0: never).
    """

    every: int = 2000
    times: int = 0
    crop: int = 256
    levels: tuple[str, ...] = ()
    keep: Literal["last", "best"] = "last"
    patience: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        if min(self.every, self.times, self.patience) < 0 or self.crop < 11:
            raise UsageError("validation: every, times and patience must not be negative, crop at least 11")
        if self.patience and self.keep != "best":
            raise UsageError('validation.patience needs keep = "best"')


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. name: the weight it makes, `preset.task`."""

    name: str
    task: str
    model: ModelSection
    schedule: ScheduleSection
    data: DataSection = field(default_factory=DataSection)
    optim: OptimSection = field(default_factory=OptimSection)
    loss: LossSection = field(default_factory=LossSection)
    curve: CurveSection = field(default_factory=CurveSection)
    validation: ValidationSection = field(default_factory=ValidationSection)
    seed: int = 0
    precision: Literal["auto", "f32", "bf16"] = "auto"
    compile: bool = False
    log_every: int = 50
    checkpoint_every: int = 1000

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        if (self.model.preset is None) == (self.model.network is None):
            raise UsageError("model: give either preset or network")
        for key in ("exposure", "guides"):
            if getattr(self.model, key) and self.model.preset is None:
                raise UsageError(f"model.{key} goes with preset; in a network's table it is network.{key}")
        if self.log_every < 1 or self.checkpoint_every < 1 or self.seed < 0:
            raise UsageError("log_every and checkpoint_every must be positive, seed not negative")


def load_recipe(path: Path, assignments: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply --set assignments. Raises UsageError naming the file and the key."""
    data = override(read_toml(path), assignments)
    try:
        return build(Recipe, data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
