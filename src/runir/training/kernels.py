"""Kernels for networks with guides: found before training starts, by all processes, and kept in the run folder."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray

from runir.data.blurs import SIDES, GuidedBlur, Report, blurs_of, find_kernels, kernels_of
from runir.data.degrade import Degrade
from runir.data.store import Patch
from runir.deconvolution import KERNEL_SIDE
from runir.errors import RunirError
from runir.images.place import place
from runir.training.recipe import Recipe

Kernels = NDArray[np.float32]
METHOD = 2  # to be raised whenever other kernels are found for the same picture
EVERY = 20.0  # seconds between lines of progress


def guided(recipe: Recipe, degrade: Degrade, pictures: Sequence[Patch], guides: int, file: Path | None) -> GuidedBlur:
    """Blurs drawn in advance in place of the recipe's degradation. file: where their kernels are kept (.npz).

    Raises UsageError for another degradation than blur, RunirError for a damaged file.
    """
    blurs, count, threads = blurs_of(degrade), recipe.data.kernels, torch.get_num_threads()
    table = {key: value for key, value in degrade.table().items() if key != "gray"}
    sizes = sum(p.shape[0] * p.shape[1] for p in pictures)
    mark = _mark(["drawn", table, count, recipe.seed, len(pictures), sizes])

    def find(indices: Sequence[int], report: Report) -> list[Kernels]:
        return find_kernels(blurs, pictures, recipe.seed, indices, threads, report)

    kernels = _kept_or_found(find, count, file, mark, "of blurs drawn in advance")
    return GuidedBlur(blurs, kernels, recipe.seed, guides, getattr(degrade, "gray", 0.0))


def kernels_of_pairs(pairs: Sequence[tuple[Patch, Patch]], file: Path | None) -> Kernels:
    """Those of the blurred pictures of pairs, N x K x K."""
    degraded, threads = [pair[0] for pair in pairs], torch.get_num_threads()
    mark = _mark(["given", len(pairs), sum(p.shape[0] * p.shape[1] for p in degraded)])

    def find(indices: Sequence[int], report: Report) -> list[Kernels]:
        return kernels_of(degraded, indices, threads, report)

    return _kept_or_found(find, len(pairs), file, mark, "of given pictures")


def _mark(settings: list[object]) -> str:
    """Tells whether kernels that were found earlier are those that would be found now."""
    return hashlib.sha256(json.dumps([METHOD, KERNEL_SIDE, SIDES, *settings], sort_keys=True).encode()).hexdigest()


def _kept_or_found(
    find: Callable[[Sequence[int], Report], list[Kernels]], count: int, file: Path | None, mark: str, what: str
) -> Kernels:
    kept = _read(file, mark)
    if kept is not None:
        return kept
    # Said outright, as in Trainer: else processes on CPUs are taken for strangers to each other.
    state = PartialState(cpu=not torch.accelerator.is_available())
    if file is not None and state.is_main_process:
        place(b"", file, overwrite=True)  # a folder that cannot be written is told of before the work
    ranks, begun, told = state.num_processes, time.monotonic(), time.monotonic()

    def report(found: int) -> None:
        nonlocal told
        now, own = time.monotonic(), len(range(state.process_index, count, ranks))
        if state.is_main_process and (now - told > EVERY or found == own):
            left = (now - begun) / found * (own - found)
            print(f"kernels {what}: {found * ranks} of {count}, {left / 60:.0f} minutes left", flush=True)
            told = now

    own = find(range(state.process_index, count, ranks), report)
    parts = gather_object([own]) if ranks > 1 else [own]  # each an equal share, so that none waits long
    kernels = np.empty((count, *own[0].shape) if own else (count, KERNEL_SIDE, KERNEL_SIDE), np.float32)
    for rank, part in enumerate(parts):
        kernels[rank::ranks] = part
    if file is not None and state.is_main_process:
        stream = io.BytesIO()
        np.savez(stream, kernels=kernels, mark=mark)
        place(stream.getvalue(), file, overwrite=True)
    return kernels


def _read(file: Path | None, mark: str) -> Kernels | None:
    """Those in the file, if they are what the mark says; None for an empty file (begun, never finished)."""
    if file is None or not file.is_file() or not file.stat().st_size:
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            return np.asarray(stored["kernels"], np.float32) if str(stored["mark"]) == mark else None
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise RunirError(f"{file}: is damaged ({error}); delete it, and the kernels are found again") from error
