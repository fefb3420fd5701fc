"""The Restorer on the shipped weights: contract, engines, gains, bad arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import runir
from runir.degradations import awgn
from runir.errors import UsageError
from runir.evaluation import psnr
from runir.images import read_picture
from runir.inference import engines
from runir.inference.engines import build_engine
from runir.weights import find_model, list_models

DATA = Path(__file__).parents[1] / "data"
NAMES = [model.card.name for model in list_models()]


@pytest.fixture(scope="module")
def clean() -> NDArray[np.float32]:
    return read_picture(DATA / "hippo.webp").pixels


@pytest.fixture(scope="module", params=NAMES)
def restorer(request: pytest.FixtureRequest) -> runir.Restorer:
    return runir.Restorer(request.param)


@pytest.fixture(scope="module", params=[name for name in NAMES if name.endswith(".denoise")])
def denoiser(request: pytest.FixtureRequest) -> runir.Restorer:
    return runir.Restorer(request.param)


@pytest.fixture(scope="module", params=[n for n in NAMES if n.endswith((".denoise", ".photo", ".derain"))])
def gentle(request: pytest.FixtureRequest) -> runir.Restorer:
    """Models that a good picture passes nearly as it is."""
    return runir.Restorer(request.param)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (7, 1, 1), (31, 33), (40, 600, 3)])
def test_shape_in_is_shape_out_and_the_input_stays(restorer: runir.Restorer, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).normal(0.5, 0.5, shape).astype(np.float32)
    before = picture.copy()
    out = restorer(picture)
    assert out.shape == shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(picture, before)
    assert not np.shares_memory(out, picture)


@pytest.mark.parametrize(("sigma", "gain"), [(15, 4.5), (25, 7.0), (50, 9.0)])
def test_noise_goes(denoiser: runir.Restorer, clean: NDArray[np.float32], sigma: float, gain: float) -> None:
    noisy = awgn(clean, sigma, np.random.default_rng(0))

    def score(x: NDArray[np.float32]) -> float:
        return psnr(np.rint(x.clip(0, 1) * 255), np.rint(clean * 255))

    assert score(denoiser(noisy)) - score(noisy) > gain


def test_a_clean_picture_stays(gentle: runir.Restorer, clean: NDArray[np.float32]) -> None:
    out = gentle(clean)
    least = {"run-s.denoise": 42, "run-t.denoise": 38}.get(gentle.card.name, 30)
    assert psnr(out.clip(0, 1) * 255, clean * 255) > least
    assert abs(float(out.mean() - clean.mean())) < (0.5 if least > 30 else 2) / 255


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_flat(denoiser: runir.Restorer, level: float) -> None:
    out = denoiser(np.full((64, 48, 3), level, np.float32))
    off = np.abs(out - level)
    assert off[8:-8, 8:-8].max() < 1 / 255
    assert off.mean() < 0.5 / 255
    assert off.max() < 2 / 255


def test_gray_is_restored_as_gray(denoiser: runir.Restorer, clean: NDArray[np.float32]) -> None:
    gray = clean.mean(axis=2)
    noisy = awgn(gray[..., None], 25, np.random.default_rng(1))
    out = denoiser(noisy)
    assert out.shape == noisy.shape
    before, after = (psnr(np.rint(x.clip(0, 1) * 255)[..., 0], gray * 255) for x in (noisy, out))
    assert after - before > 5
    np.testing.assert_array_equal(denoiser(noisy[..., 0]), out[..., 0])


def test_strength_mixes_linearly(restorer: runir.Restorer, clean: NDArray[np.float32]) -> None:
    noisy = awgn(clean[:64, :64], 25, np.random.default_rng(0))
    full = restorer(noisy)
    np.testing.assert_allclose(restorer(noisy, strength=0.3), noisy + 0.3 * (full - noisy), atol=1e-6)
    np.testing.assert_array_equal(restorer(noisy, strength=0), noisy)


@pytest.mark.parametrize("name", NAMES)
def test_engines_agree(name: str, clean: NDArray[np.float32]) -> None:
    model = find_model(name)
    side = model.card.tile
    picture = np.random.default_rng(0).normal(0.5, 0.3, (1, 3, side, side)).astype(np.float32)
    picture[0, :, : clean.shape[0], : clean.shape[1]] = clean.transpose(2, 0, 1)[:, :side, :side]
    picture = np.concatenate((picture,) * (1 + model.card.network.get("guides", 0)), axis=1)
    results = {engine: build_engine(engine, model, device="cpu")[0](picture) for engine in engines.ENGINES}
    for engine, result in results.items():
        assert np.abs(result - results["torch"]).max() < 1e-3, engine


def test_reuse_compiles_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino as ov

    compiled = 0
    original = ov.Core.compile_model

    def counted(self: ov.Core, *args: object, **kwargs: object) -> object:
        nonlocal compiled
        compiled += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(ov.Core, "compile_model", counted)
    restorer = runir.Restorer(NAMES[0])
    for shape in [(8, 8, 3), (600, 20, 3), (33, 47)]:
        restorer(np.zeros(shape, np.float32))
    assert compiled == 1


def test_precision_is_explicit(clean: NDArray[np.float32]) -> None:
    picture = clean[:96, :96]
    exact = runir.Restorer(NAMES[0], engine="torch")(picture)
    assert np.abs(runir.Restorer(NAMES[0], precision="f32")(picture) - exact).max() < 1e-3
    assert np.abs(runir.Restorer(NAMES[0], precision="bf16")(picture) - exact).max() < 0.1


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), "divide by 255"),
        (np.full((4, 4, 3), 117.0, np.float32), "lie about 117"),
        (np.zeros((4, 4, 4), np.float32), "shape"),
        (np.zeros((0, 4, 3), np.float32), "shape"),
        (np.zeros(4, np.float32), "shape"),
        (np.full((4, 4, 3), np.nan, np.float32), "NaN"),
        (np.full((4, 4), np.inf, np.float32), "infinity"),
    ],
)
def test_bad_arrays_are_refused(picture: NDArray[np.float32], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        runir.Restorer(NAMES[0])(picture)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "run-s.denoies"}, "did you mean 'run-"),
        ({"engine": "openvion"}, "did you mean 'openvino'"),
        ({"precision": "f16"}, "precision"),
        ({"threads": 0}, "at least 1"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "f32 only"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        runir.Restorer(**({"model": NAMES[0]} | options))


def test_bad_strengths_are_refused() -> None:
    for strength in (7, -0.1, float("nan"), "x"):
        with pytest.raises(UsageError, match="strength"):
            runir.Restorer(NAMES[0])(np.zeros((4, 4), np.float32), strength=strength)  # type: ignore[arg-type]


def test_the_one_liner_takes_arrays(clean: NDArray[np.float32]) -> None:
    noisy = awgn(clean[:100, :90], 30, np.random.default_rng(0))
    np.testing.assert_array_equal(runir.restore(noisy, task="denoise"), runir.Restorer("run-s.denoise")(noisy))
    with pytest.raises(UsageError, match="did you mean 'denoise'"):
        runir.restore(noisy, task="denose")


def test_the_one_liner_refuses_integers_and_bad_strengths_too() -> None:
    with pytest.raises(UsageError, match="divide by 255"):
        runir.restore(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UsageError, match="strength"):
        runir.restore(np.full((64, 64, 3), 0.5, np.float32), task="auto", strength=7)


def test_one_restorer_serves_several_threads(clean: NDArray[np.float32]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    restorer = runir.Restorer("run-t.denoise")
    pictures = [awgn(clean[:80, :80], 25, np.random.default_rng(k)) for k in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(restorer, pictures))
    for picture, result in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(result, restorer(picture))


def test_signals_are_safe_after_restorers_have_gone() -> None:
    """In whatever order: OpenVINO left the main thread with a freed stack for signal handlers."""
    import subprocess
    import sys

    code = """
import gc, os, signal, runir
first, second = runir.Restorer("run-t.denoise"), runir.Restorer("run-t.photo")
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "handled\n"
