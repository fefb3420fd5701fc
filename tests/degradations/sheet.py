"""A contact sheet of all degradations, to look at: `python tests/degradations/sheet.py` writes it anew.

One row per degradation, one column per draw, the clean picture in front. `test_sheet.py` holds the code to it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runir.degradations import parse_degradation
from runir.images import read_picture

DATA = Path(__file__).parents[1] / "data"
SHEET = Path(__file__).with_suffix(".webp")
SIDE, DRAWS = 80, 4
SPECS = (
    "awgn:25",
    "camera",
    "blur:size=9-15,rolling=0,objects=0,sigma=0",  # camera shake
    "blur:size=15-31,rolling=1,objects=0",  # and roll: the kernel changes from place to place
    "blur:size=9-21,rolling=0,objects=1",  # and something that moves by itself
    "rain:heavy=0,dry=0",
    "rain:heavy=1,dry=0,smeared=0",
    "rain:heavy=1,dry=0,smeared=1",
    "rain:heavy=1,dry=0,smeared=0,sharp=1",
    "rain:heavy=1,dry=0,smeared=1,aligned=1,ramp=0.25-0.5,length=60-250",
    "lowlight",
)


def draw() -> NDArray[np.uint8]:
    """The sheet: rows of SIDE x SIDE pictures, H x W x 3."""
    picture = read_picture(DATA / "house.webp").pixels
    clean = picture[60 : 60 + SIDE, 80 : 80 + SIDE]
    rows = []
    for spec in SPECS:
        degradation = parse_degradation(spec)
        drawn = [degradation.apply(clean, np.random.default_rng(k)) for k in range(DRAWS)]
        rows.append(np.concatenate([clean, *drawn], axis=1))
    sheet: NDArray[np.uint8] = np.rint(np.concatenate(rows).clip(0, 1) * 255).astype(np.uint8)
    return sheet


if __name__ == "__main__":
    Image.fromarray(draw()).save(SHEET, lossless=True)
