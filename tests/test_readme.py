"""The README's commands, run as they stand (the two installs are run by .ci/run in fresh environments)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, path: Path = ROOT / "README.md") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("runir ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "samples", tmp_path / "samples", ignore=shutil.ignore_patterns("*.restored.*"))
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "photos").mkdir()
    for path in (ROOT / "tests/data").glob("*.webp"):
        shutil.copy(path, tmp_path / "photos")
    return tmp_path


def test_the_first_screen_has_the_two_commands() -> None:
    first, second = blocks("sh")[:2]
    assert "runir restore samples/" in first
    assert "pytest" in second
    assert TEXT.index("![") < TEXT.index(first)


@pytest.mark.parametrize("command", [c for c in commands() if "train" not in c])
def test_commands_run(command: str, folder: Path) -> None:
    words = command.split("#")[0].split()
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    if "restore samples/rainy" in command:
        assert "found rain" in done.stdout


@pytest.mark.parametrize("command", [c for c in commands() if "train" in c])
def test_training_commands_start(command: str, folder: Path) -> None:
    words = command.split("#")[0].split()
    quick = ["--set", "schedule.steps=2", "--set", "schedule.phases=[{share = 1, batch = 1, patch = 16}]"]
    done = subprocess.run(
        [sys.executable, "-m", *words, *quick, "--set", "data.held_out='../none.txt'"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (folder / "recipes" / "none.txt").touch()
    assert done.returncode == 2
    assert "none.txt: no such file" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", *words, *quick, "--set", "data.held_out='../none.txt'"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "step 2/2" in done.stdout


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: str, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
        if not link.startswith(("http:", "https:")):
            assert (path.parent / link).exists(), link
