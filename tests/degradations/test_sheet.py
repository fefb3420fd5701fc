"""Each degradation still looks as on the contact sheet that a person has looked at (sheet.webp)."""

import numpy as np
import pytest
from PIL import Image

import sheet


@pytest.mark.parametrize("row", range(len(sheet.SPECS)), ids=sheet.SPECS)
def test_it_looks_as_it_did(row: int) -> None:
    kept, drawn = np.asarray(Image.open(sheet.SHEET).convert("RGB"), np.int16), sheet.draw().astype(np.int16)
    rows = slice(row * sheet.SIDE, (row + 1) * sheet.SIDE)
    assert kept.shape == drawn.shape
    # Other versions of NumPy and libjpeg may round otherwise.
    assert np.abs(kept[rows] - drawn[rows]).mean() < 0.5
