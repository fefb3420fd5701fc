"""Makes the pictures that ship: small clean ones for the tests, the noisy sample, and the README's before/after.

    python benchmarks/make_samples.py --photos DIR          # pictures (needs the training photos)
    python benchmarks/make_samples.py --strip               # docs/images/before_after.png, from samples/ alone

All come from held-out photographs (recipes/held_out.txt) under CC0 or in the public domain, see samples/SOURCES.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import runir
from runir.data.degrade import to_unit
from runir.data.pictures import load_rgb8
from runir.degradations import awgn

ROOT = Path(__file__).parents[1]
TEST_CROPS = {
    "hippo": ("ubuntumate-001.avif", (330, 250)),
    "house": ("budgie-006.avif", (60, 200)),
    "flowers": ("immich-001.avif", (200, 60)),
}
SAMPLE = ("immich-001.avif", (16, 200, 496, 600))
SIGMA = 25


def make_pictures(photos: Path) -> None:
    for name, (file, (left, top)) in TEST_CROPS.items():
        crop = Image.fromarray(load_rgb8(photos / file)).crop((left, top, left + 240, top + 240))
        crop.save(ROOT / "tests" / "data" / f"{name}.webp", lossless=True, quality=100, method=6)
    clean = to_unit(np.asarray(Image.fromarray(load_rgb8(photos / SAMPLE[0])).crop(SAMPLE[1])))
    noisy = awgn(clean, SIGMA, np.random.default_rng(0))
    pixels = np.floor(noisy.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(pixels).save(ROOT / "samples" / "noisy.png", optimize=True)


def make_strip() -> None:
    noisy = to_unit(np.asarray(Image.open(ROOT / "samples" / "noisy.png")))
    restored = runir.restore(noisy, task="denoise")
    left, top, width, height = 30, 40, 420, 330
    panels = []
    for title, picture in (("before", noisy), ("after: runir restore", restored)):
        pixels = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        panel = Image.fromarray(pixels).crop((left, top, left + width, top + height))
        draw = ImageDraw.Draw(panel)
        draw.rectangle((0, 0, 14 + draw.textlength(title, font_size=15), 22), fill=(0, 0, 0))
        draw.text((7, 3), title, fill=(255, 255, 255), font_size=15)
        panels.append(panel)
    strip = Image.new("RGB", (2 * width + 6, height), (255, 255, 255))
    for index, panel in enumerate(panels):
        strip.paste(panel, (index * (width + 6), 0))
    strip.save(ROOT / "docs" / "images" / "before_after.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--strip", action="store_true")
    options = parser.parse_args()
    if options.photos:
        make_pictures(options.photos)
    if options.strip:
        make_strip()


if __name__ == "__main__":
    main()
