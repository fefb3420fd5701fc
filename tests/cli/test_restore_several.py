"""`runir restore A B ... -o FOLDER`, and one picture into a folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.cli.main import main
from runir.degradations import awgn
from runir.images import Picture, read_picture, write_picture

DATA = Path(__file__).parents[1] / "data"
MODEL = ("--model", "run-t.denoise")


def run(*words: object) -> int:
    return main(["restore", *map(str, words), *MODEL])


def picture(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [picture(tmp_path / "in" / "a.jpg"), picture(tmp_path / "in" / "b.png", (31, 20))]


def test_each_lands_beside_its_original(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*two) == 0
    assert names(two[0].parent) == ["a.jpg", "a.restored.jpg", "b.png", "b.restored.png"]
    assert Image.open(two[1].with_name("b.restored.png")).size == (31, 20)
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        str(path.with_name(f"{path.stem}.restored{path.suffix}")) for path in two
    ]
    assert shown.err == ""


def test_each_lands_in_the_folder_under_its_own_name(two: list[Path], tmp_path: Path) -> None:
    assert run(*two, "-o", tmp_path / "new" / "deep") == 0
    assert names(tmp_path / "new" / "deep") == ["a.jpg", "b.png"]
    assert names(two[0].parent) == ["a.jpg", "b.png"]
    assert run(*two, "-o", tmp_path / "new", "--format", "tiff") == 0
    assert names(tmp_path / "new") == ["a.tif", "b.tif", "deep"]


def test_one_picture_goes_into_a_folder_that_is_there(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out.d").mkdir()
    assert run(two[0], "-o", tmp_path / "out.d") == 0
    assert run(two[0], "-o", tmp_path / "out.d", "--preview", "0,0,9,9") == 0
    assert names(tmp_path / "out.d") == ["a.jpg", "a.preview.jpg"]


def test_a_name_without_an_ending_is_that_of_a_new_folder(two: list[Path], tmp_path: Path) -> None:
    assert run(two[0], "-o", f"{tmp_path / 'new' / 'deep'}/") == 0
    assert run(two[0], "-o", tmp_path / "other", "--format", "png") == 0
    assert names(tmp_path / "new" / "deep") == ["a.jpg"]
    assert names(tmp_path / "other") == ["a.png"]


def test_in_its_own_folder_the_result_gets_the_usual_name(two: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two[0].parent)
    assert run("a.jpg", "-o", ".") == 0
    assert names(two[0].parent) == ["a.jpg", "a.restored.jpg", "b.png"]


def test_no_result_replaces_another_input(two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other" / two[0].name
    other.parent.mkdir()
    Image.open(two[0]).rotate(180).save(other)
    before = [path.read_bytes() for path in (two[0], other)]
    assert run(two[0], other, "-o", other.parent, "--overwrite") == 2
    assert "would replace another input" in capsys.readouterr().err
    assert [path.read_bytes() for path in (two[0], other)] == before


def test_a_bad_picture_does_not_stop_the_others(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    bad = two[0].with_name("aa.jpg")
    bad.write_bytes(two[0].read_bytes()[:200])
    missing = two[0].with_name("none.jpg")
    assert run(two[0], bad, missing, two[1]) == 1
    assert names(two[0].parent) == ["a.jpg", "a.restored.jpg", "aa.jpg", "b.png", "b.restored.png"]
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"runir: {bad}: ")
    assert second.startswith(f"runir: {missing}: no such file")
    assert last == "2 pictures restored, 2 failed"


def test_json_is_a_line_for_each_file(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    bad = two[0].with_name("none.jpg")
    assert run(two[0], bad, two[1], "--json") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["input"] for row in rows] == [str(two[0]), str(bad), str(two[1])]
    assert [row.get("width") for row in rows] == [40, None, 31]
    assert "no such file" in rows[1]["error"]


def test_existing_results_stay_unless_told(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    mine = two[0].with_name("a.restored.jpg")
    mine.write_text("mine")
    assert run(*two) == 1
    assert mine.read_text() == "mine"
    assert "a.restored.jpg: exists; use --overwrite" in capsys.readouterr().err
    assert run(*two, "--overwrite") == 0
    assert Image.open(mine).size == (40, 30)


def test_results_of_a_run_before_are_not_restored_again(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*two) == 0
    assert run(*sorted(two[0].parent.iterdir()), "--overwrite") == 0  # as *.* of a shell has them
    assert names(two[0].parent) == ["a.jpg", "a.restored.jpg", "b.png", "b.restored.png"]
    assert "note: 2 left out: results of others" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--preview", "0,0,9,9"], "--preview is for one picture"),
        (["--compare", "c.png"], "--compare is for one picture"),
        (["-o", "out.png"], "several pictures go into a folder"),
        (["-o", "in/a.jpg"], "several pictures go into a folder"),
        (["in"], "in: is a folder"),
        (["--recursive"], "--recursive is for folders"),
        (["--engine", "openvion"], "did you mean 'openvino'"),
        (["--task", "denoize"], "did you mean 'denoise'"),
        (["--strength", "2"], "strength"),
        (["--format", "gif"], "format gif cannot be written"),
        (["other/a.jpg", "-o", "out"], "same name as that of in/a.jpg"),
    ],
)
def test_wrong_usage_is_told_once_and_before_any_work(
    two: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "other" / "a.jpg")
    more = [] if "--task" in words else MODEL
    assert main(["restore", "in/a.jpg", "in/b.png", *words, *more]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert names(tmp_path) == ["in", "other"]
    assert names(tmp_path / "in") == ["a.jpg", "b.png"]


def test_auto_looks_at_each(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    clean = read_picture(DATA / "hippo.webp").pixels
    two[0] = two[0].with_name("noisy.png")
    write_picture(Picture(awgn(clean, 25, np.random.default_rng(0))), two[0])
    Image.new("RGB", (200, 200), (90, 120, 140)).save(two[1])
    assert main(["restore", *map(str, two), "--task", "auto", "--fast", "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["models"] == ["run-t.denoise"]
    assert second["models"] == []
    assert main(["restore", *map(str, two), "--task", "auto", "--engine", "none"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
