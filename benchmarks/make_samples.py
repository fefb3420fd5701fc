"""Makes the pictures that ship: small clean ones for the tests, the samples, and the manual's before/after pictures.

    python benchmarks/make_samples.py --photos DIR          # pictures (needs the training photos)
    python benchmarks/make_samples.py --strips              # docs/images/TASK.webp, from samples/ alone

All come from held-out photographs (recipes/held_out.txt) under CC0 or in the public domain, see samples/SOURCES.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import runir
from runir.data.degrade import to_unit
from runir.data.pictures import load_rgb8
from runir.degradations import parse_degradation
from runir.inference.compare import compare

ROOT = Path(__file__).parents[1]
TEST_CROPS = {
    "hippo": ("ubuntumate-001.avif", (330, 250)),
    "house": ("budgie-006.avif", (60, 200)),
    "flowers": ("immich-001.avif", (200, 60)),
}
SIZE = (480, 400)
# file name: photograph, left and top corner, degradation, seed, task
SAMPLES = {
    "noisy.png": ("immich-001.avif", (16, 200), "awgn:25", 0, "denoise"),
    "dark.png": ("endless-041.avif", (0, 104), "lowlight:exposure=0.03,shot=0.0003", 0, "lowlight"),
    "rainy.jpg": ("ubuntumate-001.avif", (150, 100), "rain:heavy=0.5,dry=0", 1, "derain"),
    "shaken.jpg": ("budgie-029.avif", (80, 40), "blur:size=7,rolling=0,objects=0", 2, "deblur"),
    "camera.jpg": ("endless-051.avif", (100, 60), "camera:shot=0.006", 0, "photo"),
}


def clean_part(photos: Path, file: str, corner: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    left, top = corner
    return Image.fromarray(load_rgb8(photos / file)).crop((left, top, left + size[0], top + size[1]))


def make_pictures(photos: Path) -> None:
    for name, (file, corner) in TEST_CROPS.items():
        crop = clean_part(photos, file, corner, (240, 240))
        crop.save(ROOT / "tests" / "data" / f"{name}.webp", lossless=True, quality=100, method=6)
    for name, (file, corner, degradation, seed, _) in SAMPLES.items():
        clean = to_unit(np.asarray(clean_part(photos, file, corner, SIZE)))
        degraded = parse_degradation(degradation).apply(clean, np.random.default_rng(seed))
        pixels = np.floor(degraded.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        Image.fromarray(pixels).save(ROOT / "samples" / name, optimize=True, quality=95)


def make_strips() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, (*_, task) in SAMPLES.items():
            sample = ROOT / "samples" / name
            restored = runir.restore(sample, task=task, output=Path(folder) / f"{task}.png")
            compare(sample, restored, ROOT / "docs" / "images" / f"{task}.webp", style="side", overwrite=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--strips", action="store_true")
    options = parser.parse_args()
    if options.photos:
        make_pictures(options.photos)
    if options.strips:
        make_strips()


if __name__ == "__main__":
    main()
