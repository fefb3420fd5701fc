"""docs/benchmark.md: its commands run, and its names are those of the program."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runir.benchmark.classical import CLASSICAL
from runir.benchmark.peers import PEERS
from runir.inference.foreign import CHECKPOINTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
COMMANDS = [
    line.split("#")[0].split() for b in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in b.splitlines()
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_run(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(ROOT / "tests/data/house.webp", tmp_path / "photos")
    quick = ["--only", "--model", "run-t.derain" if "rain" in words else "run-t.denoise"]
    done = subprocess.run(
        [sys.executable, "-m", *words, *quick], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ("rain" if "rain" in words else "benchmark") / "benchmark.csv").is_file()


def test_all_names_are_listed() -> None:
    named = set(re.findall(r"`([^`]+)`", "".join(line for line in TEXT.splitlines() if line.startswith("| `"))))
    assert {*CLASSICAL, *PEERS, *(f"FILE{ending}" for ending in CHECKPOINTS)} <= named
    assert "non-commercial" in next(line for line in TEXT.splitlines() if line.startswith("| `bm3d`"))
