"""Table, CSV and plot from known results; the command as a whole."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runir.benchmark import Method, Result, Setting
from runir.benchmark.machine import describe_machine
from runir.benchmark.pictures import NAMES, shipped_pictures
from runir.benchmark.plot import draw
from runir.benchmark.report import as_csv, markdown, table
from runir.cli.main import main
from runir.images import Picture, read_picture, write_picture

ROOT = Path(__file__).parents[2]
SETTING = Setting((Path("a.png"), Path("b.png")), "awgn:25", "awgn-rgb", 0, 2)


def result(name: str, kind: str, seconds: tuple[float, ...], psnr: float | None = None, error: str = "") -> Result:
    method = Method(name, kind, name.lower())  # type: ignore[arg-type]
    done = Result(method, "openvino", 1234567, seconds, 300_000_000, error=error)
    return done if psnr is None else replace(done, psnr=psnr, ssim=0.9, input_psnr=20.5, input_ssim=0.4)


RESULTS = [
    result("BM3D", "classical", (9.0, 10.0, 8.0), 30.7),
    result("run-t.denoise", "runir", (0.3, 0.2, 0.25), 30.64),
    result("NAFNet", "random", (3.0,)),
    result("net.pth", "checkpoint", (), error="net.pth: out of memory"),
]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_the_quickest_first() -> None:
    lines = table(RESULTS).splitlines()
    assert len({len(line) for line in lines}) == 1
    rows = [cells(line) for line in lines]
    assert [row[0] for row in rows[2:]] == ["(as it came)", "run-t.denoise", "NAFNet", "BM3D", "net.pth (failed)"]
    assert rows[2][4:6] == ["20.50", "0.4000"]
    expected = ["ours", "openvino", "1,234,567", "30.64", "0.9000", "0.25", "1x", "0.2 to 0.3 (3 runs)", "300"]
    assert rows[3][1:] == expected
    assert rows[4][1] == "random"
    assert rows[4][4:9] == ["", "", "3", "12x", "1 run"]  # no PSNR for random weights
    assert rows[5][1] == "none, told sigma"


def test_the_report_says_what_was_done() -> None:
    text = markdown(RESULTS, SETTING, "photos", "A processor", {"nlm": "needs OpenCV"}, "plot.png")
    assert "# awgn:25 on photos" in text
    assert "2 pictures, protocol awgn-rgb, seed 0; 2 threads" in text
    for words in ("A processor", "non-commercial", "Left out: nlm, which needs OpenCV", "Failed: net.pth: out of"):
        assert words in text
    assert "](plot.png)" in text
    assert "![" not in markdown(RESULTS, SETTING, "photos", "A processor", {}, "")
    assert "quiet" not in text
    loud = replace(SETTING, busy=1.26)
    assert "- Not a quiet machine: other programs kept 1.3 processors busy" in markdown(RESULTS, loud, "", "", {}, "")
    assert [row["busy"] for row in csv.DictReader(io.StringIO(as_csv(RESULTS, loud)))] == ["1.26"] * len(RESULTS)


def test_networks_that_are_told_another_noise_are_pointed_out() -> None:
    told = [*RESULTS, replace(result("drunet.pth", "checkpoint", (1.0,), 25.0), told_sigma=15.0)]
    weights = {row[0]: row[1] for row in map(cells, table(told).splitlines())}
    assert (weights["drunet.pth"], weights["net.pth (failed)"]) == ("given, told 15", "given")
    note = "drunet.pth: spandrel tells this network that pictures have awgn:15; "
    text = markdown(told, SETTING, "photos", "A processor", {}, "")
    assert f"- {note}they have awgn:25, so this is no fair test." in text
    assert f"- {note}that is what they have." in markdown(told, replace(SETTING, degradation="awgn:15"), "", "", {}, "")
    assert "spandrel tells" not in markdown(RESULTS, SETTING, "photos", "A processor", {}, "")


def test_the_csv_has_every_digit() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(RESULTS, SETTING))))
    assert [row["method"] for row in rows] == ["BM3D", "run-t.denoise", "NAFNet", "net.pth"]
    first = {key: rows[0][key] for key in ("psnr", "seconds_per_mpx", "fastest", "slowest", "runs", "peak_bytes")}
    assert first == {
        "psnr": "30.7", "seconds_per_mpx": "9.0", "fastest": "8.0", "slowest": "10.0", "runs": "3",
        "peak_bytes": "300000000",
    }  # fmt: skip
    assert (rows[2]["psnr"], rows[3]["seconds_per_mpx"], rows[3]["error"]) == ("", "", "net.pth: out of memory")


@pytest.mark.parametrize("some", [RESULTS, RESULTS[:1], RESULTS[2:3], RESULTS[3:], []])
def test_whatever_there_is_can_be_drawn(some: list[Result], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "plot.png").write_bytes(draw(some, "title", "a note"))
    pixels = read_picture(tmp_path / "plot.png").pixels
    assert pixels.shape == (750, 1200, 3)
    blue = (np.abs(pixels * 255 - np.array([0x1F, 0x6F, 0xB4])) < 2).all(axis=2).sum()
    assert (blue > 100) == any(r.method.kind == "runir" for r in some)  # the dot of ours


def test_nothing_names_the_machine_or_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    text = describe_machine()
    assert os.uname().nodename not in text.split()
    assert "logical processors" in text
    assert "numpy" in text


def test_the_shipped_pictures_are_in_the_wheel() -> None:
    import tomllib

    assert [file.name for file in shipped_pictures()] == list(NAMES)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    put = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert put == {f"tests/data/{name}": f"runir/benchmark/pictures/{name}" for name in NAMES}


# ---- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_picture(Picture(read_picture(ROOT / "tests/data/house.webp").pixels[:64, :64]), tmp_path / "photos/a.png")
    return tmp_path / "photos"


def test_the_command_writes_three_files(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photos.parent / "out"
    words = [
        "benchmark",
        "--data",
        str(photos),
        "--only",
        "--model",
        "run-t.denoise",
        "--threads",
        "1",
        "--out",
        str(out),
    ]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "| run-t.denoise" in told.out
    assert "scoring on 1 picture: about" in told.err
    assert {path.name for path in out.iterdir()} == {"benchmark.md", "benchmark.csv", "benchmark.png"}
    report = (out / "benchmark.md").read_text("utf-8")
    assert "# awgn:25 on photos" in report
    assert str(photos.parent) not in report
    (row,) = csv.DictReader((out / "benchmark.csv").open(encoding="utf-8"))
    assert float(row["psnr"]) > float(row["input_psnr"]) + 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--degrade", "awgm:25"], "did you mean"),
        (["--model", "run-t.denoies"], "did you mean"),
        (["--threads", "0"], "at least 1"),
        (["--seed", "-1"], "zero or more"),
        (["--only"], "--only leaves nothing"),
        (["--data", "nowhere"], "nowhere: cannot be listed"),
    ],
)
def test_wrong_usage_is_told_at_once(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a process group")
def test_ctrl_c_leaves_nothing(photos: Path) -> None:
    out = photos.parent / "out"
    words = ["--data", str(photos), "--only", "--model", "run-t.denoise", "--out", str(out), "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "runir", "benchmark", *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not (workers := _workers(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "runir: interrupted; nothing half-written was left"
    assert "Traceback" not in told
    assert not out.exists()
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def _workers(parent: int) -> list[int]:
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        pytest.skip("this system does not list a process's children")
    return [int(word) for word in text.split()]
