"""Scoring a restorer: the right pairs, the right scores, a report, and errors that name the picture."""

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from runir.degradations import parse_degradation
from runir.errors import RunirError, UsageError
from runir.evaluation import (
    Report,
    Row,
    degraded_pairs,
    evaluate,
    get_protocol,
    paired_folders,
    psnr,
    score_pairs,
    ssim,
)

Pixels = npt.NDArray[np.float32]
RGB = get_protocol("rgb")


def read(path: Path) -> Pixels:
    """Stands in for runir.images, so that these tests are about scoring only."""
    with Image.open(path) as image:
        levels = np.asarray(image)
    return levels.reshape(*levels.shape[:2], -1).astype(np.float32) / np.float32(255)


def identity(picture: Pixels) -> Pixels:
    return picture


def write(path: Path, seed: int, shape: tuple[int, ...] = (16, 20, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def clean(tmp_path: Path) -> list[Path]:
    """Three pictures, named so that the order of names is not the order given."""
    return [write(tmp_path / "clean" / f"{name}.png", k) for k, name in enumerate(("c", "a", "b"))]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for k, name in enumerate(("one", "two", "three")):
        write(tmp_path / "input" / f"{name}.png", k)
        write(tmp_path / "target" / f"{name}.tif", 10 + k)
    return tmp_path / "input", tmp_path / "target"


# ---- pairs -------------------------------------------------------------------------------------------------


def test_picture_k_by_name_gets_the_noise_of_seed_plus_k(clean: list[Path]) -> None:
    pairs = list(degraded_pairs(clean, parse_degradation("awgn:25"), 7, read=read))
    assert [pair.name for pair in pairs] == ["a.png", "b.png", "c.png"]
    for k, pair in enumerate(pairs):
        target = read(clean[0].parent / pair.name)
        noise = np.random.default_rng(7 + k).normal(0, 25 / 255, target.shape)
        np.testing.assert_array_equal(pair.target, target)
        np.testing.assert_array_equal(pair.degraded, (target.astype(np.float64) + noise).astype(np.float32))


def test_pictures_are_sorted_by_file_name_not_by_folder(tmp_path: Path) -> None:
    files = [write(tmp_path / "a" / "2.png", 0), write(tmp_path / "b" / "1.png", 1)]
    pairs = degraded_pairs(files, parse_degradation("awgn:5"), 0, read=read)
    assert [pair.name for pair in pairs] == ["1.png", "2.png"]


def test_pictures_are_read_one_at_a_time(clean: list[Path]) -> None:
    seen: list[Path] = []

    def counting(path: Path) -> Pixels:
        seen.append(path)
        return read(path)

    pairs = degraded_pairs(clean, parse_degradation("awgn:5"), 0, read=counting)
    assert not seen
    next(pairs)
    assert len(seen) == 1


def test_degraded_pairs_refuse_nothing_and_negative_seeds(clean: list[Path]) -> None:
    with pytest.raises(UsageError, match="no clean pictures"):
        degraded_pairs([], parse_degradation("awgn:5"), 0, read=read)
    with pytest.raises(UsageError, match="zero or more, not -1"):
        degraded_pairs(clean, parse_degradation("awgn:5"), -1, read=read)


def test_folders_are_matched_by_stem(folders: tuple[Path, Path]) -> None:
    (folders[0] / "notes.txt").write_text("not a picture")
    (folders[0] / ".hidden.png").write_bytes(b"")
    (folders[1] / "sub").mkdir()
    pairs = list(paired_folders(*folders, read=read))
    assert [pair.name for pair in pairs] == ["one.png", "three.png", "two.png"]
    for name, degraded, target in pairs:
        np.testing.assert_array_equal(degraded, read(folders[0] / name))
        np.testing.assert_array_equal(target, read((folders[1] / name).with_suffix(".tif")))


def test_missing_partners_are_named_at_once(folders: tuple[Path, Path]) -> None:
    (folders[1] / "one.tif").unlink()
    (folders[1] / "two.tif").unlink()
    with pytest.raises(
        RunirError, match=r"one\.png: has no partner of the same name in .*target \(nor have 1 more\); add"
    ):
        paired_folders(*folders, read=read)
    with pytest.raises(
        RunirError, match=r"one\.png: has no partner of the same name in .*target \(nor have 1 more\); add"
    ):
        paired_folders(folders[1], folders[0], read=read)


def test_two_files_of_one_name_are_refused(folders: tuple[Path, Path]) -> None:
    write(folders[0] / "one.jpg", 0)
    with pytest.raises(RunirError, match=r"input: holds both one\.jpg and one\.png; remove"):
        paired_folders(*folders, read=read)


def test_empty_and_missing_folders_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no pictures in this folder \(\.jpg, \.jpeg, \.png"):
        paired_folders(folders[0], tmp_path / "empty", read=read)
    with pytest.raises(UsageError, match="nowhere: cannot be listed"):
        paired_folders(tmp_path / "nowhere", folders[1], read=read)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((20, 16, 3), "is 16 x 20 with 3 channels"), ((16, 20), "is 20 x 16 with 1 channel;")],
)
def test_pairs_of_other_sizes_or_channels_are_refused(
    folders: tuple[Path, Path], shape: tuple[int, ...], words: str
) -> None:
    write(folders[1] / "three.tif", 0, shape)
    pairs = paired_folders(*folders, read=read)
    next(pairs)
    with pytest.raises(RunirError) as caught:
        next(pairs)
    assert "three.png: is 20 x 16 with 3 channels, but its target three.tif" in str(caught.value)
    assert words in str(caught.value)


def test_pictures_are_read_by_runir_images(folders: tuple[Path, Path]) -> None:
    ours, theirs = list(paired_folders(*folders)), list(paired_folders(*folders, read=read))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.degraded, other.degraded, atol=1e-7)
        np.testing.assert_allclose(one.target, other.target, atol=1e-7)
    broken = folders[0] / "two.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(RunirError, match=r"two\.png"):
        list(paired_folders(*folders))


# ---- scores ------------------------------------------------------------------------------------------------


def test_identity_scores_what_the_input_scores(clean: list[Path]) -> None:
    report = evaluate(identity, clean, parse_degradation("awgn:25"), get_protocol("awgn-rgb"), seed=3, read=read)
    assert (report.psnr, report.ssim) == (report.input_psnr, report.input_ssim)
    assert (report.protocol, report.degradation, report.seed) == ("awgn-rgb", "awgn:25", 3)
    assert all(row.psnr == row.input_psnr and row.ssim == row.input_ssim for row in report.rows)
    assert 20.0 < report.psnr < 22.0  # 20.17 dB for this sigma; clipping helps a little


def test_rows_hold_independent_scores_of_output_and_input(folders: tuple[Path, Path]) -> None:
    report = score_pairs(lambda picture: 0.907 * picture, paired_folders(*folders, read=read), RGB)
    assert (report.degradation, report.seed) == (None, None)
    for row in report.rows:
        degraded = read(folders[0] / row.name)
        target = np.rint(read((folders[1] / row.name).with_suffix(".tif")) * 255)
        output = np.rint(np.float32(0.907) * degraded * 255)
        assert (row.psnr, row.ssim) == (psnr(output, target), ssim(output, target))
        assert row.input_psnr == psnr(np.rint(degraded * 255), target)
        assert row.input_ssim == ssim(np.rint(degraded * 255), target)
        assert row.psnr != row.input_psnr


def test_perfect_restorer_scores_infinity_and_one(clean: list[Path]) -> None:
    pairs = list(degraded_pairs(clean, parse_degradation("awgn:25"), 0, read=read))
    answers = iter([pair.target for pair in pairs])
    report = score_pairs(lambda picture: next(answers), pairs, RGB)
    assert report.psnr == float("inf")
    assert report.ssim == pytest.approx(1.0)


def test_restorer_sees_the_unclipped_float32_picture(clean: list[Path]) -> None:
    def looking(picture: Pixels) -> Pixels:
        assert picture.dtype == np.float32
        assert picture.min() < 0.0
        assert picture.max() > 1.0
        return picture

    evaluate(looking, clean, parse_degradation("awgn:50"), RGB, read=read)


def test_luma_protocol_is_used(clean: list[Path]) -> None:
    pair = next(degraded_pairs(clean, parse_degradation("awgn:25"), 0, read=read))
    luma = get_protocol("y-uint8")
    expected = psnr(luma.prepare(pair.degraded), luma.prepare(pair.target))
    assert score_pairs(identity, [pair], luma).psnr == expected != score_pairs(identity, [pair], RGB).psnr


# ---- errors ------------------------------------------------------------------------------------------------

GRAY, COLOUR = np.zeros((16, 16, 1), np.float32), np.zeros((16, 16, 3), np.float32)


def fails(restore, pair: tuple[str, Pixels, Pixels]) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(RunirError) as caught:
        score_pairs(restore, [pair], RGB)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_gray_targets_and_colour_outputs_do_not_mix() -> None:
    line = fails(lambda picture: COLOUR, ("a.png", GRAY, GRAY))
    assert line.startswith("a.png: the output has 3 channel(s) and the target 1; convert one of them")
    assert fails(identity, ("a.png", COLOUR, GRAY)).startswith("a.png: the input has 3 channel(s)")


def test_output_of_another_size_is_refused() -> None:
    line = fails(lambda picture: picture[1:], ("a.png", COLOUR, COLOUR))
    assert line.startswith("a.png: the output has shape (15, 16, 3) and the target (16, 16, 3)")


def test_broken_output_is_refused() -> None:
    assert fails(lambda picture: picture * np.nan, ("a.png", COLOUR, COLOUR)).startswith("a.png: ")


def test_pictures_too_small_for_ssim_are_named() -> None:
    small = COLOUR[:10]
    assert fails(identity, ("tiny.png", small, small)).startswith("tiny.png: SSIM needs 11 x 11")


def test_bad_pictures_are_told_and_the_others_scored(folders: tuple[Path, Path], clean: list[Path]) -> None:
    (folders[0] / "three.png").write_bytes(b"broken")
    write(folders[1] / "two.tif", 0, (20, 16, 3))
    told: list[str] = []
    report = score_pairs(identity, paired_folders(*folders), RGB, failed=lambda error: told.append(str(error)))
    assert [row.name for row in report.rows] == ["one.png"]
    assert [line.partition(": ")[0] for line in told] == [str(folders[0] / f"{name}.png") for name in ("three", "two")]
    with pytest.raises(RunirError, match=r"three\.png"):
        score_pairs(identity, paired_folders(*folders), RGB)
    whole = evaluate(identity, clean, parse_degradation("awgn:25"), RGB)
    clean[1].write_bytes(b"broken")  # a.png, the first by name
    told.clear()
    rest = evaluate(identity, clean, parse_degradation("awgn:25"), RGB, failed=lambda error: told.append(str(error)))
    assert rest.rows == whole.rows[1:]  # each picture keeps its seed
    assert len(told) == 1


def test_nothing_that_can_be_scored_is_an_error(folders: tuple[Path, Path]) -> None:
    for path in folders[0].iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(RunirError, match="no picture could be scored"):
        score_pairs(identity, paired_folders(*folders), RGB, failed=lambda error: None)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(RunirError, match="no pairs"):
        score_pairs(identity, [], RGB)


# ---- report ------------------------------------------------------------------------------------------------

REPORT = Report(
    protocol="rgb",
    degradation="awgn:25",
    seed=3,
    rows=(Row('a, "b".png', 30.0, 0.9, 20.0, 0.5), Row("ü.png", 1 / 3, 0.7, 22.0, 0.25)),
)


def test_report_as_plain_values() -> None:
    plain = REPORT.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["psnr"] == pytest.approx((30 + 1 / 3) / 2)
    assert plain["ssim"] == pytest.approx(0.8)
    assert (plain["input_psnr"], plain["input_ssim"]) == (21.0, 0.375)
    assert (plain["protocol"], plain["degradation"], plain["seed"], plain["n"]) == ("rgb", "awgn:25", 3, 2)
    assert plain["pictures"][0]["name"] == 'a, "b".png'


def test_csv_holds_every_digit_and_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("old")
    REPORT.write_csv(path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:5] == ["name", "psnr", "ssim", "input_psnr", "input_ssim"]
    assert [row["name"] for row in rows] == ['a, "b".png', "ü.png"]
    assert float(rows[1]["psnr"]) == 1 / 3
    assert [file.name for file in tmp_path.iterdir()] == ["scores.csv"]


def test_csv_says_by_what_it_was_scored_in_every_row(tmp_path: Path) -> None:
    REPORT.write_csv(tmp_path / "a.csv", model="m", tta=False)
    Report("shift", None, None, REPORT.rows).write_csv(tmp_path / "b.csv")
    ours, theirs = ([*csv.DictReader((tmp_path / f"{n}.csv").open(encoding="utf-8", newline=""))] for n in "ab")
    for row in ours:
        assert (row["protocol"], row["protocol_hash"]) == ("rgb", RGB.hash)
        assert (row["degradation"], row["seed"], row["model"], row["tta"]) == ("awgn:25", "3", "m", "False")
    assert {(row["protocol"], row["degradation"], row["seed"]) for row in theirs} == {("shift", "", "")}
    assert theirs[0]["protocol_hash"] == get_protocol("shift").hash != RGB.hash


def test_pictures_equal_to_the_target_are_left_out_of_both_psnr_means() -> None:
    inf = float("inf")
    rows = (Row("a", 30.0, 0.9, 20.0, 0.5), Row("b", 45.0, 0.7, inf, 1.0), Row("c", inf, 1.0, 22.0, 0.6))
    report = Report("rgb", None, None, rows)
    assert (report.psnr, report.input_psnr, report.equal) == (30.0, 20.0, 2)
    assert report.ssim == pytest.approx((0.9 + 0.7 + 1.0) / 3)
    assert report.to_dict()["equal"] == 2
    only = Report("rgb", None, None, rows[1:2])
    assert (only.psnr, only.input_psnr, only.equal) == (45.0, inf, 1)


def test_csv_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunirError, match=r"file.scores\.csv: "):
        REPORT.write_csv(tmp_path / "file" / "scores.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RunirError, match=r"folder\.csv: is a folder"):
        REPORT.write_csv(tmp_path / "folder.csv")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.csv"]
    assert not list((tmp_path / "folder.csv").iterdir())
