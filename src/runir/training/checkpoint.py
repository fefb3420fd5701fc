"""Checkpoints: one safetensors file with every tensor of a run, and its plain state in the header.

Written to a temporary file in the same folder, then moved into place, so a killed run leaves the old one whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from runir.errors import RunirError, UsageError
from runir.images.place import place


def last_line(error: Exception) -> str:
    """What load_state_dict complains about: its first line only names the class."""
    return str(error).strip().splitlines()[-1].strip()


def save_tensors(tensors: Mapping[str, Tensor], state: Mapping[str, Any], path: Path) -> None:
    """Write tensors and a JSON-able state atomically. Raises RunirError when the disk refuses."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    place(save(own, metadata={"state": json.dumps(dict(state), sort_keys=True)}), path, overwrite=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what save_tensors wrote. Raises UsageError for a missing file, RunirError for a damaged one."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the path, or let `runir train` make it")
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        return tensors, json.loads(metadata.get("state", "{}"))
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise RunirError(f"{path}: damaged ({error}); restore it from a backup or start again") from error


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Add `prefix.` to every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix.`, without it."""
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors: `parameter index.state name`."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, entry in state.items() for name, v in entry.items()}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of optimiser_tensors, for an optimiser over the same parameters in the same order."""
    full = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": full["param_groups"]})
    # Fused kernels walk through memory: a state must be laid out as its parameter is (channels_last).
    for p, entry in optimiser.state.items():
        for key, tensor in entry.items():
            if tensor.shape == p.shape:
                entry[key] = torch.empty_like(p).copy_(tensor)
