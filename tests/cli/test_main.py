"""What all verbs have in common."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    "words", [["inspect", str(DATA / "house.webp")], ["models"], ["models", "--json"]], ids=" ".join
)
def test_when_nobody_reads_on_it_ends_in_silence(words: list[str]) -> None:
    """As in `runir models | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "runir", *words]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
