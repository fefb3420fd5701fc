"""Makes the test set "Kodak24-shake": Kodak24 blurred by camera shake, once, as 8-bit PNG files.

    python benchmarks/make_blur_set.py --kodak24 DIR --out DIR

Picture k (by file name) is blurred with numpy.random.default_rng(2024 + k): one trajectory of 15 to 31 pixels, no roll,
no moving objects, in linear light without saturated highlights, then Gaussian noise of sigma 2 on the sRGB picture,
clipped and rounded. OUT gets input/ and target/; an OUT that exists is refused, since a test set is made once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from runir.degradations import parse_degradation
from runir.evaluation import picture_files
from runir.images import read_picture

SPEC = "blur:size=15-31,sigma=2,shot=0,rolling=0,objects=0,highlights=1,encoded=0"
SEED = 2024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak24", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} exists; a test set is made once")
    blur = parse_degradation(SPEC)
    files = picture_files(options.kodak24)
    work = options.out.with_name(f"{options.out.name}.part")
    for side in ("input", "target"):
        (work / side).mkdir(parents=True, exist_ok=True)
    for k, path in enumerate(files):
        clean = read_picture(path).pixels
        for side, pixels in (("input", blur.apply(clean, np.random.default_rng(SEED + k))), ("target", clean)):
            levels = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
            Image.fromarray(levels).save(work / side / f"{path.stem}.png")
    work.rename(options.out)
    print(f"{options.out}: {len(files)} pairs, {SPEC}, seed {SEED}")


if __name__ == "__main__":
    main()
