"""`runir restore`: unusual but good input works, bad input gets one line, nothing is lost."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from runir.cli.main import main
from runir.weights import find_model

MODEL = "run-t.denoise"


def noisy(mode: str = "RGB", size: tuple[int, int] = (61, 43)) -> Image.Image:
    """A drawn picture with noise, of any Pillow mode."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[1], : size[0]]
    plane = 120 + 60 * np.sin(x / 9) * np.cos(y / 7)
    pixels = np.stack([plane, plane[::-1], 255 - plane], -1) + rng.normal(0, 20, (size[1], size[0], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def run(*words: object) -> int:
    return main(["restore", *map(str, words), "--model", MODEL])


def one_line(capsys: pytest.CaptureFixture[str], *words: str) -> None:
    error = capsys.readouterr().err
    assert error.startswith("runir: ")
    assert error.count("\n") == 1
    for word in words:
        assert word in error, error


def roughness(image: Image.Image) -> float:
    return float(np.abs(np.diff(np.asarray(image.convert("L"), np.float32), axis=1)).mean())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.webp", "a.tif", "a.tiff", "a.avif"])
def test_each_format_comes_back_in_kind_and_smoother(tmp_path: Path, name: str) -> None:
    noisy().save(tmp_path / name, quality=95)
    before = (tmp_path / name).read_bytes()
    assert run(tmp_path / name) == 0
    stem, ending = name.split(".")
    result = Image.open(tmp_path / f"{stem}.restored.{ending}")
    assert (result.size, result.mode, result.format) == ((61, 43), "RGB", Image.open(tmp_path / name).format)
    assert roughness(result) < 0.7 * roughness(noisy())
    assert (tmp_path / name).read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, f"{stem}.restored.{ending}"])


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 5000), (17, 513)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    noisy(size=size).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png") == 0
    assert Image.open(tmp_path / "a.restored.png").size == size


@pytest.mark.parametrize(("mode", "comes_back"), [("L", "L"), ("1", "L"), ("P", "RGB"), ("LA", "LA"), ("RGBA", "RGBA")])
def test_modes(tmp_path: Path, mode: str, comes_back: str) -> None:
    image = noisy("L" if mode == "LA" else "RGB" if mode == "RGBA" else mode)
    alpha = Image.fromarray(np.random.default_rng(1).integers(0, 256, (43, 61), dtype=np.uint8))
    if mode in ("LA", "RGBA"):
        image.putalpha(alpha)
    image.save(tmp_path / "a.png")
    assert run(tmp_path / "a.png") == 0
    result = Image.open(tmp_path / "a.restored.png")
    assert result.mode == comes_back
    if "A" in mode:
        np.testing.assert_array_equal(np.asarray(result.getchannel("A")), np.asarray(alpha))


def test_orientation_is_applied_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noisy().save(tmp_path / "a.jpg", quality=95, exif=exif)
    assert run(tmp_path / "a.jpg", "--strength", 0) == 0
    result = Image.open(tmp_path / "a.restored.jpg")
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg"))
    assert result.size == (43, 61) == upright.size
    assert result.getexif().get(0x0112, 1) == 1
    # Two rounds of JPEG differ by a few levels; another orientation by tens.
    assert np.abs(np.asarray(result, np.int16) - np.asarray(upright, np.int16)).mean() < 5


def test_cmyk_is_converted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert run(tmp_path / "a.jpg") == 0
    assert "CMYK" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.restored.jpg").mode == "RGB"


def test_unicode_names_and_new_folders(tmp_path: Path) -> None:
    source = tmp_path / "ü 写真 🐱.png"
    noisy().save(source)
    assert run(source, "-o", tmp_path / "neu" / "tief" / "ergebnis ✓.webp") == 0
    assert Image.open(tmp_path / "neu" / "tief" / "ergebnis ✓.webp").format == "WEBP"


def test_strength_zero_is_lossless_in_lossless_formats(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        noisy().save(tmp_path / name)
        assert run(tmp_path / name, "--strength", 0) == 0
        result = np.asarray(Image.open(tmp_path / name.replace(".", ".restored.")))
        np.testing.assert_array_equal(result, np.asarray(noisy()))


def test_quality_is_settable(tmp_path: Path) -> None:
    noisy(size=(200, 200)).save(tmp_path / "a.png")
    sizes = []
    for quality in (30, 95):
        assert run(tmp_path / "a.png", "-o", tmp_path / f"{quality}.jpg", "--quality", quality) == 0
        sizes.append((tmp_path / f"{quality}.jpg").stat().st_size)
    assert sizes[0] < 0.6 * sizes[1]


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["output"].endswith("a.restored.png")
    assert (data["models"], data["width"], data["height"]) == ([MODEL], 61, 43)
    assert (data["engine"], data["device"], data["precision"]) == ("openvino", "cpu", "f32")


def test_engines_give_the_same_file(tmp_path: Path) -> None:
    noisy().save(tmp_path / "a.png")
    results = []
    for engine in ("openvino", "onnxruntime", "torch"):
        assert run(tmp_path / "a.png", "-o", tmp_path / f"{engine}.png", "--engine", engine) == 0
        results.append(np.asarray(Image.open(tmp_path / f"{engine}.png"), np.int16))
    assert max(np.abs(r - results[0]).max() for r in results) <= 1


def test_nothing_is_overwritten_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    (tmp_path / "a.restored.png").write_text("mine")
    assert run(tmp_path / "a.png") == 2
    one_line(capsys, "a.restored.png", "--overwrite")
    assert (tmp_path / "a.restored.png").read_text() == "mine"
    assert run(tmp_path / "a.png", "--overwrite") == 0
    assert Image.open(tmp_path / "a.restored.png").size == (61, 43)


def test_the_original_is_never_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for target in ("a.png", "link.png"):
        assert run(tmp_path / "a.png", "-o", tmp_path / target, "--overwrite") == 2
        one_line(capsys, "never overwritten")
    assert (tmp_path / "a.png").read_bytes() == before


def bad_files(folder: Path) -> dict[str, Path]:
    whole = folder / "whole.jpg"
    noisy(size=(300, 200)).save(whole)
    files = {
        "empty": folder / "empty.png",
        "cut": folder / "cut.jpg",
        "text": folder / "text.png",
    }
    files["empty"].touch()
    files["cut"].write_bytes(whole.read_bytes()[:3000])
    files["text"].write_text("this is no picture\n")
    return files


@pytest.mark.parametrize(("kind", "word"), [("empty", "empty"), ("cut", "cut.jpg"), ("text", "text.png")])
def test_bad_pictures_fail_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, word: str
) -> None:
    path = bad_files(tmp_path)[kind]
    before = sorted(p.name for p in tmp_path.iterdir())
    assert run(path) == 1
    one_line(capsys, str(path), word)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["missing.png"], ["missing.png: no such file"]),
        (["."], ["is a folder", "-o FOLDER"]),
        (["a.png", "-o", "b.bmp"], ["b.bmp", ".png"]),
        (["a.png", "--strength", "7"], ["strength = 7", "0", "1"]),
        (["a.png", "--strength", "nan"], ["strength"]),
        (["a.png", "--quality", "0"], ["quality"]),
        (["a.png", "--threads", "0"], ["threads"]),
        (["a.png", "--engine", "openvion"], ["did you mean 'openvino'"]),
        (["a.png", "--precision", "fp32"], ["f32"]),
        (["a.png", "--task", "denoize"], ["did you mean 'denoise'"]),
    ],
)
def test_wrong_usage_exits_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    noisy().save(tmp_path / "a.png")
    assert run(*words) == 2
    one_line(capsys, *expected)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for words in ([], ["-o", tmp_path / "b.png"]):
        assert run(tmp_path / "a.jpg", *words) == 2
        one_line(capsys, "a.jpg: is not an ordinary file")


def test_a_format_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.bmp")
    for words in ([], ["-o", tmp_path / "b.png"], ["-o", tmp_path / "new"]):
        assert run(tmp_path / "a.bmp", *words) == 1
        one_line(capsys, "a.bmp: BMP is not supported; convert it")


@pytest.mark.parametrize(
    ("name", "content", "result"),
    [("a.jpg", "PNG", "a.restored.png"), ("a.HEIC", "JPEG", "a.restored.jpg"), ("a", "WEBP", "a.restored.webp")],
)
def test_the_result_is_what_the_file_is_whatever_its_name_says(
    tmp_path: Path, name: str, content: str, result: str
) -> None:
    noisy().save(tmp_path / name, format=content)
    assert run(tmp_path / name) == 0
    assert Image.open(tmp_path / result).format == content
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, result])


def test_in_a_folder_names_stay_and_a_note_tells_of_the_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    noisy().save(tmp_path / "in" / "a.jpg", format="PNG")
    assert run(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert "a.jpg: is PNG, whatever its name says: written as JPEG" in capsys.readouterr().out


def test_unknown_model_and_option_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    assert main(["restore", str(tmp_path / "a.png"), "--model", "run-t.denoize"]) == 2
    one_line(capsys, "did you mean 'run-t.denoise'")
    with pytest.raises(SystemExit) as caught:
        run(tmp_path / "a.png", "--strenght", "1", "--nonsense")
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_in_the_way_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    (tmp_path / "folder").write_text("a file")
    assert run(tmp_path / "a.png", "-o", tmp_path / "folder" / "b.png") == 1
    one_line(capsys, "folder")
    assert (tmp_path / "folder").read_text() == "a file"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    noisy(size=(300, 300)).save(tmp_path / "a.png")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "runir", "restore", str(tmp_path / "a.png"), "--model", MODEL]
    done = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "a.restored.png: disk full" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_corrupted_weight_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy().save(tmp_path / "a.png")
    shutil.copytree(find_model(MODEL).folder, tmp_path / "model")
    weights = bytearray((tmp_path / "model" / "model.onnx").read_bytes())
    weights[1000] ^= 255
    words = ["restore", str(tmp_path / "a.png"), "--model", str(tmp_path / "model")]
    assert main(words) == 0  # a folder that holds a model is as good as a name
    (tmp_path / "model" / "model.onnx").write_bytes(weights)
    assert main([*words, "--overwrite"]) == 1
    one_line(capsys, "model.onnx", "damaged")


def test_interrupt_exits_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import runir.cli.restore as module

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "restore_file", interrupted)
    noisy().save(tmp_path / "a.png")
    assert run(tmp_path / "a.png") == 130
    assert "interrupted" in capsys.readouterr().err


def test_no_verb_and_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in [
        ([], 2),
        (["--help"], 0),
        (["restore", "--help"], 0),
        (["--version"], 0),
        (["restor", "a"], 2),
    ]:
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == code
    assert "runir" in capsys.readouterr().out


def test_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    noisy(size=(1200, 1000)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "runir", "restore", str(tmp_path / "a.png"), "--model", MODEL]
    process = subprocess.Popen(command, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    while process.poll() is None and not list(tmp_path.glob(".runir-*")):
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "a.restored.png").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_in_mid_work_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    noisy(size=(2600, 2000)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "runir", "restore", str(tmp_path / "a.png"), "--model", MODEL]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    while process.poll() is None and not list(tmp_path.glob(".runir-*")):
        time.sleep(0.05)
    assert process.poll() is None  # the result has been begun, and is not finished
    process.send_signal(number)
    assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
