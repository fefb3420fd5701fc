"""Time of the shipped networks against NAFNet width 32 (random weights), both in OpenVINO in one run.

Runs in an environment of its own, since spandrel needs torchvision:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install . spandrel torch torchvision onnx onnxscript
    /tmp/peers/bin/python benchmarks/nafnet_time.py [--threads 2]

NAFNet: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022; the width-32 denoising layout (encoder 2, 2,
4, 8, middle 12, decoder 2, 2, 2, 2), as built by the package `spandrel`.
"""

from __future__ import annotations

import argparse
import os

from spandrel.architectures.NAFNet import NAFNet

from network_speed import as_onnx, measure
from runir.weights import list_models

MUST = {"run-s.denoise": 0.15}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    peer = NAFNet(img_channel=3, width=32, middle_blk_num=12, enc_blk_nums=[2, 2, 4, 8], dec_blk_nums=[2, 2, 2, 2])
    name = "NAFNet width 32"
    sources = {name: (as_onnx(peer, 512), 512)}
    sources |= {model.card.name: (model.checked_onnx(), model.card.tile) for model in list_models()}
    seconds = measure(sources, options.threads, "f32", options.rounds)
    print(f"{os.cpu_count()} cores, {options.threads} threads, OpenVINO f32, seconds per megapixel, ratio to {name}")
    for row, value in seconds.items():
        ratio = value / seconds[name]
        must = MUST.get(row)
        verdict = "" if must is None else f"   must {must}: {'met' if ratio <= must else 'MISSED'}"
        print(f"{row:<18}{value:8.3f}{ratio:8.3f}x{verdict}")


if __name__ == "__main__":
    main()
