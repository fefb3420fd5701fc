"""Which engine on which device: what was asked for against what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from runir.errors import UsageError, nearest

ENGINE_NAMES = ("auto", "openvino", "onnxruntime", "torch")
DEVICES = ("auto", "cpu", "gpu", "npu", "cuda", "directml", "coreml")
OPENVINO_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
ACCELERATED = ("cuda", "directml", "coreml")
UNASKED = ("cuda", "directml")  # every build for macOS has CoreML, so it says nothing about what is wanted


@dataclass(frozen=True, slots=True)
class Choice:
    """engine: one of ENGINE_NAMES but "auto"; device: one of DEVICES but "auto"."""

    engine: str
    device: str


def openvino_devices() -> Sequence[str]:
    """Names as OpenVINO has them, such as CPU, GPU.0."""
    import openvino as ov

    return list(ov.Core().available_devices)


def onnxruntime_providers() -> Sequence[str]:
    """Of the build that is installed; empty without one."""
    if find_spec("onnxruntime") is None:
        return []
    import onnxruntime as ort

    return list(ort.get_available_providers())


def choose(engine: str, device: str) -> list[Choice]:
    """What to try, best first.

    "auto" on "auto" is a CUDA or DirectML build of ONNX Runtime where one is installed (nobody installs those by
    accident), else OpenVINO on the CPU. "gpu" is an Intel GPU through OpenVINO, else CUDA, DirectML or CoreML.

    Raises UsageError for an unknown word, or a device that the engine cannot reach here.
    """
    if engine not in ENGINE_NAMES:
        raise UsageError(f"unknown engine {engine!r}; {nearest(engine, ENGINE_NAMES)}")
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}; {nearest(device, DEVICES)}")
    found: list[Choice] = []
    if engine in ("auto", "onnxruntime") and device not in ("cpu", "npu"):
        found += _accelerated(device)
    if engine in ("auto", "openvino") and device in ("auto", *OPENVINO_DEVICES):
        found += _openvino(device)
    if engine == "onnxruntime" and device in ("auto", "cpu"):
        found.append(Choice("onnxruntime", "cpu"))
    if engine == "torch" and device in ("auto", "cpu"):
        found.append(Choice("torch", "cpu"))
    if not found:
        raise UsageError(f"device {device!r} with engine {engine!r} is not available here; use --device auto or cpu")
    if device == "gpu":  # Intel's before others'
        found.sort(key=lambda choice: choice.engine != "openvino")
    return found


def _accelerated(device: str) -> list[Choice]:
    wanted = {"auto": UNASKED, "gpu": ACCELERATED}.get(device, (device,))
    there = onnxruntime_providers()
    return [Choice("onnxruntime", name) for name in wanted if PROVIDERS[name] in there]


def _openvino(device: str) -> list[Choice]:
    if device in ("auto", "cpu"):
        return [Choice("openvino", "cpu")]
    there = any(name.split(".")[0] == OPENVINO_DEVICES[device] for name in openvino_devices())
    return [Choice("openvino", device)] if there else []
