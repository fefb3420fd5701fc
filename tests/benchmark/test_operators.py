"""The operator study: equal trainings, kept scores, and a page that says what they were."""

import argparse
import importlib
import json
import tomllib
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("study_operators")


@pytest.fixture
def results(study: ModuleType) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(study.RESULTS.read_text("utf-8"))
    return loaded


def test_placements_differ_in_the_network_alone(study: ModuleType, results: dict[str, Any]) -> None:
    seen: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in study.RUNS:
        size = results["sizes"][run.placement]
        assert abs(size["ratio"] - 1) <= 0.05
        recipe = tomllib.loads(study.recipe(run, size["network"], results["steps"]))
        levels = recipe["model"].pop("network")["levels"]
        assert tuple(level["operator"] for level in levels) == study.PLACEMENTS[run.placement]
        assert [(level["encoder"], level["decoder"]) for level in levels] == [(0, 1), (1, 1), (2, 0)]
        seen.setdefault((run.task, run.seed), []).append(recipe)
    assert set(seen) == {("denoise", 0), ("denoise", 1), ("derain", 0)}
    for recipes in seen.values():
        assert len(recipes) == 5
        assert all(recipe == recipes[0] for recipe in recipes)


def test_each_run_has_its_scores(study: ModuleType, results: dict[str, Any]) -> None:
    assert set(results["scores"]) == {run.folder for run in study.RUNS}
    for run in study.RUNS:
        assert set(results["scores"][run.folder]) == set(study.LEVELS[run.task])


def test_a_training_is_kept_and_not_done_twice(
    study: ModuleType, results: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "held_out.txt").write_text("house.webp\n", "utf-8")
    command = ["--data", str(ROOT / "tests" / "data"), "--out", str(tmp_path), "--steps", "2", "--only", "derain.0"]
    command += ["--held-out", str(tmp_path / "held_out.txt"), "--results", str(tmp_path / "results.json")]
    done = {run.folder: {"awgn:25": 30.0} for run in study.RUNS if run.placement != "all Conv"}
    study.keep({"steps": 2, "sizes": results["sizes"], "scores": done}, tmp_path / "results.json")
    for expected in (True, False):
        study.main(command)
        assert ("all-conv.derain.0: begun" in capsys.readouterr().out) is expected
    kept = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert set(kept["scores"]) == {*done, "all-conv.derain.0"}
    assert all(10 < kept["scores"]["all-conv.derain.0"][level] < 60 for level in study.LEVELS["derain"])


def test_no_training_begins_after_the_hours(study: ModuleType, tmp_path: Path) -> None:
    options = argparse.Namespace(hours=0.0, jobs=2, out=tmp_path)
    study.Study({"scores": {}}, options).run(study.RUNS)
    assert not list(tmp_path.iterdir())


def test_no_training_begins_after_one_has_failed(
    study: ModuleType, results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = argparse.Namespace(
        hours=None, jobs=2, threads=2, out=tmp_path, data=[tmp_path], results=tmp_path / "results.json"
    )
    begun: list[str] = []

    def fails(command: list[str], **_: Any) -> None:
        begun.append(command[4])
        raise CalledProcessError(1, command)

    monkeypatch.setattr("subprocess.run", fails)
    with pytest.raises(CalledProcessError):
        study.Study(results | {"scores": {}}, options).run(study.RUNS)
    assert 1 <= len(begun) <= 2
    assert not options.results.exists()


def test_the_page_is_made_from_the_results(study: ModuleType, results: dict[str, Any]) -> None:
    page = importlib.import_module("operators_page")
    text = page.PAGE.read_text("utf-8")
    assert text == page.between(text, page.BEGIN, page.tables(results))
