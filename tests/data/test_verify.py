"""`verify`: exactly what is missing, damaged, unpaired, of wrong size, and which pictures are in two data sets."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import trees
from runir.data.catalogue import get_data_set
from runir.data.dataset import DataSet
from runir.data.verify import PartReport, check_overlaps, check_part
from runir.errors import UsageError

GOPRO = trees.small_gopro()


def check(data_set: DataSet, part: str, root: Path, quick: bool = False) -> PartReport:
    return check_part(data_set, data_set.part(part), root, quick=quick)


def problems(report: PartReport) -> list[tuple[str, str]]:
    return [(problem.kind, problem.text) for problem in report.problems]


@pytest.mark.parametrize("quick", [False, True])
def test_a_complete_part_has_no_problems(tmp_path: Path, quick: bool) -> None:
    home = trees.gopro(tmp_path)
    seen: list[tuple[int, int]] = []
    report = check_part(GOPRO, GOPRO.part("train"), tmp_path, quick=quick, watch=lambda *done: seen.append(done))
    assert (report.place, report.found, report.problems) == (home, 5, ())
    assert seen == [(k, 5) for k in range(1, 6)]


def test_missing_frames_are_counted_by_scene(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    for side in ("blur", "sharp"):
        (home / "train/GOPR0372_07_00" / side / "000048.png").unlink()
    shutil.rmtree(home / "train/GOPR0374_11_03")
    shutil.copytree(home / "test/GOPR0384_11_00", home / "train/GOPR9999_00_00")
    assert problems(check(GOPRO, "train", tmp_path)) == [
        ("missing", f"{home}: 1 of 3 pairs of GOPR0372_07_00"),
        ("missing", f"{home}: all 2 pairs of GOPR0374_11_03"),
        ("too many", f"{home}: gopr9999_00_00 does not belong here (2 pairs)"),
    ]


def test_a_part_that_is_not_there_says_what_was_looked_for(tmp_path: Path) -> None:
    report = check(GOPRO, "train", tmp_path)
    assert (report.place, report.found) == (None, 0)
    where = f"{tmp_path} or its folder {' or '.join(GOPRO.folders)}"
    text = f"all 5 pairs: nothing matches train/{{scene}}/blur/{{frame}}.png in {where}"
    assert problems(report) == [("missing", text)]


def test_pictures_without_partner_are_named_and_count_as_missing(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    (home / "test/GOPR0384_11_00/sharp/000047.png").unlink()
    assert problems(check(GOPRO, "test", tmp_path)) == [
        ("missing", f"{home}: 1 of 2 pairs of GOPR0384_11_00"),
        ("unpaired", f"{home}/test/GOPR0384_11_00/blur/000047.png: has no partner"),
    ]


def test_wrong_sizes_are_named(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    path = trees.write(home / "test/GOPR0384_11_00/sharp/000047.png", (20, 24))
    partner = path.parents[1] / "blur" / path.name
    assert problems(check(GOPRO, "test", tmp_path)) == [
        ("wrong size", f"{path}: is 20 x 24, not 24 x 20"),
        ("wrong size", f"{partner}: differs from its partner in size (24 x 20 and 20 x 24)"),
    ]


def test_the_longer_side_is_checked_where_only_that_is_known(tmp_path: Path) -> None:
    official = get_data_set("div2k")
    small = replace(official.part("validation"), count=2, longest=40, names=("0801", "0802"))
    data_set = replace(official, parts=(small,))
    trees.write(tmp_path / "DIV2K/DIV2K_valid_HR/0801.png", (40, 30))
    wrong = trees.write(tmp_path / "DIV2K/DIV2K_valid_HR/0802.png", (30, 39))
    expected = [("wrong size", f"{wrong}: is 30 x 39, the longer side should have 40 pixels")]
    assert problems(check(data_set, "validation", tmp_path)) == expected


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    path = home / "test/GOPR0384_11_00/blur/000048.png"
    path.write_bytes(path.read_bytes()[:-200])
    ((kind, text),) = problems(check(GOPRO, "test", tmp_path))
    assert kind == "unreadable"
    assert text.startswith(f"{path}: cannot be read as a picture")
    assert not check(GOPRO, "test", tmp_path, quick=True).problems  # the head is whole
    path.write_bytes(b"no picture")
    assert [kind for kind, _ in problems(check(GOPRO, "test", tmp_path, quick=True))] == ["unreadable"]


def test_missing_names_are_listed(tmp_path: Path) -> None:
    home = trees.kodak24(tmp_path)
    assert not check(get_data_set("kodak24"), "test", tmp_path, quick=True).problems
    (home / "kodim07.png").unlink()
    trees.write(home / "extra.png", (500, 500))
    trees.write(home / "more.png", (768, 512))
    assert problems(check(get_data_set("kodak24"), "test", tmp_path, quick=True)) == [
        ("missing", f"{home}: kodim07.*"),
        ("too many", f"{home}: 25 pictures, 24 belong here"),
    ]


def test_missing_pairs_of_unknown_names_are_counted(tmp_path: Path) -> None:
    home = trees.rain13k(tmp_path)
    assert problems(check(get_data_set("rain13k"), "test100", tmp_path, quick=True)) == [
        ("missing", f"{home}: 97 of 98 pairs (their names are not known)")
    ]
    short = check(get_data_set("rain13k"), "train", tmp_path).problems
    assert [problem.text for problem in short] == [f"{home}: 13,708 of 13,711 pairs (their names are not known)"]


def test_a_part_is_whole_by_either_count_that_is_stated() -> None:
    part = get_data_set("rain13k").part("train")
    assert [part.whole(count) for count in (13_710, 13_711, 13_712, 13_713)] == [False, True, True, False]


def test_matlab_files_are_checked(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    report = check(get_data_set("sidd"), "validation", tmp_path)
    assert report.found == 6
    assert report.problems[0].text.endswith("1,274 of 1,280 pairs (their names are not known)")
    assert {problem.text.rpartition(": ")[2] for problem in report.problems[1:]} == {"is 16 x 16, not 256 x 256"}
    (tmp_path / "ValidationGtBlocksSrgb.mat").write_bytes(b"broken")
    assert [kind for kind, _ in problems(check(get_data_set("sidd"), "validation", tmp_path))] == ["unreadable"]
    (tmp_path / "ValidationGtBlocksSrgb.mat").unlink()
    assert ("unpaired", f"{tmp_path}/ValidationNoisyBlocksSrgb.mat: has no partner") in problems(
        check(get_data_set("sidd"), "validation", tmp_path)
    )


def test_a_matlab_file_that_is_cut_off_is_one_problem(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    file = tmp_path / "ValidationGtBlocksSrgb.mat"
    file.write_bytes(file.read_bytes()[:-200])
    report = check(get_data_set("sidd"), "validation", tmp_path)
    (text,) = [text for kind, text in problems(report) if kind == "unreadable"]
    assert text.startswith(f"{file}: cannot be read as a MATLAB file")
    quick = check(get_data_set("sidd"), "validation", tmp_path, quick=True)
    assert "unreadable" not in dict(problems(quick))  # the head is whole


def test_without_scipy_a_matlab_file_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.sidd(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    ((kind, text),) = problems(check(get_data_set("sidd"), "validation", tmp_path))
    assert kind == "unreadable"
    assert "pip install 'runir[data]'" in text
    assert check(get_data_set("sidd"), "train", tmp_path).found == 4


def test_a_missing_root_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        check(GOPRO, "train", tmp_path / "nowhere")


# ---- overlaps ------------------------------------------------------------------------------------------------------


def test_bsds_behind_cbsd68_is_found_by_content(tmp_path: Path) -> None:
    for seed, name in enumerate(("train/12003.jpg", "val/3096.jpg", "test/2018.jpg")):
        trees.write(tmp_path / "BSR/BSDS500/data/images" / name, (48, 32), seed)
    trees.write(tmp_path / "CBSD68" / "0000.png", (48, 32), 1)
    trees.write(tmp_path / "CBSD68" / "0001.png", (48, 32), 50)
    for name in ("cbsd68", "bsds500"):
        (common,), _ = check_overlaps(get_data_set(name), tmp_path)
        assert (common.overlap.one, common.overlap.other) == (("bsds500", "train"), ("cbsd68", "test"))
        assert (common.shared, common.examples) == (1, (("BSDS500/data/images/val/3096.jpg", "0000.png"),))
    assert not check_overlaps(get_data_set("kodak24"), tmp_path).common
    (tmp_path / "CBSD68" / "0000.png").unlink()
    assert not check_overlaps(get_data_set("cbsd68"), tmp_path).common


def test_lol_v2_against_lol_v1_is_found_by_content(tmp_path: Path) -> None:
    trees.lol(tmp_path)
    (common,), left_out = check_overlaps(get_data_set("lol-v1"), tmp_path)
    assert not left_out
    assert (common.overlap.one, common.overlap.other) == (("lol-v2-real", "train"), ("lol-v1", "test"))
    assert common.examples == (("Real_captured/Train/Low/low00001.png", "eval15/low/55.png"),)


def test_tests_that_share_pictures_are_told(tmp_path: Path) -> None:
    trees.rain13k(tmp_path)
    seen: list[tuple[int, int]] = []
    broken = tmp_path / "Rain13K/test/Rain100H/target/2.png"
    broken.write_bytes(broken.read_bytes()[:-200])
    common, left_out = check_overlaps(get_data_set("rain13k"), tmp_path, watch=lambda *done: seen.append(done))
    assert [line.partition(": ")[0] for line in left_out] == [str(broken)]
    assert {(c.overlap.one[1], c.overlap.other[1]): c.shared for c in common} == {
        ("train", "rain100h"): 1,
        ("train", "rain100l"): 2,
        ("rain100h", "rain100l"): 1,
    }
    assert seen[-1] == (7, 7)
