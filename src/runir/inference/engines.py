"""Engines run the network on one tile: float32 1 x 3 x tile x tile in, the same shape out.

OpenVINO is the default on CPUs. ONNX Runtime is the second (an extra), and the one for GPUs of others than Intel.
All agree within 1e-3 in float32.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from runir.errors import UsageError, nearest
from runir.inference.devices import OPENVINO_DEVICES, PROVIDERS, Choice, choose
from runir.weights import Model

Precision = Literal["f32", "bf16", "auto"]
Tile = NDArray[np.float32]


class Engine(Protocol):
    """A compiled network."""

    name: str

    def __call__(self, tile: Tile) -> Tile:
        """float32 1 x 3 x tile x tile -> a new array of the same shape."""
        ...


def available_threads() -> int:
    """Processors that this process may use: affinity, then the container's quota (cgroup v2 or v1), at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, int(quota + 0.5))) if quota else max(1, count)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (root / "cpu/cpu.cfs_quota_us").read_text()
        period = (root / "cpu/cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None


def cache_folder() -> Path | None:
    """Where OpenVINO keeps compiled networks, so that the next start is quicker; None where no such folder can be had.

    RUNIR_CACHE names another one, or none if it is empty. A folder that others may write to is not used.
    """
    named = os.environ.get("RUNIR_CACHE")
    if named == "":
        return None
    home = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(named or Path(home) / "runir").expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):  # no such place, or no home
        return None
    # What stands there is loaded as a program would be: nobody else may have put it there.
    strange = hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022)
    return folder if os.access(folder, os.W_OK) and not strange else None


class OpenVINOEngine:
    """OpenVINO; one compiled model, one request."""

    name = "openvino"

    def __init__(self, model: Model, threads: int, precision: Precision, device: str = "cpu") -> None:
        """Compile the model's ONNX file. Raises RunirError when the file does not match its card."""
        import openvino as ov

        core = ov.Core()
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "cpu":
            options["INFERENCE_NUM_THREADS"] = threads
        # Without the hint OpenVINO picks bf16 by itself on CPUs that have it; float32 is our stated default.
        hint = {"f32": "f32", "bf16": "bf16", "auto": None}[precision]
        if hint is not None:
            options["INFERENCE_PRECISION_HINT"] = hint
        if (folder := cache_folder()) is not None:
            options["CACHE_DIR"] = str(folder)
        network = core.read_model(model.checked_onnx())
        # OpenVINO gives the compiling thread a stack for signal handlers, and puts back the one before when the network
        # goes: after two networks have gone in the wrong order, Python's next signal (Ctrl-C) would meet a freed one.
        with ThreadPoolExecutor(1) as pool:
            self._compiled = pool.submit(core.compile_model, network, OPENVINO_DEVICES[device], options).result()
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()  # one request, one output tensor

    def __call__(self, tile: Tile) -> Tile:
        """See Engine."""
        with self._lock:
            self._request.infer([tile])
            return np.array(self._request.get_output_tensor(0).data, np.float32)


class ONNXRuntimeEngine:
    """ONNX Runtime (extra `onnxruntime`, or one of its builds for GPUs)."""

    name = "onnxruntime"

    def __init__(self, model: Model, threads: int, precision: Precision, device: str = "cpu") -> None:
        """Open a session. Raises UsageError without the package, for another precision than float32, or when the
        device's provider cannot be used."""
        if precision == "bf16":
            raise UsageError("engine onnxruntime computes in f32 only; use --engine openvino for bf16")
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UsageError("engine onnxruntime is not installed: pip install 'runir[onnxruntime]'") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False  # one fixed tile: an arena only holds memory
        options.log_severity_level = 3
        wanted = PROVIDERS[device]
        providers = list(dict.fromkeys((wanted, PROVIDERS["cpu"])))
        self._session = ort.InferenceSession(model.checked_onnx(), options, providers=providers)
        if wanted not in self._session.get_providers():  # ONNX Runtime goes on without it, and silently
            raise UsageError(f"device {device!r}: ONNX Runtime's {wanted} does not start here; use --device cpu")
        self._input = self._session.get_inputs()[0].name

    def __call__(self, tile: Tile) -> Tile:
        """See Engine."""
        return np.asarray(self._session.run(None, {self._input: tile})[0], np.float32)


class TorchEngine:
    """PyTorch (extra `train`), for validation: the network itself instead of its exported graph."""

    name = "torch"

    def __init__(self, model: Model, threads: int, precision: Precision, device: str = "cpu") -> None:
        """Load the safetensors file. Raises UsageError without PyTorch, or for another precision than float32."""
        if precision == "bf16":
            raise UsageError("engine torch computes in f32 only; use --engine openvino for bf16")
        try:
            import torch

            from runir.models.load import load_network
        except ImportError as error:
            raise UsageError("engine torch is not installed: pip install 'runir[train]'") from error
        self._torch, self._network, self._threads = torch, load_network(model), threads
        self._lock = threading.Lock()

    def __call__(self, tile: Tile) -> Tile:
        """See Engine."""
        with self._lock:
            return self._run(tile)

    def _run(self, tile: Tile) -> Tile:
        torch = self._torch
        before = torch.get_num_threads()  # a setting of the whole process: put back what the caller had
        torch.set_num_threads(self._threads)
        try:
            with torch.no_grad():
                return np.asarray(self._network.restore(torch.from_numpy(tile)).numpy(), np.float32)
        finally:
            torch.set_num_threads(before)


ENGINES: dict[str, Callable[[Model, int, Precision, str], Engine]] = {
    "openvino": OpenVINOEngine,
    "onnxruntime": ONNXRuntimeEngine,
    "torch": TorchEngine,
}


def build_engine(
    name: str, model: Model, threads: int | None = None, precision: Precision = "f32", device: str = "auto"
) -> tuple[Engine, str]:
    """Compile `model`. name, device: see `runir.inference.devices.choose`. threads: None means all that this process
    may use.

    Returns the engine and its device. Raises UsageError for an unknown engine, device or precision, threads < 1, or a
    device that is not there; RunirError for a damaged weight file.
    """
    if precision not in get_args(Precision):
        raise UsageError(f"unknown precision {precision!r}; {nearest(precision, get_args(Precision))}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads = {threads}: at least 1 is needed")
    choices = choose(name, device)
    for choice in choices[:-1]:
        try:
            return _built(choice, model, threads, precision), choice.device
        except UsageError:
            continue  # such as a CUDA build without its libraries: the next best is as right, only slower
    return _built(choices[-1], model, threads, precision), choices[-1].device


def _built(choice: Choice, model: Model, threads: int | None, precision: Precision) -> Engine:
    try:
        return ENGINES[choice.engine](model, threads or available_threads(), precision, choice.device)
    except RuntimeError as error:  # drivers
        what = f"engine {choice.engine!r} does not start on {choice.device!r} ({' '.join(str(error).split())[:120]})"
        raise UsageError(f"{what}; use --device cpu") from error
