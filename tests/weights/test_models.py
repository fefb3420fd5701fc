"""Shipped models: cards that say the truth, checksums, names."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file

import runir
from runir.config import read_toml
from runir.data.blurs import with_guides
from runir.data.degrade import build_degrade
from runir.deconvolution import GuideMaker, estimate_kernel
from runir.degradations import parse_degradation
from runir.errors import RunirError, UsageError
from runir.evaluation import psnr
from runir.images import read_picture
from runir.inference import Restorer
from runir.inference.tiles import GRID
from runir.models.complexity import macs_per_pixel, parameters
from runir.models.load import load_network
from runir.training.network import network_config
from runir.training.recipe import load_recipe
from runir.training.schedule import pixels_between
from runir.training.validation import working_channels
from runir.weights import Model, find_model, list_models
from runir.weights.card import read_card
from runir.weights.registry import EFFECTIVE_RECIPE

ROOT = Path(__file__).parents[2]
MODELS = list_models()
each = pytest.mark.parametrize("model", MODELS, ids=lambda m: m.card.name)


def test_the_cpu_sizes_ship() -> None:
    tasks = ("denoise", "photo", "lowlight", "deblur", "derain")
    assert {f"{size}.{task}" for size in ("run-t", "run-s") for task in tasks} <= {m.card.name for m in MODELS}


@each
def test_files_match_the_card(model: Model) -> None:
    model.verify()
    network = load_network(model)
    assert model.folder.name == model.card.name
    assert parameters(network) == model.card.parameters
    assert round(macs_per_pixel(network, model.card.tile)) == model.card.macs_per_pixel
    assert model.card.tile % network.config.multiple == 0
    assert GRID % network.config.multiple == 0  # where tiles may lie
    graph = onnx.load(str(model.onnx)).graph
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in (*graph.input, *graph.output)}
    side, statistics = (model.card.tile, model.card.tile), (1, network.statistics)
    shown, restored = (1, network.config.inputs, *side), (1, 3, *side)
    assert shapes == {
        "degraded": shown, "given": statistics, "share": (1, 1), "restored": restored, "measured": statistics
    }  # fmt: skip


@each
def test_its_recipe_degrades_and_weighs_errors_as_the_one_that_made_it(model: Model) -> None:
    recipes = [load_recipe(path) for path in (ROOT / model.card.recipe, model.folder / EFFECTIVE_RECIPE)]
    degradations = [build_degrade(recipe.data.degradation) for recipe in recipes]
    assert degradations[0] == degradations[1]
    assert recipes[0].loss == recipes[1].loss
    for recipe in recipes:
        assert recipe.name == model.card.name
        assert network_config(recipe) == load_network(model).config
        assert not any("/" in name for name in (*recipe.data.folders, recipe.model.start or ""))  # no machine's paths


@each
def test_the_length_of_its_training_is_that_of_its_recipe(model: Model) -> None:
    """Counted, not told: where the steps are not known (0), only the text says how long it was."""
    card, schedule = model.card, load_recipe(model.folder / EFFECTIVE_RECIPE).schedule
    assert schedule.steps in (None, card.steps)
    pixels = pixels_between(schedule.phases, 0, card.steps)
    assert card.gigapixels == float(f"{pixels / 1e9:.3g}")
    assert ("Gpx" in card.training) == (card.steps == 0)


@each
def test_both_files_hold_the_same_numbers(model: Model) -> None:
    stored = [onnx.numpy_helper.to_array(t).astype(np.float32) for t in onnx.load(str(model.onnx)).graph.initializer]
    if model.exposure is not None:  # goes before the ONNX network, in a file of its own
        with np.load(model.exposure) as numbers:
            stored += [numbers[name] for name in numbers.files]
    for name, array in load_file(str(model.safetensors)).items():
        if name.endswith("weight"):
            plain = array.astype(np.float32)
            assert any(np.array_equal(s, plain) or np.array_equal(s, plain.T) for s in stored), name


@each
def test_the_stated_gain_is_reached_on_the_sample(model: Model) -> None:
    clean = read_picture(ROOT / "tests/data/hippo.webp").pixels
    degradation = parse_degradation(model.card.sample_degradation)
    noisy = degradation.apply(clean, np.random.default_rng(0))
    restored = Restorer(model)(noisy)
    before, after = (psnr(np.rint(x.clip(0, 1) * 255), clean * 255) for x in (noisy, restored))
    # The search for a kernel amplifies how a processor rounds: 0.2 dB between two kinds of them.
    near = 0.3 if model.card.network.get("guides") else 0.02
    assert after - before == pytest.approx(model.card.sample_gain, abs=near)
    assert model.card.sample_gain > {"denoise": 5, "photo": 5, "lowlight": 5}.get(model.card.task, 0.3)


@each
def test_no_block_is_dead(model: Model) -> None:
    clean = read_picture(ROOT / "tests/data/hippo.webp").pixels
    noisy = parse_degradation(model.card.sample_degradation).apply(clean, np.random.default_rng(0))
    network = load_network(model)
    if network.config.guides:
        noisy = with_guides(noisy, GuideMaker(estimate_kernel([noisy]), network.config.guides))
    shares = working_channels(network, [noisy], torch.device("cpu"))
    assert min(shares.values()) > 0.5, shares


@each
def test_cards_say_what_a_user_must_know(model: Model) -> None:
    card = model.card
    assert card.description
    assert card.licence != "unstated"
    assert card.training_data != "unstated"
    assert card.scores
    gains = [score.psnr - score.input_psnr for score in card.scores if score.degradation != "awgn:0"]
    assert all(score.n > 0 for score in card.scores)
    assert max(gains) > 0.5
    assert min(gains) > 0.5


def test_a_damaged_weight_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODELS[0].folder, tmp_path / "m")
    path = tmp_path / "m" / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunirError, match=r"model\.onnx: damaged.*export or fine-tune that model again"):
        Restorer(Model(MODELS[0].card, tmp_path / "m"))
    path.unlink()
    with pytest.raises(RunirError, match=r"model\.onnx: cannot be read"):
        Restorer(Model(MODELS[0].card, tmp_path / "m"))


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    text = (MODELS[0].folder / "card.toml").read_text("utf-8")
    (tmp_path / "card.toml").write_text(text.replace("overlap", "overlpa"), "utf-8")
    with pytest.raises(RunirError, match="overlpa"):
        read_card(tmp_path / "card.toml")
    assert read_toml(MODELS[0].folder / "card.toml")["name"] == MODELS[0].card.name


def test_unknown_names_suggest_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "net.pth").write_bytes(b"")
    with pytest.raises(UsageError, match=r"run: holds no card\.toml; if it is a run, `runir export .*run --to DIR`"):
        find_model(str(tmp_path / "run"))
    with pytest.raises(UsageError, match=r"net\.pth: is a file; a model is a folder"):
        find_model(str(tmp_path / "net.pth"))
    with pytest.raises(UsageError, match=r"unknown model 'run-s\.denoize'; did you mean 'run-s\.denoise'"):
        find_model("run-s.denoize")
    assert [m.card.name for m in runir.list_models()] == sorted(m.card.name for m in MODELS)


def test_all_weights_stay_small() -> None:
    total = sum(f.stat().st_size for m in MODELS for f in m.folder.iterdir())
    assert total < 58e6  # the wheel stays below 60 MB
