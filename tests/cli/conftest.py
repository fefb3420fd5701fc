"""What the tests of the command line share."""

from pathlib import Path

import numpy as np
import pytest

from runir.degradations import awgn
from runir.images import Picture, read_picture, write_picture

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    clean = read_picture(DATA / "hippo.webp").pixels
    path = tmp_path / "noisy.png"
    write_picture(Picture(awgn(clean, 25, np.random.default_rng(0))), path)
    return path
