"""Bad pictures leave no threads, open files or temporary files behind, whatever was being done to them."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.batch import restore_folder
from runir.batch.pictures import picture_worker


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where the system lists them")
@pytest.mark.parametrize("task", ["auto", "denoise"])
def test_truncated_pictures_are_let_go(tmp_path: Path, task: str) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for index in range(5):
        path = tmp_path / "in" / f"{index}.jpg"
        Image.fromarray(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:20_000])

    def held() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    worker = picture_worker(task=task, fast=True)
    before = held()
    summary = restore_folder(tmp_path / "in", tmp_path / "out", worker)
    assert summary.failed == 5
    after = held()
    assert after[0] <= before[0] + 1  # libvips keeps a worker of its own
    assert after[1] <= before[1] + 3
    assert list(tmp_path.rglob(".runir-*.tmp")) == []
