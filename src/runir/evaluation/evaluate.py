"""Score a restorer: anything that maps a picture to a picture."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runir.degradations.spec import Degradation
from runir.errors import RunirError
from runir.evaluation.metrics import psnr, ssim
from runir.evaluation.pairs import Pixels, Reader, degraded_pairs, read_pixels
from runir.evaluation.protocols import Protocol
from runir.evaluation.report import Report, Row

Restore = Callable[[Pixels], npt.NDArray[np.floating[Any]]]
Failed = Callable[[RunirError], None]


def evaluate(
    restore: Restore,
    clean: Sequence[Path],
    degradation: Degradation,
    protocol: Protocol,
    *,
    seed: int = 0,
    read: Reader = read_pixels,
    failed: Failed | None = None,
) -> Report:
    """Degrade clean pictures, restore them and score the results.

    Args:
        restore: maps float32 H x W x C (in about [0, 1], not clipped) to the same shape.
        clean: files of clean pictures.
        degradation: what is done to them; picture k, by file name, uses `default_rng(seed + k)`.
        protocol: how to score.
        seed: zero or more.
        read: how a file becomes pixels.
        failed: as of `score_pairs`.

    Returns:
        The report, with the degradation's name and the seed.

    Raises:
        UsageError: no files, or a negative seed.
        RunirError: as of `score_pairs`, or a file cannot be read.
    """
    pairs = degraded_pairs(clean, degradation, seed, read=read)
    return score_pairs(restore, pairs, protocol, degradation=degradation.name, seed=seed, failed=failed)


def score_pairs(
    restore: Restore,
    pairs: Iterable[tuple[str, Pixels, Pixels]],
    protocol: Protocol,
    *,
    degradation: str | None = None,
    seed: int | None = None,
    failed: Failed | None = None,
) -> Report:
    """Restore the degraded picture of every pair and score output and input against the target.

    Args:
        restore: maps float32 H x W x C to the same shape.
        pairs: (name, degraded, target), both H x W x C; see `degraded_pairs` and `paired_folders`.
        protocol: how to score.
        degradation: name to put in the report, or None for given pairs.
        seed: seed to put in the report, or None for given pairs.
        failed: told of each picture that cannot be read, restored or scored; the others are scored. None: the first
            such picture ends the evaluation.

    Returns:
        The report, rows in the order of `pairs`.

    Raises:
        RunirError: no pairs, or none that could be scored; or, naming the picture: shapes or channels differ, values
            are not finite, or a side is shorter than the 11 pixels that SSIM needs.
    """
    rows: list[Row] = []
    left, failures = iter(pairs), 0
    while True:
        try:
            name, degraded, target = next(left)
            rows.append(_score(restore, name, degraded, target, protocol))
        except StopIteration:
            break
        except RunirError as error:
            if failed is None or error.exit_code == 2:
                raise
            failures += 1
            failed(error)
    if not rows:
        raise RunirError("no picture could be scored" if failures else "no pairs to score; give at least one")
    return Report(protocol.name, degradation, seed, tuple(rows))


def _score(restore: Restore, name: str, degraded: Pixels, target: Pixels, protocol: Protocol) -> Row:
    _require_same_shape(name, "input", degraded.shape, target.shape)
    output = restore(degraded)
    _require_same_shape(name, "output", output.shape, target.shape)
    try:
        ours, theirs = protocol.planes(output, target), protocol.planes(degraded, target)
        return Row(name, psnr(*ours), ssim(*ours), psnr(*theirs), ssim(*theirs))
    except RunirError as error:
        raise RunirError(f"{name}: {error}") from error


def _require_same_shape(name: str, what: str, got: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise `RunirError`, in words for channels and sizes, unless the two shapes are equal."""
    if got == target:
        return
    if len(got) == len(target) == 3 and got[:2] == target[:2]:
        raise RunirError(
            f"{name}: the {what} has {got[2]} channel(s) and the target {target[2]}; "
            "convert one of them, scores need equal channels"
        )
    raise RunirError(f"{name}: the {what} has shape {got} and the target {target}; scores need equal shapes")
