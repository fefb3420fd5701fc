"""`runir data list|verify|prepare`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import trees
from runir.cli.main import main
from runir.data.store import open_store


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    assert main(["data", *map(str, words)]) == code
    out, error = capsys.readouterr()
    if code == 2:
        assert error.count("\n") == 1
    return error if code == 2 else out


def test_list_shows_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "list")
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert "train 2,103, test 1,111" in lines["gopro"]
    assert "non-commercial" in lines["cbsd68"]
    assert all(len(line) < 130 for line in text.splitlines())
    text = run(capsys, "list", "rain13k")
    assert "test/Rain100H/input/{name}.*" in text
    assert "rain13k-y-uint8" in text
    assert "overlap" in text
    assert "https://" in text
    (plain,) = json.loads(run(capsys, "list", "gopro", "--json"))
    assert [part["count"] for part in plain["parts"]] == [2103, 1111]


def test_list_shows_what_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    trees.sidd(tmp_path)
    (tmp_path / "BenchmarkNoisyBlocksSrgb.mat").write_bytes(b"broken")
    text = " ".join(run(capsys, "list", "--root", tmp_path).split())
    assert "gopro deblur train 5/2,103, test 2/1,111 CC BY 4.0" in text
    assert "sidd photo train 4/320, validation 6/1,280, MIT benchmark unreadable/1,280" in text
    assert "cbsd68 denoise not there" in text
    plain = {one["name"]: one for one in json.loads(run(capsys, "list", "--root", tmp_path, "--json"))}
    assert [part["found"] for part in plain["gopro"]["parts"]] == [5, 2]


def test_without_scipy_the_rest_is_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.gopro(tmp_path)
    trees.sidd(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    text = " ".join(run(capsys, "list", "--root", tmp_path).split())
    assert "train 5/2,103, test 2/1,111" in text
    assert "train 4/320, validation needs runir[data]/1,280" in text
    plain = {one["name"]: one for one in json.loads(run(capsys, "list", "--root", tmp_path, "--json"))}
    assert [part["found"] for part in plain["sidd"]["parts"]] == [4, None, None]
    assert "no such folder" in run(capsys, "list", "--root", tmp_path / "no", code=2)
    text = run(capsys, "verify", "sidd", "--root", tmp_path, code=1)
    assert "sidd train: 4 of 320 pairs" in text
    assert text.count("pip install 'runir[data]'") == 2


def test_verify_tells_and_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = trees.kodak24(tmp_path)
    assert run(capsys, "verify", "kodak24", "--root", tmp_path) == "kodak24 test: 24 of 24 pictures, complete\n"
    (home / "kodim07.png").unlink()
    text = run(capsys, "verify", "kodak24", "--root", tmp_path, "--quick", code=1)
    assert "23 of 24 pictures, 1 problem\n" in text
    assert f"missing: {home}: kodim07.*" in text
    report = json.loads(run(capsys, "verify", "kodak24", "--root", tmp_path, "--json", code=1))
    assert report["parts"][0]["problems"] == [{"kind": "missing", "text": f"{home}: kodim07.*"}]


def test_verify_warns_of_overlaps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.lol(tmp_path)
    text = run(capsys, "verify", "lol-v1", "--root", tmp_path, "--part", "test", code=1)
    assert "warning: lol-v2-real train and lol-v1 test share 1 picture: LOL-v2-real was made from" in text
    assert "low00001.png = eval15/low/55.png" in text
    assert "warning" not in run(capsys, "verify", "lol-v1", "--root", tmp_path, "--quick", code=1)


def test_verify_keeps_its_report_where_a_picture_cannot_be_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = trees.rain13k(tmp_path) / "test/Rain100H/target/2.png"
    broken.write_bytes(broken.read_bytes()[:-200])
    text = run(capsys, "verify", "rain13k", "--root", tmp_path, code=1)
    assert f"unreadable: {broken}: cannot be read" in text
    assert "rain13k test2800: 0 of 2,800" in text
    assert "warning: rain13k train and rain13k rain100h share 1 picture" in text
    assert f"1 picture could not be read and so not compared with other parts; the first: {broken}: cannot" in text
    report = json.loads(run(capsys, "verify", "rain13k", "--root", tmp_path, "--json", code=1))
    assert [part["found"] for part in report["parts"]] == [3, 2, 2, 1, 0, 0]
    assert [one["shared"] for one in report["overlaps"]] == [1, 2, 1]
    assert [line.partition(": ")[0] for line in report["left_out"]] == [str(broken)]


def test_prepare_makes_a_store_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    words = ["prepare", "gopro", "--root", tmp_path, "--patch", "16", "--overlap", "4"]
    text = run(capsys, *words, "--dry-run")
    assert "5 pairs, 20 patches of at most 16 x 16" in text
    assert "warning: 2,103 pairs belong in it" in text
    store = tmp_path / "gopro-train.store"
    assert not store.exists()
    text = run(capsys, *words)
    assert f"{store}: written" in text
    assert f"next: runir train RECIPE --data {store} --set data.kind=pairs" in text
    assert len(open_store(store).pairs().training) == 20
    assert f"{store}: is there already" in run(capsys, *words)
    plain = json.loads(run(capsys, *words, "--part", "test", "--out", tmp_path / "t", "--json"))
    assert (plain["pictures"], plain["patches"], plain["written"]) == (2, 8, True)
    assert plain["bytes"] == (tmp_path / "t" / "patches.bin").stat().st_size
    error = run(capsys, *words[:-1], "0", code=2)
    assert "holds another store; use --overwrite" in error
    run(capsys, *words[:-1], "0", "--overwrite")
    shutil.rmtree(tmp_path / "GOPRO_Large")
    assert "is not there; runir data verify gopro" in run(capsys, *words, code=2)


def test_prepare_leaves_folders_of_other_files_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(b"a")
    words = ["prepare", "gopro", "--root", tmp_path, "--patch", "16", "--overlap", "4", "--out"]
    assert "photos: holds other files; choose another --out" in run(capsys, *words, photos, code=2)
    assert [file.name for file in photos.iterdir()] == ["a.png"]
    assert "a.png: is a file, not a folder" in run(capsys, *words, photos / "a.png", code=2)
    assert "patch 16 and overlap 128: patch must" in run(capsys, *words[:6], code=2)


def test_prepare_warns_of_known_overlaps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trees.rain13k(tmp_path)
    text = run(capsys, "prepare", "rain13k", "--root", tmp_path, "--dry-run")
    assert "warning: do not report scores on rain13k rain100h after training on this: 546 pairs" in text
    trees.write(tmp_path / "CBSD432" / "12003.png")
    text = run(capsys, "prepare", "cbsd432", "--root", tmp_path, "--dry-run")
    assert "note: should share nothing with cbsd68 test; `runir data verify cbsd432` checks" in text
    assert "do not report scores on cbsd68" not in text
    assert "do not report scores on rain13k rain100l" in text
    trees.gopro(tmp_path)
    assert "do not report" not in run(capsys, "prepare", "gopro", "--root", tmp_path, "--dry-run")


def test_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "give a data set's name" in run(capsys, "verify", code=2)
    assert "give --root" in run(capsys, "prepare", "gopro", code=2)
    assert "did you mean 'gopro'" in run(capsys, "list", "gopr", code=2)
    assert "no such folder" in run(capsys, "verify", "gopro", "--root", tmp_path / "no", code=2)
    assert "did you mean 'train'" in run(capsys, "verify", "gopro", "--root", tmp_path, "--part", "trian", code=2)
