"""What arithmetic alone undoes of camera shake: the guides of runir.deconvolution, without a network.

    python benchmarks/guides.py --data DIR [--data DIR] --held-out recipes/held_out.txt [--count 20]

Held-out pictures (central 448 x 448 pixels, gray) are blurred by trajectories of 9 to 31 pixels, every third in
sRGB-encoded values and the others in linear light, with noise of sigma 2, rounded to 8 bit. Scored is the better of the
guides (it is a bound: nobody tells which one is better) by protocol `shift`, with the kernel that was found and with
the true one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.data.degrade import GRAY, to_unit
from runir.data.pictures import find_pictures, load_all, read_name_list, split_held_out
from runir.deconvolution import GuideMaker, estimate_kernel
from runir.degradations import MotionBlur, motion_blur
from runir.degradations.kernels import draw_path, shake_path
from runir.evaluation import psnr
from runir.evaluation.protocols import get_protocol

Array = NDArray[np.float32]
SIDE = 448
SIZES = (9.0, 31.0)
SIGMA = 2.0


def centre(picture: NDArray[np.uint8]) -> Array:
    """Gray, H x W x 1 in [0, 1]."""
    top, left = (max(0, (side - SIDE) // 2) for side in picture.shape[:2])
    part = picture[top : top + SIDE, left : left + SIDE]
    return to_unit(part) @ GRAY


def shaken(clean: Array, index: int) -> tuple[Array, Array]:
    """(blurred, its kernel)."""
    size = float(np.random.default_rng((index, 1)).uniform(*SIZES))
    params = MotionBlur(size, linear=index % 3 != 0, sigma=SIGMA)
    blurred = motion_blur(clean, params, np.random.default_rng(index))
    path = shake_path(np.random.default_rng(index), shake=params.shake, pull=params.pull, jerks=params.jerks)
    return np.asarray(np.rint(blurred * 255) / 255, np.float32), draw_path(path * size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    files = split_held_out(find_pictures(options.data), read_name_list(options.held_out))[1][: options.count]
    protocol, rows, seconds = get_protocol("shift"), [], 0.0
    for index, (file, picture) in enumerate(zip(files, load_all(files), strict=True)):
        clean = centre(picture)
        blurred, true = shaken(clean, index)
        begun = time.perf_counter()
        found = estimate_kernel([blurred])
        seconds += time.perf_counter() - begun
        score = [psnr(*protocol.planes(blurred, clean))]
        for kernel in (found, true):
            guides = GuideMaker(kernel)(blurred).clip(0, 1)
            score.append(max(psnr(*protocol.planes(guides[..., [k]], clean)) for k in range(guides.shape[2])))
        rows.append(score)
        print(f"{file.name[:30]:<32}{score[0]:6.2f}" + "".join(f"{s - score[0]:+7.2f}" for s in score[1:]), flush=True)
    mean = np.mean(rows, axis=0)
    print(f"{len(rows)} pictures: input {mean[0]:.2f} dB, kernel found {mean[1] - mean[0]:+.2f}, "
          f"true kernel {mean[2] - mean[0]:+.2f}; {seconds / len(rows):.2f} s to find one (1 thread)")  # fmt: skip


if __name__ == "__main__":
    main()
