"""What a run writes into its folder: log lines, scores, the best or last weights, checkpoints."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from runir.config import to_plain
from runir.errors import UsageError
from runir.images.place import place
from runir.training.checkpoint import save_tensors
from runir.training.loop import Progress, Trainer
from runir.training.norms import fold_norms
from runir.training.schedule import validates_after
from runir.training.validation import (
    ValidationSet,
    averaged_network,
    validate,
    working_channels,
)

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
SCORES = "validation.csv"


def check_run_folder(out: Path) -> None:
    """Raise UsageError where a new run cannot begin: a file, or the folder of another run."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file, not a folder; choose another --out")
    if (out / CHECKPOINT).exists():
        raise UsageError(f"{out}: holds a run already; add --resume to go on with it, or choose another --out")


@dataclass
class Best:
    """The best validation so far. mean: PSNR over the groups; waited: validations since."""

    step: int = -1
    mean: float = -math.inf
    waited: int = 0


class Session:
    """Holds what a run writes: log lines, TensorBoard, validation.csv, checkpoint, weights."""

    def __init__(self, trainer: Trainer, data: ValidationSet, out: Path) -> None:
        """Out: the run folder, made if missing. Raises UsageError when the best is to be kept and nothing tells it."""
        self.trainer, self.data, self.out = trainer, data, out
        self.validation = trainer.recipe.validation
        self.best = Best()
        if self.validation.keep == "best" and not data.groups:
            raise UsageError('validation.keep = "best" needs held-out pictures, and none of data.held_out is there')
        self.main = trainer.accelerator.is_main_process
        self.board = SummaryWriter(str(out / "tensorboard")) if self.main else None

    def close(self) -> None:
        """Flush what TensorBoard still holds."""
        if self.board is not None:
            self.board.close()

    def begin(self) -> None:
        """Score the starting weights of a fresh run, if the best are to be kept."""
        if self.validation.keep == "best" and self.best.step < 0:
            scores = self._validate(0)
            if self.main:
                print("starting weights: " + _in_words(scores), flush=True)

    def resume(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go on from a checkpoint; forget what later steps left behind."""
        self.trainer.load(tensors, state)
        if "best" in state:
            self.best = Best(**state["best"])
            self.trainer.ended = self._waited_enough()
        self._forget_after(self.trainer.step)

    def at_step(self, step: int) -> dict[str, float] | None:
        """Save and validate when due. Returns validation PSNRs if it validated."""
        trainer = self.trainer
        due = validates_after(step, trainer.total, self.validation)
        # Validated first: a run that is killed in between goes on before this step and validates again.
        scores = self._validate(step) if due and self.data.groups else None
        last = step == trainer.total or trainer.ended
        if self.main and (last or step % trainer.recipe.checkpoint_every == 0):
            self.save()
        return scores

    def _validate(self, step: int) -> dict[str, float]:
        trainer = self.trainer
        device = trainer.accelerator.device
        network = averaged_network(trainer.model.config, trainer.average, device)
        scores = validate(network, self.data, trainer.accelerator)
        if self.main:
            self._append_scores(step, scores)
            pictures = [degraded for pairs in self.data.groups.values() for degraded, _ in pairs[:2]]
            shares = working_channels(network, pictures, device)
            if shares:
                block, share = min(shares.items(), key=lambda item: item[1])
                print(f"step {step}: channels at work in the least active feed-forward: {share:.0%} ({block})",
                      flush=True)  # fmt: skip
        if self.validation.keep == "best":
            self._compare(step, sum(scores.values()) / len(scores))
        return scores

    def _compare(self, step: int, mean: float) -> None:
        """Keep the averaged weights if they are the best so far, and end the run after enough that are not."""
        if mean > self.best.mean:
            self.best = Best(step, mean)
            if self.main:
                self._save_weights(step)
            return
        self.best.waited += 1
        if self._waited_enough():
            self.trainer.ended = True
            if self.main:
                print(f"step {step}: {self.best.waited} validations without a new best, so this is the end; "
                      f"kept are the weights of step {self.best.step}", flush=True)  # fmt: skip

    def _waited_enough(self) -> bool:
        return 0 < self.validation.patience <= self.best.waited

    def _forget_after(self, step: int) -> None:
        """Drop validation rows of steps that a resumed run will do again."""
        path = self.out / SCORES
        if self.main and path.exists():
            head, *rows = path.read_text().splitlines(keepends=True)
            kept = [row for row in rows if int(row.partition(",")[0]) <= step]
            place("".join([head, *kept]).encode(), path, overwrite=True)

    def _append_scores(self, step: int, scores: dict[str, float]) -> None:
        path = self.out / SCORES
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *scores])
            writer.writerow([step, *(f"{value:.4f}" for value in scores.values())])

    def save(self) -> None:
        """The averaged weights so far (the best ones are there already), then the checkpoint, each atomically: whoever
        finds the one has the other."""
        trainer, state = self.trainer, self.trainer.state()
        if self.validation.keep == "best":
            state["best"] = asdict(self.best)
        else:
            self._save_weights(trainer.step)
        save_tensors(trainer.tensors(), state, self.out / CHECKPOINT)

    def _save_weights(self, step: int) -> None:
        trainer = self.trainer
        plain = {"network": to_plain(trainer.model.config), "recipe": to_plain(trainer.recipe)}
        description = plain | {"step": step, "total": trainer.total}
        save_tensors(fold_norms(trainer.average.tensors), description, self.out / WEIGHTS)

    def report(self, p: Progress) -> None:
        """One line for people, and the same numbers for TensorBoard."""
        if not self.main or self.board is None:
            return
        minutes, seconds = divmod(round(p.eta_s), 60)
        line = (
            f"step {p.step}/{p.total}  loss {p.loss:.5f}  grad {p.gradient_norm:.3f}  rate x{p.rate:.3f}  "
            f"{p.mpx_per_s:.3f} Mpx/s  ETA {minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        )
        if p.psnr:
            line += "  | " + _in_words(p.psnr)
        print(line, flush=True)
        values = {"loss": p.loss, "gradient_norm": p.gradient_norm, "rate": p.rate, "mpx_per_s": p.mpx_per_s}
        for name, value in (values | {f"psnr/{k}": v for k, v in (p.psnr or {}).items()}).items():
            self.board.add_scalar(name, value, p.step)


def _in_words(scores: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f} dB" for name, value in scores.items())
