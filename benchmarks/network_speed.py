"""Time of the shipped networks per megapixel, against a network of FFDNet's shape, in one run.

    python benchmarks/network_speed.py [--threads 2] [--json FILE] [--network "ssa48x1/1 conv64x3/3 csa128x4h4"]

FFDNet's shape (Zhang, Zuo, Zhang, TIP 2018, colour): pixel-unshuffle by 2 with a noise map (15 channels), 12 dense
3x3 convolutions with 96 channels and ReLU, pixel-shuffle; 0.85M parameters, random weights. Every network runs in
OpenVINO in float32 on its tile; rounds alternate between the networks, medians count. --network adds one with random
weights: per level, from the top, operator, width, x blocks down / blocks up, h heads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runir.models.complexity import macs_per_pixel
from runir.models.config import RUNConfig
from runir.models.export import trace
from runir.models.run import RUN
from runir.weights import list_models

REFERENCE = "FFDNet's shape"


class FFDNetShape(nn.Module):
    """The arithmetic of FFDNet for colour; picture in, picture out (a constant noise map is joined inside)."""

    def __init__(self, width: int = 96, depth: int = 12) -> None:
        super().__init__()
        widths = [15, *[width] * (depth - 1), 12]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_unshuffle(x, 2)
        y = torch.cat((y, torch.full_like(y[:, :3], 0.1)), 1)
        for layer in self.layers[:-1]:
            y = F.relu(layer(y))
        return F.pixel_shuffle(self.layers[-1](y), 2)


def compile_network(source: bytes, threads: int, precision: str) -> Callable[[], Any]:
    """What runs the network on one tile; shipped ones go by the tile's own statistics."""
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    core = ov.Core()
    request = core.compile_model(core.read_model(source), "CPU", options).create_infer_request()
    shown, *others = (tuple(node.shape) for node in request.model_inputs)
    fed = [np.random.default_rng(0).random(shown, np.float32), *(np.zeros(shape, np.float32) for shape in others)]
    return lambda: request.infer(fed)


def as_onnx(network: nn.Module, tile: int) -> bytes:
    data: bytes = trace(network, tile).SerializeToString()
    return data


def measure(sources: dict[str, tuple[bytes, int]], threads: int, precision: str, rounds: int) -> dict[str, float]:
    """Median seconds per megapixel of each network; sources: name -> (ONNX, tile)."""
    run = {name: compile_network(source, threads, precision) for name, (source, _) in sources.items()}
    times: dict[str, list[float]] = {name: [] for name in sources}
    for round_ in range(rounds + 2):
        for name, (_, tile) in sources.items():
            begun = time.perf_counter()
            run[name]()
            if round_ >= 2:
                times[name].append((time.perf_counter() - begun) / tile**2 * 1e6)
    return {name: float(np.median(values)) for name, values in times.items()}


def network(text: str) -> RUN:
    """A RUN with random weights from text such as "ssa48x1/1 conv64x3/3 csa128x4h4"."""
    levels = []
    for part in text.split():
        found = re.fullmatch(r"(ssa|conv|csa)(\d+)x(\d+)(?:/(\d+))?(?:h(\d+))?", part)
        if found is None:
            raise SystemExit(f"--network: cannot read {part!r}; write as in ssa48x1/1")
        operator, width, down, up, heads = found.groups()
        level = {"operator": operator, "width": int(width), "encoder": int(down)}
        levels.append(level | {"decoder": int(up or 0), "heads": int(heads or 1)})
    torch.manual_seed(0)
    return RUN(RUNConfig.from_dict({"levels": levels}))


def speed_rows(threads: int, rounds: int = 15, extra: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per shipped model, the reference and each extra network: seconds per megapixel in f32 and bf16, ratio to
    the reference."""
    reference = FFDNetShape()
    sources = {REFERENCE: (as_onnx(reference, 512), 512)}
    macs = {REFERENCE: macs_per_pixel(reference)}
    for text in extra:
        sources[text], macs[text] = (as_onnx(network(text), 512), 512), macs_per_pixel(network(text))
    for model in list_models():
        sources[model.card.name] = (model.checked_onnx(), model.card.tile)
        macs[model.card.name] = float(model.card.macs_per_pixel)
    f32, bf16 = (measure(sources, threads, precision, rounds) for precision in ("f32", "bf16"))
    return [
        {
            "network": name,
            "macs_per_pixel": round(macs[name]),
            "f32_s_per_mpx": f32[name],
            "f32_ratio": f32[name] / f32[REFERENCE],
            "bf16_s_per_mpx": bf16[name],
            "bf16_ratio": bf16[name] / bf16[REFERENCE],
        }
        for name in sources
    ]


def print_rows(rows: list[dict[str, Any]], threads: int) -> None:
    print(f"OpenVINO {ov.__version__.split('-')[0]}, {threads} threads, medians, seconds per megapixel")
    column = max(18, *(len(row["network"]) + 2 for row in rows))
    print(f"{'network':<{column}}{'MACs/px':>9}{'f32':>8}{'ratio':>8}{'bf16':>8}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['network']:<{column}}{row['macs_per_pixel']:>9,}{row['f32_s_per_mpx']:>8.3f}{row['f32_ratio']:>7.3f}x"
            f"{row['bf16_s_per_mpx']:>8.3f}{row['bf16_ratio']:>7.3f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--network", action="append", default=[], metavar="SPEC")
    options = parser.parse_args()
    rows = speed_rows(options.threads, options.rounds, options.network)
    print_rows(rows, options.threads)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
