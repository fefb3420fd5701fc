"""`runir inspect FILE`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.cli.main import main
from runir.degradations import awgn
from runir.images import read_picture

DATA = Path(__file__).parents[1] / "data"


def out(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    pixels = awgn(read_picture(DATA / "house.webp").pixels, 20, np.random.default_rng(0))
    Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)).save(tmp_path / "noisy.png")
    return tmp_path / "noisy.png"


def test_findings_one_line_each_and_what_auto_would_do(capsys: pytest.CaptureFixture[str], noisy: Path) -> None:
    lines = out(capsys, "inspect", noisy).splitlines()
    assert lines[0] == f"{noisy}  (240 x 240)"
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["noise", "FOUND"],
        ["darkness", "no"],
        ["blur", "no"],
        ["rain", "no"],
    ]
    assert "of 255" in lines[1]
    assert lines[5:] == ["restore --task auto: denoise"]
    assert out(capsys, "inspect", DATA / "house.webp").splitlines()[-1] == "restore --task auto: leaves it alone"


def test_json(capsys: pytest.CaptureFixture[str], noisy: Path) -> None:
    shown = json.loads(out(capsys, "inspect", noisy, "--json"))
    assert (shown["input"], shown["width"], shown["height"]) == (str(noisy), 240, 240)
    assert shown["findings"]["noise"]["sigma"] == pytest.approx(20, rel=0.15)
    assert [step["task"] for step in shown["tasks"]] == ["denoise"]
    assert shown["tasks"][0]["reason"].startswith("noise: sigma about")


def test_wrong_files_are_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for path, code in ((tmp_path / "none.png", 2), (tmp_path, 2), (tmp_path / "text.png", 1)):
        assert main(["inspect", str(path)]) == code
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(path) in error


def test_the_file_is_not_touched(capsys: pytest.CaptureFixture[str], noisy: Path) -> None:
    before = noisy.read_bytes()
    out(capsys, "inspect", noisy)
    assert noisy.read_bytes() == before
    assert list(noisy.parent.iterdir()) == [noisy]


def test_the_commands_of_the_manual_work(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    blocks = (root / "docs" / "inspection.md").read_text("utf-8").split("```")[1::2]
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("runir ")]
    assert len(commands) >= 2
    for command in commands:
        assert "denoise" in out(capsys, *command.split()[1:])
