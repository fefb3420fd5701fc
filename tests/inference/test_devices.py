"""Which engine runs where, with the hardware faked."""

import numpy as np
import pytest

from runir.errors import UsageError
from runir.inference import devices
from runir.inference.devices import Choice, choose
from runir.inference.engines import build_engine
from runir.weights import find_model

CPU = ["CPUExecutionProvider"]
CUDA = ["CUDAExecutionProvider", *CPU]
DML = ["DmlExecutionProvider", *CPU]
COREML = ["CoreMLExecutionProvider", *CPU]


def fake(monkeypatch: pytest.MonkeyPatch, providers: list[str], openvino: list[str]) -> None:
    monkeypatch.setattr(devices, "onnxruntime_providers", lambda: providers)
    monkeypatch.setattr(devices, "openvino_devices", lambda: openvino)


@pytest.mark.parametrize(
    ("providers", "openvino", "asked", "got"),
    [
        ([], ["CPU"], ("auto", "auto"), ("openvino", "cpu")),
        (CPU, ["CPU", "GPU"], ("auto", "auto"), ("openvino", "cpu")),  # an integrated GPU only on request
        (CUDA, ["CPU"], ("auto", "auto"), ("onnxruntime", "cuda")),
        (DML, ["CPU"], ("auto", "auto"), ("onnxruntime", "directml")),
        (COREML, ["CPU"], ("auto", "auto"), ("openvino", "cpu")),  # every build for macOS has it
        (COREML, ["CPU"], ("auto", "gpu"), ("onnxruntime", "coreml")),
        (COREML, ["CPU"], ("auto", "coreml"), ("onnxruntime", "coreml")),
        (CUDA, ["CPU"], ("auto", "cpu"), ("openvino", "cpu")),
        (CUDA, ["CPU"], ("openvino", "auto"), ("openvino", "cpu")),
        (CUDA, ["CPU"], ("onnxruntime", "cpu"), ("onnxruntime", "cpu")),
        (CPU, ["CPU"], ("onnxruntime", "auto"), ("onnxruntime", "cpu")),
        (CUDA, ["CPU", "GPU.0"], ("auto", "gpu"), ("openvino", "gpu")),
        (CUDA, ["CPU"], ("auto", "gpu"), ("onnxruntime", "cuda")),
        (CPU, ["CPU", "NPU"], ("auto", "npu"), ("openvino", "npu")),
        (CUDA, ["CPU"], ("torch", "auto"), ("torch", "cpu")),
    ],
)
def test_the_best_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
    providers: list[str],
    openvino: list[str],
    asked: tuple[str, str],
    got: tuple[str, str],
) -> None:
    fake(monkeypatch, providers, openvino)
    assert choose(*asked)[0] == Choice(*got)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("auto", "cuda"), "not available"),
        (("onnxruntime", "coreml"), "not available"),
        (("openvino", "cuda"), "not available"),
        (("auto", "gpu"), "not available"),
        (("openvino", "npu"), "not available"),
        (("torch", "gpu"), "not available"),
        (("auto", "cdua"), "did you mean 'cuda'"),
        (("opnvino", "auto"), "did you mean 'openvino'"),
    ],
)
def test_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, asked: tuple[str, str], words: str) -> None:
    fake(monkeypatch, CPU, ["CPU"])
    with pytest.raises(UsageError, match=words):
        choose(*asked)


def test_a_gpu_build_that_does_not_start_is_an_error_if_asked_for_and_passed_over_if_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Really ONNX Runtime's CPU build, which has no CUDA, told that it had."""
    model = find_model("run-t.denoise")
    fake(monkeypatch, CUDA, ["CPU"])
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(UsageError, match="does not start"):
        build_engine("onnxruntime", model, device="cuda")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        engine, device = build_engine("auto", model)
    assert (engine.name, device) == ("openvino", "cpu")
    assert engine(np.zeros((1, 3, 512, 512), np.float32)).shape == (1, 3, 512, 512)
