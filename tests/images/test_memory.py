"""Large pictures pass through in a few rows: what the process needs does not grow with the picture."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import runir.errors

SOURCES = Path(runir.errors.__file__).parents[1]
COPY = """
import pathlib, resource, sys
from runir.images import create_picture, open_picture
with open_picture(sys.argv[1]) as reader, create_picture(sys.argv[2], reader.info) as writer:
    for top in range(0, reader.info.height, 128):
        writer.write(*reader.rows(top, min(reader.info.height, top + 128)))
status = pathlib.Path("/proc/self/status")
if status.exists():  # Linux, where the other figure goes back to before exec, to the process that started this one
    print(*(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def megabytes_to_copy(source: Path, target: Path) -> int:
    """The peak memory of a fresh process that reads `source` and writes `target`."""
    done = subprocess.run(
        [sys.executable, "-c", COPY, str(source), str(target)],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return int(done.stdout) // 1024


def strips(path: Path, height: int, width: int, **options: Any) -> NDArray[np.uint16]:
    """Write 16-bit RGB in strips of 250 rows that are all alike; return such a strip."""
    strip: NDArray[np.uint16] = np.zeros((250, width, 3), np.uint16)
    strip[..., 0] = np.add.outer(np.arange(250) * 50, np.arange(width) * 3)
    strip[..., 1] = strip[..., 0][:, ::-1]
    shape = (height, width, 3)
    tifffile.imwrite(
        path, (strip for _ in range(height // 250)), shape=shape, dtype=np.uint16, rowsperstrip=250, photometric="rgb",
        **options,
    )  # fmt: skip
    return strip


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_24_megapixels_of_16_bit(tmp_path: Path, ending: str) -> None:
    """144 MB of raw samples."""
    strip = strips(tmp_path / "a.tif", 4000, 6000)
    assert megabytes_to_copy(tmp_path / "a.tif", tmp_path / f"b.{ending}") < 140
    if ending == "tif":
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif")[1000:1250], strip)


@pytest.mark.slow
@pytest.mark.parametrize("orientation", [1, 6])
def test_200_megapixels_of_16_bit(tmp_path: Path, orientation: int) -> None:
    """1.2 GB of raw samples; turned by way of a file."""
    strips(tmp_path / "a.tif", 10_000, 20_000, extratags=[(274, "H", 1, orientation, True)])
    assert megabytes_to_copy(tmp_path / "a.tif", tmp_path / "b.tif") < 250


@pytest.mark.slow
def test_a_gigapixel_of_tiles(tmp_path: Path) -> None:
    tile = (np.add.outer(np.arange(256), np.arange(256))[..., None].repeat(3, 2) // 2).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", (tile for _ in range(128 * 128)), shape=(32768, 32768, 3), dtype=np.uint8,
        tile=(256, 256), compression="zlib", photometric="rgb",
    )  # fmt: skip
    assert megabytes_to_copy(tmp_path / "a.tif", tmp_path / "b.tif") < 300
