"""int8 by post-training quantisation: is it worth it?

    pip install nncf
    python benchmarks/int8.py --kodak24 DIR [--model run-s.denoise] [--threads 2]

NNCF quantises the shipped network for OpenVINO, calibrated on the pictures that ship with the tests, with Gaussian
noise of sigma 0 to 55. Prints time per megapixel in f32, bf16 and int8 in one run (medians, rounds alternate), and PSNR
on Kodak24 at sigma 25. NNCF wants an environment of its own: it is no dependency of runir.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from runir.degradations import awgn, parse_degradation
from runir.evaluation import evaluate, get_protocol, picture_files
from runir.images import read_picture
from runir.inference import Restorer
from runir.inference.tiles import reflected
from runir.weights import Model, find_model

ROOT = Path(__file__).parents[1]
Tile = NDArray[np.float32]


def calibration(tile: int) -> list[Tile]:
    """Tiles of the shipped pictures, 1 x 3 x tile x tile, over the whole range of noise."""
    tiles = []
    for number, file in enumerate(picture_files(ROOT / "tests" / "data")):
        pixels = read_picture(file).pixels
        rows, columns = (reflected(0, tile, side) for side in pixels.shape[:2])
        clean = pixels[rows][:, columns]
        for sigma in (0, 5, 10, 15, 20, 25, 30, 40, 50, 55):
            noisy = awgn(clean, sigma, np.random.default_rng(number))
            tiles.append(np.ascontiguousarray(noisy.transpose(2, 0, 1)[None], np.float32))
    return tiles


def quantised(network: ov.Model, tile: int) -> ov.Model:
    others = [np.zeros(tuple(node.shape), np.float32) for node in network.inputs[1:]]
    tiles = calibration(tile)
    data = nncf.Dataset(tiles, lambda x: [x, *others])
    return nncf.quantize(network, data, preset=nncf.QuantizationPreset.MIXED, subset_size=len(tiles))


class Compiled:
    """A network as an engine of the Restorer."""

    name = "openvino"

    def __init__(self, network: ov.Model, threads: int, precision: str) -> None:
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
        options["PERFORMANCE_HINT"] = "LATENCY"
        self._request = ov.Core().compile_model(network, "CPU", options).create_infer_request()
        self._others = [np.zeros(tuple(node.shape), np.float32) for node in network.inputs[1:]]

    def __call__(self, tile: Tile, statistics: Any = None) -> Tile:
        self._request.infer([tile, *self._others])
        return np.array(self._request.get_output_tensor(0).data, np.float32)

    def measure(self, tile: Tile) -> None:
        return None


def seconds(engines: dict[str, Callable[[Tile], Tile]], tile: int, rounds: int = 9) -> dict[str, float]:
    x = np.random.default_rng(0).random((1, 3, tile, tile), np.float32)
    times: dict[str, list[float]] = {name: [] for name in engines}
    for index in range(rounds + 2):
        for name, engine in engines.items():
            begun = time.perf_counter()
            engine(x)
            if index >= 2:
                times[name].append((time.perf_counter() - begun) / tile**2 * 1e6)
    return {name: float(np.median(t)) for name, t in times.items()}


def quality(model: Model, engine: Compiled, kodak24: Path, threads: int) -> float:
    restorer = Restorer(model, threads=threads)
    restorer._engine = engine
    return evaluate(restorer, picture_files(kodak24), parse_degradation("awgn:25"), get_protocol("awgn-rgb")).psnr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak24", type=Path, required=True)
    parser.add_argument("--model", default="run-s.denoise")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = find_model(options.model)
    network = ov.Core().read_model(model.checked_onnx())
    engines = {precision: Compiled(network, options.threads, precision) for precision in ("f32", "bf16")}
    small = quantised(ov.Core().read_model(model.checked_onnx()), model.card.tile)
    engines |= {"int8": Compiled(small, options.threads, "f32"), "int8+bf16": Compiled(small, options.threads, "bf16")}
    times = seconds(dict(engines), model.card.tile)
    for name, engine in engines.items():
        psnr = quality(model, engine, options.kodak24, options.threads)
        print(
            f"{model.card.name:<16}{name:<10}{times[name]:.3f} s/Mpx  {times['f32'] / times[name]:.2f}x  {psnr:.3f} dB"
        )


if __name__ == "__main__":
    main()
