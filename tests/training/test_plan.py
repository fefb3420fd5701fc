"""Dry runs: what is counted is right, what is missing is said, and nothing is written."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from runir.cli.main import main
from runir.errors import UsageError
from runir.models.run import RUN
from runir.training.costs import GPU, Costs, kept_bytes
from runir.training.network import network_config
from runir.training.norms import attach_norms
from runir.training.plan import Plan, in_words, make_plan, on_gpus
from runir.training.recipe import load_recipe
from runir.training.survey import chosen_names, shortfalls, survey

RECIPES = Path(__file__).parents[2] / "recipes"


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    before = files(project)
    assert main(["train", "tiny.toml", "--data", "data", "--dry-run", "--out", "out"]) == 0
    text = capsys.readouterr().out
    network = RUN(network_config(load_recipe(project / "tiny.toml")))
    assert f"{sum(p.numel() for p in network.parameters()):,} parameters" in text
    # Halves of the pixels: 4 x 16 x 16 and 2 x 24 x 24 make a ratio of 1,024 to 1,152, so 6.35 and 5.65 steps.
    assert "12, 0.0 Gpx: 6 of 4 x 16 x 16, 6 of 2 x 24 x 24" in text
    assert "10 pictures, 2 of them held out" in text
    assert "ESTIMATES" in text
    assert "MISSING" not in text
    assert files(project) == before


def test_a_dry_run_of_a_fine_tuning(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(project)
    words = ["train", "--from", "run-t.denoise", "--data", str(project / "data"), "--hours", "0.2", "--dry-run"]
    assert main([*words, "--out", str(project / "out")]) == 0
    text = capsys.readouterr().out
    assert "650,005 parameters, 25,872 MACs per pixel" in text
    assert "0.2 hours" in text
    assert "10 pictures, 2 of them held out" in text
    assert files(project) == before


def test_what_is_missing_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = RECIPES / "paper" / "run-b.deblur.toml"
    (project / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        wrong = [line.text for line in survey(load_recipe(path), [project / folder], frozenset()) if line.wrong]
        assert len(wrong) == 1
        assert folder in wrong[0]
    assert main(["train", str(path), "--dry-run"]) == 1
    text = capsys.readouterr().out
    assert "MISSING    no training folders; give --data DIR" in text
    assert "gopro train (2,103 pairs) is no store among the folders: runir data prepare gopro" in text
    assert "300,000, 314.2 Gpx: 92,000 of 64 x 128 x 128, 64,000 of 40 x 160 x 160" in text


def test_a_dry_run_refuses_what_the_run_would(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(project / "tiny.toml"), "--data", str(project / "data"), "--dry-run", "--out"]
    (project / "done").mkdir()
    (project / "done" / "checkpoint.safetensors").write_bytes(b"")
    assert main([*words, str(project / "done")]) == 1
    assert f"MISSING    {project / 'done'}: holds a run already; add --resume" in capsys.readouterr().out
    assert main([*words, str(project / "tiny.toml")]) == 1
    assert "tiny.toml: is a file, not a folder; choose another --out" in capsys.readouterr().out


def test_what_a_run_starts_without_is_said_and_no_hindrance(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = project / "few"
    few.mkdir()
    for name in ("p0.png", "p1.png"):
        (few / name).write_bytes((project / "data" / name).read_bytes())
    told = "fewer than 4 pictures: none are held out, so nothing is validated"
    (project / "short.toml").write_text(
        "".join(line for line in (project / "tiny.toml").open() if not line.startswith("held_out")), "utf-8"
    )
    words = ["train", str(project / "short.toml"), "--data", str(few), "--set", "data.held_out_count=2", "--dry-run"]
    assert main(words) == 0
    assert f"SHORT      {told}" in capsys.readouterr().out
    recipe = load_recipe(project / "short.toml", ["data.held_out_count=2"])
    assert [line.text for line in shortfalls(recipe, [few], frozenset())] == [told]
    assert shortfalls(recipe, [few], frozenset(["p0.png"])) == []


def test_an_unknown_data_set_in_a_recipe_is_refused(project: Path) -> None:
    recipe = load_recipe(project / "tiny.toml", ["data.sets=['goppro train']"])
    with pytest.raises(UsageError, match="did you mean 'gopro'"):
        survey(recipe, [project / "data"], frozenset())


def test_kept_bytes_are_those_of_a_real_step(project: Path) -> None:
    recipe = load_recipe(project / "tiny.toml")
    config = network_config(recipe)
    network = RUN(config)
    attach_norms(network)
    own = {p.data_ptr() for p in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    picture = torch.rand(2, 3, 32, 32)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        (((network(picture) - picture).square() + 1e-6).sqrt()).mean()
    real = sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)
    assert kept_bytes(recipe, config, 2, 32, half=False) == pytest.approx(real, rel=0.02)
    assert kept_bytes(recipe, config, 2, 32, half=True) < 0.8 * real


def test_hours_and_memory_follow_the_assumptions() -> None:
    costs = Costs(parameters=10, macs=1e6, kept=1e4, fixed=2e9, blocks=5)
    gpu = GPU("made up", 24, 100, 1000)
    # 6e6 FLOPs at 40 TFLOPS: 0.15 us; 1.6e5 bytes at 700 GB/s: 0.2286 us; a step takes 20 ms at least.
    assert costs.hours(1e9, 0, gpu) == pytest.approx((150 + 228.57) / 3600, rel=1e-3)
    assert costs.hours(1e9, 9000, gpu, gpus=2) == pytest.approx(0.5 * 378.57 / 3600, rel=1e-3)
    assert costs.hours(1e9, 10_000, gpu, gpus=2) == pytest.approx(200 / 3600, rel=1e-3)
    assert costs.memory(10**5) == pytest.approx(1e9 + 2e9 + 1.25e9)


def test_a_batch_is_cut_into_as_few_parts_as_fit() -> None:
    plan = make_plan(load_recipe(RECIPES / "paper" / "run-b.deblur.toml"), [], frozenset())
    whole, halved = (plan.costs.memory(plan.at_once(parts)) for parts in (1, 2))
    assert plan.parts_for(whole) == 1
    assert plan.parts_for(whole - 1) == 2
    assert plan.parts_for(halved - 1) == 4  # 3 divides none of the batches
    assert plan.parts_for(plan.costs.memory(plan.at_once(8)) - 1) is None


def test_no_hours_on_gpus_that_cannot_share_the_batches_out() -> None:
    costs = Costs(parameters=10, macs=1e4, kept=1e3, fixed=1e9, blocks=5)
    plans = [
        Plan(load_recipe(RECIPES / "paper" / f"run-b.{task}.toml"), costs, True, ()) for task in ("deblur", "lowlight")
    ]
    deblur, lowlight = (on_gpus(plan) for plan in plans)
    assert all((gpu.hours_on_many or 0) > 0 for gpu in deblur)
    assert {gpu.hours_on_many for gpu in lowlight} == {None}
    table, dashes = map(in_words, plans)
    assert "–" not in table
    assert dashes.count("  –\n") == len(lowlight)
    assert dashes.endswith("–: not every batch is a multiple of 8, so 8 GPUs cannot share them out")


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(3, 9, 0), (4, 9, 2), (20, 9, 3), (20, 2, 2), (100, 12, 12), (9, 0, 0)]
)
def test_held_out_names_are_spread(count: int, most: int, expected: int) -> None:
    names = [f"{index:03}" for index in range(count)]
    chosen = sorted(map(int, chosen_names(reversed(names), most)))
    assert len(chosen) == expected
    assert all(b - a <= count / expected + 1 for a, b in itertools.pairwise(chosen))
    assert not chosen or max(chosen[0], count - 1 - chosen[-1]) <= count / expected / 2 + 1
