"""docs/data.md: its tables say what the program knows, and its commands run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import trees
from runir.data.catalogue import DATA_SETS
from runir.evaluation import PROTOCOLS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "data.md"


def data_set_rows() -> list[str]:
    rows = []
    for one in DATA_SETS.values():
        parts = ", ".join(f"{part.name} {'?' if part.count is None else f'{part.count:,}'}" for part in one.parts)
        rows.append(
            f"| `{one.name}` | [{one.title}]({one.page}), {one.source} | {one.task} | {parts} | {one.licence} |"
        )
    return rows


def protocol_rows() -> list[str]:
    rows = []
    for one in PROTOCOLS.values():
        more = [text for text in (one.adaptation, one.crop) if text != "none"]
        rounding = "8 bit" if one.rounded else "none"
        rows.append(
            f"| `{one.name}` | `{one.hash}` | {one.source}; colour: {one.colour} | {rounding} | {'; '.join(more)} |"
        )
    return rows


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("rows", [data_set_rows, protocol_rows])
def test_tables_are_true(rows) -> None:  # type: ignore[no-untyped-def]
    lines = PAGE.read_text("utf-8").splitlines()
    expected = rows()
    begin = lines.index(expected[0])
    assert lines[begin : begin + len(expected)] == expected
    assert lines[begin + len(expected)] == ""


def test_commands_run_in_this_order(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    sets = tmp_path / "sets"
    trees.kodak24(sets)
    trees.gopro(sets)
    trees.rain13k(sets)
    trees.write(sets / "McMaster" / "1.tif")
    quick = ["--set", "schedule.steps=2", "--set", "schedule.phases=[{share = 1, batch = 1, patch = 16}]"]
    assert len(commands()) == 9
    for command in commands():
        words = command.split() + (quick if " train " in command else [])
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout
    assert (tmp_path / "gopro.store" / "index.json").exists()
    assert (tmp_path / "scores.csv").read_text().count("\n") == 3
