"""`runir evaluate --dataset NAME --root DIR`: a data set's own test part by its own protocol."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trees
from runir.cli.main import main
from runir.evaluation import get_protocol, psnr


def run(capsys: pytest.CaptureFixture[str], root: Path, name: str, *words: str, code: int = 0) -> str:
    assert main(["evaluate", "--dataset", name, "--root", str(root), "--strength", "0", *words]) == code
    out, error = capsys.readouterr()
    return error if code else out


def scores(capsys: pytest.CaptureFixture[str], root: Path, name: str, *words: str) -> dict[str, object]:
    report: dict[str, object] = json.loads(run(capsys, root, name, *words, "--json"))
    return report


def test_pairs_are_scored_by_the_official_protocol(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    report = scores(capsys, tmp_path, "gopro", "--csv", str(tmp_path / "s.csv"))
    assert (report["model"], report["data_set"], report["protocol"]) == ("run-s.deblur", "gopro test", "gopro-rgb")
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    scene = "test/GOPR0384_11_00"
    assert [row["name"] for row in rows] == [f"{scene}/blur/000047.png", f"{scene}/blur/000048.png"]
    home = tmp_path / "GOPRO_Large" / scene
    blur, sharp = (np.asarray(Image.open(home / side / "000047.png")) for side in ("blur", "sharp"))
    assert float(rows[0]["input_psnr"]) == float(rows[0]["psnr"]) == pytest.approx(psnr(blur, sharp))
    assert {row["data_set"] for row in rows} == {"gopro test"}
    assert {row["protocol_hash"] for row in rows} == {get_protocol("gopro-rgb").hash}
    assert scores(capsys, tmp_path, "gopro", "--protocol", "y-uint8")["protocol"] == "y-uint8"


def test_parts_are_scored_by_themselves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.rain13k(tmp_path)
    assert "choose with --part: rain100h, " in run(capsys, tmp_path, "rain13k", code=2)
    report = scores(capsys, tmp_path, "rain13k", "--part", "Rain100L")
    assert (report["protocol"], report["n"], report["model"]) == ("rain13k-y-uint8", 2, "run-s.derain")


def test_blocks_of_matlab_files_are_scored(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    report = scores(capsys, tmp_path, "sidd")
    noisy, truth = (np.random.default_rng(k).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8) for k in (0, 1))
    expected = np.mean([psnr(noisy[i, j], truth[i, j]) for i in range(2) for j in range(3)])
    assert (report["protocol"], report["n"]) == ("sidd-rgb", 6)
    assert report["input_psnr"] == pytest.approx(expected, abs=1e-4)
    assert "has no public targets" in run(capsys, tmp_path, "sidd", "--part", "benchmark", code=2)


def test_pictures_that_a_model_was_trained_on_are_called_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("CBSD400", "CBSD68"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((24, 20, 3), np.uint8)).save(tmp_path / name / "1.png")
    words = ["evaluate", "--root", str(tmp_path), "--strength", "0", "--degrade", "awgn:25", "--dataset"]
    assert main([*words, "cbsd400", "--part", "train"]) == 0
    assert "run-s.denoise was trained on pictures of BSDS500" in capsys.readouterr().err
    assert main([*words, "cbsd68"]) == 0
    assert "was trained on" not in capsys.readouterr().err


def test_files_without_a_partner_are_told_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    (home / "test/GOPR0384_11_00/sharp/000047.png").unlink()
    assert main(["evaluate", "--dataset", "gopro", "--root", str(tmp_path), "--strength", "0"]) == 0
    told = capsys.readouterr().err
    assert "1 picture without a partner left out; the first: " in told
    assert "blur/000047.png" in told


def test_clean_sets_need_a_degradation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.kodak24(tmp_path, (24, 20))
    assert "such as --degrade awgn:25" in run(capsys, tmp_path, "kodak24", code=2)
    report = scores(capsys, tmp_path, "kodak24", "--degrade", "awgn:25", "--model", "run-t.denoise")
    assert (report["protocol"], report["n"], report["data_set"]) == ("awgn-rgb", 24, "kodak24 test")


def test_what_does_not_fit_is_refused_and_what_is_incomplete_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trees.gopro(tmp_path)
    assert "leave --degrade out" in run(capsys, tmp_path, "gopro", "--degrade", "awgn:25", code=2)
    assert "lol-v1 test is not there; runir data verify lol-v1" in run(capsys, tmp_path, "lol-v1", code=2)
    assert main(["evaluate", "--dataset", "gopro"]) == 2
    assert "--dataset NAME and --root DIR go together" in capsys.readouterr().err
    assert main(["evaluate", "--dataset", "gopro", "--root", str(tmp_path), "--strength", "0"]) == 0
    note = "note: gopro test has 1,111 pictures, here are 2: the scores do not compare with published ones\n"
    assert capsys.readouterr().err == note
