"""`runir restore DIR`: real pictures through the real network, on the command line."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runir.api import Chosen
from runir.batch.pictures import picture_worker
from runir.cli.main import main
from runir.inference.file import FileOptions
from runir.inspection import Findings
from standin import results

MODEL = "run-t.denoise"


def noisy(path: Path, size: tuple[int, int] = (61, 43), seed: int = 0) -> None:
    y, x = np.mgrid[: size[1], : size[0]]
    plane = 120 + 60 * np.sin(x / 9) * np.cos(y / 7)
    noise = np.random.default_rng(seed).normal(0, 20, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (np.stack([plane, plane[::-1], 255 - plane], -1) + noise).clip(0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, name in enumerate(["a.png", "b.JPG", "trip/c.webp", "trip/d.tif"]):
        noisy(tmp_path / "photos" / name, seed=number)
    return tmp_path / "photos"


def run(photos: Path, *words: str) -> int:
    return main(["restore", str(photos), "-o", str(photos.parent / "out"), "--model", MODEL, *words])


def roughness(path: Path) -> float:
    return float(np.abs(np.diff(np.asarray(Image.open(path).convert("L"), np.float32), axis=1)).mean())


def test_each_picture_comes_back_in_kind_and_smoother(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photos.parent / "out"
    before = results(photos)
    assert run(photos, "--recursive") == 0
    assert f"{out}: 4 pictures restored (0.0 Mpx in " in capsys.readouterr().out
    for name in before:
        assert (photos / name).read_bytes() == before[name]
        assert Image.open(out / name).format == Image.open(photos / name).format
        assert Image.open(out / name).size == (61, 43)
        assert roughness(out / name) < 0.7 * roughness(photos / name)
    assert set(results(out)) == set(before)
    times = {name: (out / name).stat().st_mtime_ns for name in before}
    assert run(photos, "--recursive", "--jobs", "2:2:1") == 0
    assert f"{out}: 0 pictures restored, 4 finished before\n" == capsys.readouterr().out
    assert {name: (out / name).stat().st_mtime_ns for name in before} == times
    assert run(photos, "--recursive", "--strength", "0.5") == 0
    assert "4 pictures restored (" in capsys.readouterr().out


def test_a_result_equals_that_of_the_file_alone(photos: Path) -> None:
    assert run(photos) == 0
    assert main(["restore", str(photos / "a.png"), "-o", str(photos.parent / "alone.png"), "--model", MODEL]) == 0
    assert (photos.parent / "alone.png").read_bytes() == (photos.parent / "out" / "a.png").read_bytes()


def test_what_is_held_whole_counts_whole(tmp_path: Path) -> None:
    """By its decoder or its encoder, or because it has to be turned; else some rows count."""
    picture = Image.fromarray(np.zeros((3000, 8, 3), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(tmp_path / "rows.jpg")
    picture.save(tmp_path / "whole.jpg", progressive=True)
    picture.save(tmp_path / "whole.webp")
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=turned)
    for format, rows in (("png", 8 * 1024), ("avif", 8 * 3000)):
        worker = picture_worker(model=MODEL, details=FileOptions(format=format), threads=1)
        costs = {path.name: worker.cost(path) for path in sorted(tmp_path.iterdir())}
        assert costs == dict.fromkeys(["rows.jpg"], rows) | dict.fromkeys(
            ["turned.jpg", "whole.jpg", "whole.webp"], 8 * 3000
        )


def test_another_format_and_models_by_looking(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_found(task: str, model: None, look: Callable[[], Findings], fast: bool) -> Chosen:
        assert (task, fast) == ("auto", True)
        return Chosen((MODEL,), ("noise",)) if isinstance(look(), Findings) and next(found) else Chosen(())

    noisy(photos / "a.jpg", seed=9)
    found = iter([True, True, False])  # a.jpg, a.png, b.JPG
    monkeypatch.setattr("runir.batch.pictures.choose", as_found)
    out = photos.parent / "out"
    assert main(["restore", str(photos), "-o", str(out), "--task", "auto", "--fast", "--format", "png"]) == 0
    assert {p.name: Image.open(p).format for p in out.glob("*.png")} == dict.fromkeys(
        ["a.png", "a.jpg.png", "b.png"], "PNG"
    )
    assert roughness(out / "a.jpg.png") < 0.7 * roughness(photos / "a.jpg")
    assert roughness(out / "a.png") < 0.7 * roughness(photos / "a.png")
    assert Image.open(out / "b.png").tobytes() == Image.open(photos / "b.JPG").tobytes()  # nothing to do: a copy
    assert "note: a.jpg: found noise\nnote: a.png: found noise\n" in capsys.readouterr().out
    records = [json.loads(text) for text in (out / ".runir-manifest.jsonl").read_text().splitlines()]
    assert [record.get("notes", []) for record in records] == [["found noise"], ["found noise"], []]
    assert all(json.loads(record["work"])["models"] == "auto" for record in records)


def test_bad_pictures_are_told_and_the_exit_code_is_1(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (photos / "b.JPG").read_bytes()
    (photos / "b.JPG").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.png").touch()
    for number in range(12):
        (photos / f"x{number:02d}.jpg").write_bytes(b"no picture")
    for _ in range(2):
        assert run(photos) == 1
        captured = capsys.readouterr()
        failed = [line for line in captured.err.splitlines() if line.startswith("failed: ")]
        assert len(failed) == 10
        assert failed[0].startswith(f"failed: {photos}/b.JPG: ")
        assert "... 4 more failed" in captured.err
        assert "14 failed" in captured.out.splitlines()[-1]
    assert "1 finished before" in captured.out
    (photos / "b.JPG").write_bytes(whole)
    assert run(photos, "--json", "--max-failures", "3") == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["skipped"] == 1
    assert 3 <= summary["failed"] < 14
    assert summary["restored"] + summary["failed"] + summary["left"] == 14
    assert "--max-failures" in summary["stopped"]
    assert summary["failures"][0]["path"] == "empty.png"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["photos"], "is a folder; say where its results go with -o FOLDER"),
        (["photos", "-o", "photos"], "is the folder that is read"),
        (["photos", "-o", "photos/a.png"], "this folder cannot be made: a file is in the way"),
        (["photos/trip/..", "-o", "out", "--max-failures", "0"], "at least 1 is needed"),
        (["photos", "-o", "out", "--strength", "2"], "a number from 0 (unchanged) to 1 (full) is needed"),
        (["photos", "-o", "out", "--quality", "0"], "a number from 1 to 100 is needed"),
        (["empty", "-o", "out"], "holds no pictures"),
        (["photos", "-o", "out", "--preview", "0,0,9,9"], "a region is for one picture"),
        (["photos", "-o", "out", "--compare", "c.png"], "--compare is for one picture"),
        (["photos", "-o", "out", "--task", "auto", "--model", MODEL], "task 'auto' chooses the models"),
        (["photos", "-o", "out", "--format", "gif"], "format gif cannot be written"),
        (["photos", "-o", "out", "--engine", "steam"], "unknown engine 'steam'"),
    ],
)
def test_wrong_usage_is_one_line(
    photos: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    assert main(["restore", *words]) == (1 if "cannot be made" in told else 2)
    error = capsys.readouterr().err
    assert error.startswith("runir: ")
    assert error.count("\n") == 1
    assert told in error
    assert not Path("out").exists()


def test_wrong_jobs(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(photos, "--jobs", "2:0:1")
    assert "argument --jobs: '2:0:1': three numbers from 1 to 64 are needed" in capsys.readouterr().err


def command(folder: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "runir", "restore", str(folder), "-o", str(out), "--model", MODEL, "--threads", "1"]


def test_killed_and_resumed_equals_never_killed(tmp_path: Path) -> None:
    for number in range(8):
        noisy(tmp_path / "photos" / f"{number}.jpg", (90, 60), number)
    manifest = tmp_path / "out" / ".runir-manifest.jsonl"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command(tmp_path / "photos", tmp_path / "out"), env=environment)
    end = time.monotonic() + 60
    while not (manifest.exists() and manifest.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < end
        time.sleep(0.002)
    process.kill()
    process.wait()
    finished = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.jpg")}
    assert 1 <= len(finished) < 8
    for out in ("out", "whole"):
        subprocess.run(command(tmp_path / "photos", tmp_path / out), env=environment, check=True)
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert finished.items() <= {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.jpg")}.items()


def test_interrupted_on_a_terminal(tmp_path: Path) -> None:
    noisy(tmp_path / "photos" / "large.jpg", (3000, 2000))
    noisy(tmp_path / "photos" / "small.jpg")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(tmp_path / "photos", tmp_path / "out"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"large.jpg" not in seen:
        seen += os.read(ours, 1000)
    process.send_signal(2)
    while True:
        try:
            seen += os.read(ours, 1000)
        except OSError:
            break
    assert process.wait(timeout=30) == 130
    text = seen.decode()
    assert "\r[--------------------] 0/2, large.jpg 0%" in text
    assert text.endswith("the same command goes on from here\r\nrunir: interrupted; nothing half-written was left\r\n")
    assert results(tmp_path / "out") == {}


def test_the_manual_page_works(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "folders.md").read_text("utf-8")
    commands = [line for block in page.split("```sh\n")[1:] for line in block.split("```")[0].splitlines()]
    assert len(commands) >= 3
    monkeypatch.chdir(photos.parent)
    for line in commands:
        done = subprocess.run(
            [sys.executable, "-m", *line.split("#")[0].split()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
    [code] = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 4 ()\n"  # the same work as on the command line
    assert {p.relative_to("restored").as_posix() for p in Path("restored").rglob("*.*") if p.name[0] != "."} == {
        "a.png", "b.JPG", "trip/c.webp", "trip/d.tif",
    }  # fmt: skip
