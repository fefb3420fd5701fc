"""`runir restore`: parts, comparisons, formats, tasks, estimates."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import runir
from runir.cli.main import main
from runir.evaluation import psnr
from runir.images import Picture, read_picture, write_picture
from runir.inference import Restorer, part
from runir.weights import find_model

DATA = Path(__file__).parents[1] / "data"
FAST = ("--model", "run-t.denoise")


def run(*words: object) -> int:
    return main(["restore", *map(str, words)])


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def test_a_preview_is_that_part_of_the_whole_result(noisy: Path) -> None:
    assert run(noisy, *FAST, "--preview", "100,60,90,80") == 0
    assert run(noisy, *FAST) == 0
    shown = pixels(noisy.with_name("noisy.preview.png"))
    assert shown.shape == (80, 90, 3)
    whole = pixels(noisy.with_name("noisy.restored.png"))[60:140, 100:190]
    np.testing.assert_array_equal(shown, whole)


def test_a_preview_beyond_the_edge_is_cut_and_outside_it_refused(
    noisy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(noisy, *FAST, "--preview", "200,200,900,900") == 0
    assert Image.open(noisy.with_name("noisy.preview.png")).size == (40, 40)
    assert run(noisy, *FAST, "--preview", "240,0,5,5", "--overwrite") == 2
    assert "outside" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        run(noisy, *FAST, "--preview", "1,2,3")
    assert caught.value.code == 2


@pytest.mark.parametrize("style", ["split", "side"])
def test_a_comparison_shows_before_and_after(noisy: Path, style: str) -> None:
    shown = noisy.with_name("compare.png")
    assert run(noisy, *FAST, "--compare", shown, "--compare-style", style) == 0
    both, before, after = (pixels(p) for p in (shown, noisy, noisy.with_name("noisy.restored.png")))
    height, width = before.shape[:2]
    assert both.shape == (height, width if style == "split" else 2 * width + 8, 3)
    np.testing.assert_array_equal(both[:, : width // 2 - 2], before[:, : width // 2 - 2])
    np.testing.assert_array_equal(both[:, -(width // 2 - 2) :], after[:, -(width // 2 - 2) :])


def test_a_comparison_of_a_part_shows_that_part(noisy: Path) -> None:
    shown = noisy.with_name("compare.png")
    words = ("--preview", "10,20,101,50", "--compare", shown, "--compare-style", "side")
    assert run(noisy, *FAST, *words) == 0
    np.testing.assert_array_equal(pixels(shown)[:, :101], pixels(noisy)[20:70, 10:111])


def test_format_and_depth_can_be_chosen(noisy: Path) -> None:
    assert run(noisy, *FAST, "--format", "tiff", "--bit-depth", "16") == 0
    result = read_picture(noisy.with_name("noisy.restored.tif"))
    assert result.format == "TIFF"
    deep = np.rint(result.pixels * 65535)
    assert np.abs(deep - deep.round(-2)).max() > 0  # really more than 8 bit
    assert len(np.unique(deep)) > 256
    assert run(noisy, *FAST, "--format", "tiff", "-o", noisy.with_name("x.png")) == 2


def test_sixteen_bit_stays_sixteen_bit(tmp_path: Path, noisy: Path) -> None:
    ramp = np.linspace(0.2, 0.8, 300 * 40).reshape(40, 300, 1).repeat(3, 2).astype(np.float32)
    write_picture(Picture(ramp), tmp_path / "deep.png", bit_depth=16)
    assert run(tmp_path / "deep.png", *FAST) == 0
    result = read_picture(tmp_path / "deep.restored.png").pixels
    assert len(np.unique(np.rint(result * 65535))) > 2000
    assert np.abs(result - ramp).max() < 3 / 255


def test_tta_is_better(noisy: Path) -> None:
    clean = pixels(DATA / "hippo.webp")
    scores = []
    for index, words in enumerate([(), ("--tta",)]):
        target = noisy.with_name(f"{index}.png")
        assert run(noisy, *FAST, *words, "-o", target) == 0
        scores.append(psnr(pixels(target), clean))
    assert scores[1] > scores[0]


def test_nothing_to_do_is_a_copy_of_the_file(tmp_path: Path) -> None:
    Image.open(DATA / "house.webp").convert("RGB").save(tmp_path / "a.jpg", quality=90)
    assert run(tmp_path / "a.jpg", "--strength", "0") == 0
    assert (tmp_path / "a.restored.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert run(tmp_path / "a.jpg", "--strength", "0", "-o", tmp_path / "a.png") == 0
    assert np.abs(pixels(tmp_path / "a.png") - pixels(tmp_path / "a.jpg")).max() <= 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png", "a.restored.jpg"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--task", "auto", "--model", "run-t.denoise"], "auto"),
        (["--task", "denoise,deblur", "--model", "run-t.denoise"], "one of the two"),
        (["--task", "denoise,deblurr"], "did you mean 'deblur'"),
        (["--device", "npu"], "npu"),
        (["--max-pixels", "1000"], "240 x 240"),
        (["--max-pixels", "0"], "max-pixels"),
        (["--fast", "--model", "run-t.denoise"], "one of the two"),
        (["--task", "auto,denoise"], "stands alone"),
        (["--recursive"], "for folders"),
        (["-o", "same.png", "--compare", "same.png"], "another name"),
    ],
)
def test_wrong_choices_are_refused(
    noisy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(noisy.parent)
    assert run(noisy, *words) == (1 if "1000" in words else 2)
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert [p.name for p in noisy.parent.iterdir()] == ["noisy.png"]


def test_a_long_job_is_announced(
    noisy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import runir.cli.restore as module

    wide = noisy.with_name("wide.png")
    Image.fromarray(np.tile(pixels(noisy).astype(np.uint8), (1, 6, 1))).save(wide)
    assert run(wide, *FAST) == 0
    assert capsys.readouterr().err == ""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("runir.cli.restore.time.perf_counter", lambda: float(next(clock)))
    bar = module._Bar(live=False)
    for done in range(1, 5):
        bar(done, 4)
    assert capsys.readouterr().err == "4 tiles, about 30 s\n"  # 10 s each, three to go


def test_the_whole_time_decides_what_is_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six tiles of 1.1 seconds are more than five, though less is left once that is known."""
    import runir.cli.restore as module

    clock = iter(1.1 * k for k in range(9))
    monkeypatch.setattr("runir.cli.restore.time.perf_counter", lambda: next(clock))
    bar = module._Bar(live=False)
    for done in range(1, 7):
        bar(done, 6)
    assert capsys.readouterr().err == "6 tiles, about 4 s\n"


def test_what_comes_before_the_first_tile_is_no_part_of_the_estimate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding a blur takes seconds, once; with each of 60 tiles it would take ten minutes."""
    import runir.cli.restore as module

    times = iter((0.0, 9.0, 9.2, 9.4, 9.6, 9.8, 10.0, 10.3))
    monkeypatch.setattr("runir.cli.restore.time.perf_counter", lambda: next(times))
    bar = module._Bar(live=False)
    for done in range(7):
        bar(done, 63)
    assert capsys.readouterr().err == "63 tiles, about 13 s\n"


def test_a_fault_is_told_on_a_line_of_its_own(
    noisy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import runir.cli.restore as module
    from runir.errors import RunirError

    def fails(*arguments: object) -> None:
        bar = arguments[-1]
        assert isinstance(bar, module._Bar)
        bar(1, 9)
        bar(2, 9)
        raise RunirError("a.jpg: the JPEG data are damaged")

    monkeypatch.setattr(module, "restore_file", fails)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert run(noisy, *FAST) == 1
    before, _, told = capsys.readouterr().err.rpartition("\r")
    assert "2/9 tiles" in before
    assert told == "runir: a.jpg: the JPEG data are damaged\n"


def test_a_depth_that_the_format_lacks_is_wrong_usage(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(noisy, noisy, *FAST, "--format", "png", "--bit-depth", "12") == 2
    assert capsys.readouterr().err == "runir: PNG has no 12 bits per channel; use 8 or 16 or another format\n"


def test_an_exported_model_has_a_task_and_is_not_taken_for_a_shipped_one(
    noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(find_model("run-t.photo").folder, tmp_path / "run-t.denoise")
    monkeypatch.chdir(tmp_path)
    words = ("--overwrite", "--json")
    for name, model in (("run-t.denoise", "run-t.denoise"), ("./run-t.denoise", "run-t.photo")):
        assert run(noisy, "--model", name, *words) == 0
        assert json.loads(capsys.readouterr().out)["models"] == [model]
    assert run(noisy, "--model", "./run-t.denoise", "--task", "lowlight", *words) == 2
    assert "is for task 'photo', not 'lowlight'" in capsys.readouterr().err


def test_a_model_that_is_made_anew_is_read_anew(tmp_path: Path) -> None:
    picture = pixels(DATA / "hippo.webp").astype(np.float32)[:40, :40] / 255
    for name in ("run-t.photo", "run-t.derain"):
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        shutil.copytree(find_model(name).folder, tmp_path / "mine")
        os.utime(tmp_path / "mine" / "card.toml", ns=(0, len(name)))
        found = runir.restore(picture, model=str(tmp_path / "mine"))
        np.testing.assert_array_equal(found, runir.Restorer(name)(picture))


def test_floats_that_are_no_numbers_are_replaced_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tifffile

    picture = np.full((40, 50, 3), 0.5, np.float32)
    picture[3, 4], picture[5, 6], picture[7, 8] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb")
    assert run(tmp_path / "a.tif", *FAST) == 0
    assert "9 values that are no numbers were replaced" in capsys.readouterr().out
    result = tifffile.imread(tmp_path / "a.restored.tif")
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert np.abs(result[20:] - 0.5).max() < 0.02


def test_floats_to_255_are_refused_and_highlights_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tifffile

    picture = np.random.default_rng(0).uniform(0.1, 0.9, (50, 60, 3)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", picture * 255, photometric="rgb")
    for verb in ("restore", "inspect"):
        assert main([verb, str(tmp_path / "a.tif")]) == 1
        error = capsys.readouterr().err
        assert "divide them by 255" in error
        assert error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    picture[:10] += 50
    tifffile.imwrite(tmp_path / "b.tif", picture, photometric="rgb")
    assert run(tmp_path / "b.tif", *FAST) == 0
    restored = tifffile.imread(tmp_path / "b.restored.tif")
    assert np.abs(restored[:10] - picture[:10]).max() < 1
    assert restored[20:].std() < 0.7 * picture[20:].std()


def test_captions_and_comments_go_along_or_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    iptc = b"\x1c\x02\x78\0\4pier"
    photo = Picture(read_picture(DATA / "hippo.webp").pixels, lossless=False, iptc=iptc, texts=(("COM", b"at dusk"),))
    write_picture(photo, tmp_path / "a.jpg")
    assert run(tmp_path / "a.jpg", *FAST) == 0
    assert "note" not in capsys.readouterr().out
    after = read_picture(tmp_path / "a.restored.jpg")
    assert (after.iptc, after.texts) == (iptc, (("COM", b"at dusk"),))
    assert run(tmp_path / "a.jpg", *FAST, "-o", tmp_path / "a.webp") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")] == [
        "note: IPTC data dropped: WebP cannot hold it",
        "note: JPEG comment dropped: WebP cannot hold it",
    ]


def test_colours_under_transparency_come_back_bit_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (90, 130, 4), dtype=np.uint8)
    colours[:40, :, 3] = 0
    colours[40:, :, 3] = 255
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", *FAST) == 0
    result = np.asarray(Image.open(tmp_path / "a.restored.png"))
    np.testing.assert_array_equal(result[..., 3], colours[..., 3])
    np.testing.assert_array_equal(result[:40], colours[:40])
    assert np.abs(result[40:].astype(int) - colours[40:]).mean() > 5


def test_hidden_colours_do_not_bleed(tmp_path: Path) -> None:
    """Bright red under the transparent half must not tint the gray beside it."""
    results = []
    for hidden in ((255, 0, 0), (128, 128, 128)):
        picture = np.full((64, 64, 4), (128, 128, 128, 255), np.uint8)
        picture[:, :32] = (*hidden, 0)
        Image.fromarray(picture).save(tmp_path / "a.png")
        assert run(tmp_path / "a.png", *FAST, "--overwrite") == 0
        results.append(np.asarray(Image.open(tmp_path / "a.restored.png")).astype(int)[:, 32:, :3])
    assert np.abs(results[0] - results[1]).max() <= 2


@pytest.mark.parametrize("rows", [(0, 60), (0, 64), (64, 128), (0, 128), (100, 200), (0, 200)])
def test_hidden_colours_do_not_bleed_wherever_they_lie(tmp_path: Path, rows: tuple[int, int]) -> None:
    """The file is read in strips of 64 rows; none of its edges may show."""
    results = []
    for hidden in ((255, 0, 0), (128, 128, 128)):
        picture = np.full((200, 64, 4), (128, 128, 128, 255), np.uint8)
        picture[slice(*rows)] = (*hidden, 0)
        Image.fromarray(picture).save(tmp_path / "a.png")
        assert run(tmp_path / "a.png", *FAST, "--overwrite") == 0
        result = np.asarray(Image.open(tmp_path / "a.restored.png")).astype(int)
        np.testing.assert_array_equal(result[slice(*rows)], picture[slice(*rows)])
        results.append(np.delete(result, slice(*rows), axis=0)[..., :3])
    assert results[0].size == 0 or np.abs(results[0] - results[1]).max() <= 2


@pytest.mark.parametrize("pixels_at_once", [part.CHUNK_PIXELS, 2000])
def test_a_file_larger_than_a_chunk_is_the_same_as_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels_at_once: int
) -> None:
    monkeypatch.setattr(part, "CHUNK_PIXELS", pixels_at_once)
    clean = read_picture(DATA / "hippo.webp").pixels
    tall = np.concatenate([clean, clean[::-1]] * 3)[: 9 * part.CHUNK + 7]
    write_picture(Picture(np.ascontiguousarray(tall)), tmp_path / "a.png")
    assert run(tmp_path / "a.png", *FAST) == 0
    expected = np.rint(Restorer("run-t.denoise")(tall).clip(0, 1) * 255)
    assert np.abs(pixels(tmp_path / "a.restored.png") - expected).max() <= 1
