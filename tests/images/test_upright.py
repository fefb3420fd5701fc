"""Pictures turned upright: in memory, and by way of a file where they are large."""

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from runir.batch.steps import is_full
from runir.errors import RunirError
from runir.images import open_picture, upright


def noise(height: int, width: int) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 65536, (height, width, 3), np.uint16)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("limit", [0, 1 << 27])
def test_turned_pictures_in_memory_and_by_way_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int, limit: int
) -> None:
    monkeypatch.setattr(upright, "IN_MEMORY", limit)
    monkeypatch.setattr(upright, "_STRIP", 4000)
    samples = noise(61, 47)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    expected = upright.turn(samples, orientation)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_picture(path, scratch=scratch) as reader:
        assert (reader.info.height, reader.info.width) == expected.shape[:2]
        parts = [reader.rows(t, min(t + 17, reader.info.height))[0] for t in range(0, reader.info.height, 17)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
        small = reader.reduced(10)
    assert list(scratch.iterdir()) == []
    factor = -(-61 // 10)
    full = expected[: 6 * factor, : 6 * factor] / 65535
    assert np.isfinite(small).all()
    if orientation == 1:
        blocks = full.reshape(6, factor, 6, factor, 3).mean((1, 3))
        np.testing.assert_allclose(small[:6, :6], blocks, atol=1e-5)


class FullFile(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fault", ["full", "no folder"])
def test_no_room_to_turn_is_not_blamed_on_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(upright, "IN_MEMORY", 0)
    path, scratch = tmp_path / "a.tif", tmp_path / "scratch"
    tifffile.imwrite(path, noise(61, 47), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    if fault == "full":
        scratch.mkdir()
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FullFile())
    why = "No space left on device" if fault == "full" else "No such file or directory"
    said = rf"a\.tif: cannot be turned upright in {scratch} \({why}\); set TMPDIR to a folder with 0\.1 GB free$"
    with open_picture(path, scratch=scratch) as reader, pytest.raises(RunirError, match=said) as caught:
        reader.rows(0, 10)
    assert not is_full(caught.value)  # a run over a folder would end
