"""Options that several verbs share."""

from __future__ import annotations

import argparse

from runir.api import Kit
from runir.inference import Restorer


def add_engine_options(parser: argparse.ArgumentParser, precision: bool = True) -> None:
    """--engine, --device, --precision (unless it is always float32), --threads."""
    parser.add_argument("--engine", default="auto", help="auto (default), openvino, onnxruntime or torch")
    device = "auto (default), cpu, gpu or npu (Intel), cuda, directml or coreml (builds of ONNX Runtime)"
    parser.add_argument("--device", default="auto", help=device)
    if precision:
        parser.add_argument("--precision", default="f32", help="f32 (default), bf16, or auto (the engine's choice)")
    else:
        parser.set_defaults(precision="f32")
    parser.add_argument("--threads", type=int, metavar="N", help="processors to use (default: all it may use)")


def build_restorer(model: str, options: argparse.Namespace) -> Restorer:
    """A Restorer as these options say."""
    return build_kit(options).get([model])[0]


def build_kit(options: argparse.Namespace) -> Kit:
    """Restorers as these options say, made when they are needed."""
    return Kit(options.engine, options.device, options.precision, options.threads)
