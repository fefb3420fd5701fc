"""`runir evaluate`, `models`, `train`, `export`."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runir.benchmark import Result, Setting
from runir.cli import benchmark
from runir.cli.main import main
from runir.degradations import awgn
from runir.evaluation import psnr
from runir.images import read_picture
from runir.inference import Restorer
from runir.inspection import RAIN_NETWORK
from runir.weights import Model
from runir.weights.card import read_card

DATA = Path(__file__).parents[1] / "data"
RECIPES = Path(__file__).parents[2] / "recipes"


def out(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_evaluate_reports_the_input_beside_the_result(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = out(capsys, "evaluate", "--model", "run-t.denoise", "--clean", DATA, "--degrade", "awgn:25", "--json",
               "--csv", tmp_path / "s.csv")  # fmt: skip
    report = json.loads(text)
    assert (report["model"], report["protocol"], report["seed"]) == ("run-t.denoise", "awgn-rgb", 0)
    assert report["psnr"] > report["input_psnr"] + 7
    assert report["ssim"] > report["input_ssim"]
    names = sorted(p.name for p in DATA.glob("*.webp"))
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    assert report["n"] == len(names)
    # The last picture once more, by hand.
    clean = read_picture(DATA / names[-1]).pixels
    noisy = awgn(clean, 25, np.random.default_rng(len(names) - 1))
    restored = np.floor(Restorer("run-t.denoise")(noisy).clip(0, 1) * 255 + 0.5)
    assert float(rows[-1]["psnr"]) == pytest.approx(psnr(restored, clean * 255), abs=1e-3)


def test_evaluate_names_the_self_ensemble(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes((DATA / "hippo.webp").read_bytes())
    words = ["evaluate", "--model", "run-t.denoise", "--clean", tmp_path, "--degrade", "awgn:25", "--json"]
    plain, averaged = (json.loads(out(capsys, *words, *more)) for more in ((), ("--tta",)))
    assert (plain["tta"], averaged["tta"]) == (False, True)
    assert averaged["psnr"] > plain["psnr"]


def test_evaluate_takes_pairs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for side, sigma in (("in", 20), ("out", 0)):
        (tmp_path / side).mkdir()
        clean = read_picture(DATA / "hippo.webp").pixels[:80, :90]
        pixels = awgn(clean, sigma, np.random.default_rng(0)).clip(0, 1) * 255
        Image.fromarray(np.rint(pixels).astype(np.uint8)).save(tmp_path / side / "a.png")
    words = ["evaluate", "--model", "run-t.denoise", "--input", tmp_path / "in", "--target", tmp_path / "out"]
    assert json.loads(out(capsys, *words, "--json"))["protocol"] == "rgb"
    text = out(capsys, *words, "--protocol", "y-float")
    assert "y-float" in text
    assert "input" in text
    same = [*words[:-1], tmp_path / "in"]
    assert json.loads(out(capsys, *same, "--strength", "0", "--json"))["psnr"] is None  # infinite


def test_evaluate_refuses_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (("--clean", DATA), ("--input", DATA), (), ("--clean", DATA, "--dataset", "cbsd68", "--root", DATA)):
        assert "--clean DIR --degrade SPEC, or --input DIR --target DIR, or --dataset" in refused(
            capsys, "evaluate", *words
        )
    assert "--degrade goes with" in refused(
        capsys, "evaluate", "--input", DATA, "--target", DATA, "--degrade", "awgn:5"
    )
    assert "did you mean 'awgn'" in refused(capsys, "evaluate", "--clean", DATA, "--degrade", "agwn:5")
    assert "did you mean 'y-float'" in refused(
        capsys, "evaluate", "--clean", DATA, "--degrade", "awgn:5", "--protocol", "yfloat"
    )
    assert "no pictures" in refused(capsys, "evaluate", "--clean", tmp_path, "--degrade", "awgn:5")
    assert "--protocol rgb" in refused(
        capsys, "evaluate", "--clean", DATA, "--degrade", "camera", "--protocol", "awgn-rgb"
    )
    assert "--protocol rgb" in refused(
        capsys, "evaluate", "--clean", DATA, "--degrade", "gray-awgn:25", "--protocol", "awgn-rgb"
    )


@pytest.mark.parametrize(("spec", "protocol"), [("awgn:25", "awgn-rgb"), ("gray-awgn:25", "rgb"), ("rain", "rgb")])
def test_benchmark_takes_the_protocol_of_the_noise(
    spec: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Setting] = []

    def compare(methods: object, setting: Setting, log: object) -> list[Result]:
        asked.append(setting)
        return []

    monkeypatch.setattr(benchmark, "choose_methods", lambda *_: ([], {}))
    monkeypatch.setattr(benchmark, "compare_methods", compare)
    monkeypatch.setattr(benchmark, "_write", lambda *_: [])
    monkeypatch.setattr(benchmark, "table", lambda results: "")
    assert main(["benchmark", "--data", str(DATA), "--degrade", spec, "--out", str(tmp_path)]) == 0
    assert [setting.protocol for setting in asked] == [protocol]


def test_evaluate_goes_on_after_a_bad_file_and_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")
    (tmp_path / "b.webp").write_bytes((DATA / "hippo.webp").read_bytes())
    words = ["evaluate", "--clean", str(tmp_path), "--degrade", "awgn:25", "--model", "run-t.denoise", "--json"]
    assert main(words) == 1
    text, error = capsys.readouterr()
    report = json.loads(text)
    assert [row["name"] for row in report["pictures"]] == ["b.webp"]
    assert error.startswith(f"failed: {tmp_path / 'a.png'}: ")
    assert report["failed"] == [error.removeprefix("failed: ").strip()]


def test_evaluate_takes_the_model_for_the_degradation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    for spec, task in (("lowlight", "lowlight"), ("rain", "derain"), ("camera", "photo"), ("gray-awgn:9", "denoise")):
        report = json.loads(out(capsys, "evaluate", "--clean", tmp_path, "--degrade", spec, "--json"))
        assert report["model"].endswith(f".{task}")
        assert report["protocol"] == "rgb"  # awgn-rgb is independent noise in every channel
    words = ["evaluate", "--input", tmp_path, "--target", tmp_path, "--protocol", "lol-rgb"]
    assert json.loads(out(capsys, *words, "--json"))["model"].endswith(".lowlight")
    assert "input   equal to the target  SSIM 1.0000" in out(capsys, *words)


def test_models_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "models")
    assert "run-s.denoise" in text
    assert "run-t.denoise" in text
    card = json.loads(out(capsys, "models", "show", "run-s.denoise", "--json"))
    assert card["name"] == "run-s.denoise"
    assert 'name = "run-s.denoise"' in out(capsys, "models", "show", "run-s.denoise")
    assert {row["name"] for row in json.loads(out(capsys, "models", "--json"))} >= {"run-s.denoise"}
    assert "did you mean 'run-t.denoise'" in refused(capsys, "models", "show", "run-t.denoisr")
    assert "give a model's name" in refused(capsys, "models", "show")


def test_looking_keeps_to_the_engine_and_the_processors_that_were_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runir.api

    asked: list[tuple[str, object, object]] = []

    class Watched(Restorer):
        def __init__(self, model: str, **options: Any) -> None:
            asked.append((model, options["engine"], options["threads"]))
            super().__init__(model, **options)

    monkeypatch.setattr(runir.api, "Restorer", Watched)
    (tmp_path / "in").mkdir()
    Image.open(DATA / "house.webp").save(tmp_path / "in" / "a.png")
    words = ("--engine", "torch", "--threads", "1")
    out(capsys, "inspect", tmp_path / "in" / "a.png", *words)
    out(capsys, "restore", tmp_path / "in" / "a.png", "--task", "auto", *words)
    out(capsys, "restore", tmp_path / "in", "-o", tmp_path / "out", "--task", "auto", "--fast", *words)
    assert {(engine, threads) for _, engine, threads in asked} == {("torch", 1)}
    assert [model for model, _, _ in asked].count(RAIN_NETWORK) == 3
    assert "did you mean 'openvino'" in refused(capsys, "inspect", tmp_path / "in" / "a.png", "--engine", "openvion")


def test_of_several_files_one_that_cannot_be_read_is_told_and_passed_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    files = [DATA / "house.webp", tmp_path / "bad.png", DATA / "flowers.webp"]
    assert main(["inspect", *map(str, files), "--json"]) == 1
    told = capsys.readouterr()
    assert [json.loads(line)["input"] for line in told.out.splitlines()] == [str(files[0]), str(files[2])]
    assert "bad.png" in told.err


def test_train_refuses_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = RECIPES / "cpu" / "run-t.denoise.toml"
    system = ("--allocator", "system", "--out", tmp_path / "out")
    assert "no such file" in refused(capsys, "train", tmp_path / "no.toml", "--data", DATA, *system)
    assert "no pictures" in refused(capsys, "train", recipe, "--data", tmp_path, *system)
    assert "give --data" in refused(capsys, "train", recipe, *system)
    empty = f"data.folders=['{tmp_path}']"
    assert f"{tmp_path}: no pictures" in refused(capsys, "train", recipe, "--set", empty, *system)
    assert not (tmp_path / "out").exists()
    assert "did you mean 'hours'" in refused(
        capsys, "train", recipe, "--data", DATA, "--set", "schedule.huors=1", *system
    )


def test_a_trained_run_becomes_a_model_that_restores(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe, run = RECIPES / "cpu" / "run-t.denoise.toml", tmp_path / "run"
    (tmp_path / "none.txt").touch()
    assignments = [
        "schedule.steps=2",
        "schedule.phases=[{share=1, batch=1, patch=16}]",
        f"data.held_out='{tmp_path}/none.txt'",
    ]
    words = [word for a in assignments for word in ("--set", a)]
    out(capsys, "train", recipe, "--data", DATA, "--out", run, "--allocator", "system", *words)
    text = out(
        capsys,
        "export",
        run,
        "--to",
        tmp_path / "models",
        "--tile",
        "64",
        "--overlap",
        "8",
        "--description",
        "d",
    )
    folder = tmp_path / "models" / "run-t.denoise"
    assert str(folder) in text
    assert "licence on the card: unstated" in text
    model = Model(read_card(folder / "card.toml"), folder)
    assert (model.card.description, model.card.recipe) == ("d", "recipe.toml beside this card")
    assert model.card.training == "weights of step 2 of 2"
    assert model.card.steps == 2
    shown = out(capsys, "models", "show", folder)
    assert "steps = 2\ngigapixels = 5.12e-07\n" in shown
    picture = read_picture(DATA / "hippo.webp").pixels[:100, :70]
    results = [Restorer(model, engine=engine)(picture) for engine in ("openvino", "torch")]
    assert np.abs(results[0] - results[1]).max() < 1e-3
    assert "multiple of 16" in refused(capsys, "export", run, "--to", tmp_path / "m", "--tile", "50")
    assert "no such file" in refused(capsys, "export", tmp_path / "nothing", "--to", tmp_path / "m")
