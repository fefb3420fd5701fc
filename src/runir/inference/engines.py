"""Engines run the network on one tile: float32 1 x inputs x tile x tile in (RGB, and the model's guides), RGB out.

OpenVINO is the default on CPUs. ONNX Runtime is the second (an extra), and the one for GPUs of others than Intel.
All agree within 1e-3 in float32.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from runir.errors import RunirError, UsageError, nearest
from runir.inference.devices import OPENVINO_DEVICES, PROVIDERS, Choice, choose
from runir.inference.foreign import ForeignModel
from runir.inference.threads import available_threads
from runir.weights import Model

Precision = Literal["f32", "bf16", "auto"]
Tile = NDArray[np.float32]
Statistics = NDArray[np.float32]


class Engine(Protocol):
    """A compiled network."""

    name: str

    def __call__(self, tile: Tile, statistics: Statistics | None = None) -> Tile:
        """float32 1 x inputs x tile x tile -> a new array, 1 x 3 x tile x tile. statistics: used in place of the tile's
        own."""
        ...

    def measure(self, tile: Tile) -> Statistics | None:
        """The tile's statistics for channel attention, float32 1 x N; None: the network has no CSA Blocks."""
        ...


@contextmanager
def _running(engine: str, device: str, kind: type[Exception] = RuntimeError) -> Iterator[None]:
    """Tell in one line what goes wrong in the middle of the work, such as a device that is out of memory."""
    try:
        yield
    except kind as error:
        what = f"engine {engine!r} failed on {device!r} ({' '.join(str(error).split())[:120]})"
        raise RunirError(f"{what}; use --device cpu, or another --engine") from error


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


class _Sharing:
    """What a network with CSA Blocks takes beside the tile: statistics for channel attention, and whether to use them
    (see `runir.models.run.RUN.restore_sharing`)."""

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Shapes: of the network's inputs; one: it takes no statistics. size: how many it takes."""
        self.size = shapes[1][1] if len(shapes) > 1 else 0
        self._none = np.zeros((1, self.size), np.float32)
        self._own, self._given = (np.full((1, 1), share, np.float32) for share in (0, 1))

    def inputs(self, statistics: Statistics | None) -> tuple[Statistics, ...]:
        """The further inputs."""
        if not self.size:
            return ()
        return (self._none, self._own) if statistics is None else (statistics, self._given)


class OpenVINOEngine:
    """OpenVINO; one compiled model, one request."""

    name = "openvino"

    def __init__(self, model: Model | ForeignModel, threads: int, precision: Precision, device: str = "cpu") -> None:
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
        network = model.for_openvino() if isinstance(model, ForeignModel) else core.read_model(model.checked_onnx())
        # OpenVINO gives the compiling thread a stack for signal handlers, and puts back the one before when the network
        # goes: after two networks have gone in the wrong order, Python's next signal (Ctrl-C) would meet a freed one.
        with ThreadPoolExecutor(1) as pool:
            self._compiled = pool.submit(core.compile_model, network, OPENVINO_DEVICES[device], options).result()
        self._request = self._compiled.create_infer_request()
        self._device = device
        self._sharing = _Sharing([tuple(i.get_shape()) for i in network.inputs])
        self._lock = threading.Lock()  # one request, one output tensor

    def __call__(self, tile: Tile, statistics: Statistics | None = None) -> Tile:
        """See Engine."""
        return self._run(tile, statistics, 0)

    def measure(self, tile: Tile) -> Statistics | None:
        """See Engine."""
        return self._run(tile, None, 1) if self._sharing.size else None

    def _run(self, tile: Tile, statistics: Statistics | None, output: int) -> Tile:
        with self._lock, _running(self.name, self._device):
            self._request.infer([tile, *self._sharing.inputs(statistics)])
            return np.array(self._request.get_output_tensor(output).data, np.float32)


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
        self._device = device
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._outputs = [node.name for node in self._session.get_outputs()]
        self._sharing = _Sharing([tuple(node.shape) for node in self._session.get_inputs()])

    def __call__(self, tile: Tile, statistics: Statistics | None = None) -> Tile:
        """See Engine."""
        return self._run(tile, statistics, 0)

    def measure(self, tile: Tile) -> Statistics | None:
        """See Engine."""
        return self._run(tile, None, 1) if self._sharing.size else None

    def _run(self, tile: Tile, statistics: Statistics | None, output: int) -> Tile:
        fed = dict(zip(self._inputs, (tile, *self._sharing.inputs(statistics)), strict=True))
        with _running(self.name, self._device, Exception):  # ONNX Runtime's errors have no other class in common
            return np.asarray(self._session.run([self._outputs[output]], fed)[0], np.float32)


class TorchEngine:
    """PyTorch (extra `train`), for validation: the network itself instead of its exported graph; and for the networks
    of others."""

    name = "torch"

    def __init__(self, model: Model | ForeignModel, threads: int, precision: Precision, device: str = "cpu") -> None:
        """Load the safetensors file. Raises UsageError without PyTorch, or for another precision than float32."""
        if precision == "bf16":
            raise UsageError("engine torch computes in f32 only; use --engine openvino for bf16")
        try:
            import torch

            from runir.models.load import load_network
        except ImportError as error:
            raise UsageError("engine torch is not installed: pip install 'runir[train]'") from error
        self._torch, self._threads = torch, threads
        self._network: Any = model.network if isinstance(model, ForeignModel) else load_network(model)
        size = getattr(self._network, "statistics", 0)
        self._sharing = _Sharing([(), (1, size), (1, 1)] if size else [()])
        self._lock = threading.Lock()

    def __call__(self, tile: Tile, statistics: Statistics | None = None) -> Tile:
        """See Engine."""
        return self._run(tile, statistics)[0]

    def measure(self, tile: Tile) -> Statistics | None:
        """See Engine."""
        return self._run(tile, None)[1] if self._sharing.size else None

    def _run(self, tile: Tile, statistics: Statistics | None) -> tuple[Tile, ...]:
        torch = self._torch
        fed = [torch.from_numpy(array) for array in (tile, *self._sharing.inputs(statistics))]
        with self._lock:
            before = torch.get_num_threads()  # a setting of the whole process: put back what the caller had
            torch.set_num_threads(self._threads)
            try:
                with torch.no_grad(), _running(self.name, "cpu"):
                    out = self._network.restore_sharing(*fed) if len(fed) > 1 else (self._network.restore(*fed),)
                return tuple(np.asarray(part.numpy(), np.float32) for part in out)
            finally:
                torch.set_num_threads(before)


ENGINES: dict[str, Callable[[Any, int, Precision, str], Engine]] = {
    "openvino": OpenVINOEngine,
    "onnxruntime": ONNXRuntimeEngine,
    "torch": TorchEngine,
}


def build_engine(
    name: str,
    model: Model | ForeignModel,
    threads: int | None = None,
    precision: Precision = "f32",
    device: str = "auto",
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
    choices = choose(model.engine(name) if isinstance(model, ForeignModel) else name, device)
    for choice in choices[:-1]:
        try:
            return _built(choice, model, threads, precision), choice.device
        except UsageError:
            continue  # such as a CUDA build without its libraries: the next best is as right, only slower
    return _built(choices[-1], model, threads, precision), choices[-1].device


def _built(choice: Choice, model: Model | ForeignModel, threads: int | None, precision: Precision) -> Engine:
    try:
        return ENGINES[choice.engine](model, threads or available_threads(), precision, choice.device)
    except RuntimeError as error:  # drivers
        what = f"engine {choice.engine!r} does not start on {choice.device!r} ({' '.join(str(error).split())[:120]})"
        raise UsageError(f"{what}; use --device cpu") from error
