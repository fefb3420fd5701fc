"""Which packages, engines and devices there are, and whether each file of weights is whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runir.errors import RunirError
from runir.images import vips
from runir.inference.devices import onnxruntime_providers, openvino_devices
from runir.weights import registry

PACKAGES = ("numpy", "pillow", "pyvips", "openvino", "pi-heif", "rawpy", "torch")
ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Builds of ONNX Runtime: one at a time."""
LOADING = (ImportError, OSError, RuntimeError)
"""What a package that is damaged or lacks a library raises when it is loaded."""


@dataclass(frozen=True, slots=True)
class Engine:
    """devices: as the engine has them; empty where it is not installed or does not load (error says why)."""

    name: str
    devices: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """A shipped model; error: empty if each of its files is whole."""

    name: str
    error: str = ""


def versions() -> Mapping[str, str | None]:
    """Package -> its version, None where it is not installed. None of them is imported for it, but pyvips."""
    found = {name: _version(name) for name in PACKAGES}
    found |= {name: text for name in ONNX_RUNTIMES if (text := _version(name)) or name == "onnxruntime"}
    return dict(sorted(found.items()))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def libvips() -> str:
    """The version of libvips. Raises RunirError when it cannot be loaded."""
    pyvips = vips.library()
    return ".".join(str(pyvips.version(part)) for part in range(3))


def engines() -> tuple[Engine, ...]:
    """OpenVINO and ONNX Runtime, and PyTorch, which takes seconds to load and is only looked for."""
    found = []
    for name, ask in (("openvino", openvino_devices), ("onnxruntime", onnxruntime_providers)):
        try:
            found.append(Engine(name, tuple(ask())))
        except LOADING as fault:
            found.append(Engine(name, (), f"{name} cannot be loaded ({' '.join(str(fault).split())[:160]})"))
    return (*found, Engine("torch", ("cpu",) if _version("torch") else ()))


def bf16_in_openvino() -> bool:
    """Whether OpenVINO computes in bf16 on this CPU. Raises what loading it raises."""
    import openvino as ov

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def nvidia_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is there."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def weights(home: Path = registry.HOME) -> tuple[Weight, ...]:
    """Every shipped model, each of its files compared with the checksum on its card."""
    found = []
    for card in sorted(home.glob(f"*/{registry.CARD}")):
        try:
            registry.find_model(str(card.parent)).verify()
            found.append(Weight(card.parent.name))
        except RunirError as fault:
            found.append(Weight(card.parent.name, str(fault)))
    return tuple(found) or (Weight("none", f"{home}: holds no models; reinstall runir"),)
