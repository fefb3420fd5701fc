"""Options that several verbs share."""

from __future__ import annotations

import argparse

from runir.inference import Restorer


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """--engine, --precision, --threads."""
    parser.add_argument("--engine", default="openvino", help="openvino (default), onnxruntime or torch")
    parser.add_argument("--precision", default="f32", help="f32 (default), bf16, or auto (the engine's choice)")
    parser.add_argument("--threads", type=int, metavar="N", help="processors to use (default: all it may use)")


def build_restorer(model: str, options: argparse.Namespace) -> Restorer:
    """A Restorer as these options say."""
    return Restorer(model, engine=options.engine, precision=options.precision, threads=options.threads)
