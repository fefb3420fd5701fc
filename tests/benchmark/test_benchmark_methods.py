"""What is compared by which name, and what is left out or refused."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runir.benchmark import choose_methods, methods
from runir.benchmark.classical import CLASSICAL
from runir.degradations import awgn, parse_degradation
from runir.errors import UsageError
from runir.evaluation import psnr
from runir.images import read_picture
from runir.weights import list_models

DATA = Path(__file__).parents[1] / "data"
NOISE = parse_degradation("awgn:25")
OURS = [model.card.name for model in list_models() if model.card.task == "denoise"]


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Which of the optional packages seem to be installed; change it at will."""
    there = {"cv2", "bm3d", "spandrel", "spandrel_extra_arches"}
    monkeypatch.setattr(methods, "find_spec", lambda name: object() if name in there else None)
    return there


def names(found: list[methods.Method]) -> list[str]:
    return [method.name for method in found]


def test_the_usual_ones(packages: set[str]) -> None:
    found, left_out = choose_methods([], NOISE)
    assert names(found) == [*OURS, "non-local means", "BM3D", "NAFNet, width 32"]
    assert left_out == {}
    assert [method.scored for method in found] == [True] * (len(found) - 1) + [False]


def test_what_is_not_installed_is_left_out_with_the_remedy(packages: set[str]) -> None:
    packages.clear()
    found, left_out = choose_methods([], NOISE)
    assert names(found) == OURS
    assert list(left_out) == ["nlm", "bm3d", "nafnet-w32"]
    assert "pip install 'runir[benchmark]'" in left_out["nlm"]
    assert "non-commercial" in left_out["bm3d"]


def test_what_was_asked_for_and_is_not_installed_is_refused(packages: set[str], tmp_path: Path) -> None:
    packages -= {"bm3d", "spandrel_extra_arches"}
    with pytest.raises(UsageError, match=r"bm3d: needs a package.*non-commercial"):
        choose_methods(["bm3d"], NOISE)
    with pytest.raises(UsageError, match=r"restormer: needs a package.*spandrel_extra_arches"):
        choose_methods(["restormer"], NOISE)
    assert "SwinIR" in names(choose_methods(["swinir"], NOISE)[0])
    packages.clear()
    (tmp_path / "net.pth").touch()
    with pytest.raises(UsageError, match=r"net\.pth: needs a package.*runir\[spandrel\]"):
        choose_methods([str(tmp_path / "net.pth")], NOISE)


@pytest.mark.parametrize(
    ("spec", "task"), [("camera", "photo"), ("blur", "deblur"), ("rain", "derain"), ("lowlight", "lowlight")]
)
def test_other_degradations_take_the_models_of_their_task(packages: set[str], spec: str, task: str) -> None:
    found, left_out = choose_methods([], parse_degradation(spec))
    assert names(found)[:-1] == [model.card.name for model in list_models() if model.card.task == task] != []
    assert "is for Gaussian noise" in left_out["bm3d"]
    with pytest.raises(UsageError, match="nlm: is for Gaussian noise"):
        choose_methods(["nlm"], parse_degradation(spec))


def test_only_what_was_asked_for_each_once(packages: set[str]) -> None:
    found, _ = choose_methods(["nlm", "run-t.denoise", "nlm"], NOISE, only=True)
    assert names(found) == ["non-local means", "run-t.denoise"]
    with pytest.raises(UsageError, match="--only"):
        choose_methods([], NOISE, only=True)


def test_checkpoints_are_named_by_file_and_told_apart(packages: set[str], tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.pth").touch()
    paths = [str(tmp_path / folder / "net.pth") for folder in ("a", "b")]
    assert names(choose_methods(paths[:1], NOISE, only=True)[0]) == ["net.pth"]
    found = choose_methods(paths, NOISE, only=True)[0]
    assert names(found) == ["a/net.pth", "b/net.pth"]
    assert [method.source for method in found] == paths
    with pytest.raises(UsageError, match=r"gone\.pth: no such file"):
        choose_methods([str(tmp_path / "gone.pth")], NOISE)


def test_mistyped_names_are_told(packages: set[str]) -> None:
    with pytest.raises(UsageError, match="did you mean 'restormer'"):
        choose_methods(["restromer"], NOISE)


# ---- classical denoisers ------------------------------------------------------------------------------------

NOISY = np.random.default_rng(0).normal(0.5, 0.4, (12, 14, 3)).astype(np.float32)


def test_non_local_means_sees_8_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def denoise(levels: Any, _: None, strength: float, patch: int, search: int) -> Any:
        seen[:] = [levels, strength, patch, search]
        return levels[..., 0] if levels.shape[2] == 1 else levels  # OpenCV drops a single channel

    cv2 = SimpleNamespace(setNumThreads=seen.append, fastNlMeansDenoising=denoise)
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    restore = CLASSICAL["nlm"].build(20, 3)
    assert seen == [3]
    expected = np.rint(NOISY.clip(0, 1) * 255)
    out = restore(NOISY)
    assert (seen[0].dtype, seen[1:]) == (np.uint8, [18.0, 3, 21])
    np.testing.assert_array_equal(seen[0], expected)
    np.testing.assert_allclose(out, expected / 255, atol=1e-6)
    assert out.dtype == np.float32
    assert restore(NOISY[..., :1]).shape == (12, 14, 1)


def test_bm3d_sees_the_unclipped_picture_and_sigma(monkeypatch: pytest.MonkeyPatch) -> None:
    class Profile:
        num_threads = 0

    def colour(picture: Any, sigma: float, profile: Profile) -> Any:
        assert (picture.dtype, sigma, profile.num_threads) == (np.float64, 25 / 255, 2)
        return picture + 1

    def gray(picture: Any, sigma: float, profile: Profile) -> Any:
        return picture[..., 0] + 2

    bm3d = SimpleNamespace(BM3DProfile=Profile, bm3d_rgb=colour, bm3d=gray)
    monkeypatch.setitem(sys.modules, "bm3d", bm3d)
    restore = CLASSICAL["bm3d"].build(25, 2)
    np.testing.assert_allclose(restore(NOISY), NOISY + 1, atol=1e-6)
    np.testing.assert_allclose(restore(NOISY[..., :1]), NOISY[..., :1] + 2, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "least"),
    [pytest.param("nlm", 4.0, marks=pytest.mark.cv2), pytest.param("bm3d", 6.0, marks=pytest.mark.bm3d)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_real_ones_remove_noise(name: str, least: float, channels: int) -> None:
    clean = read_picture(DATA / "house.webp").pixels[100:180, 100:180]
    clean = clean.mean(axis=2, keepdims=True) if channels == 1 else clean
    noisy = awgn(clean, 25, np.random.default_rng(0))
    before, after = (
        psnr(np.rint(x.clip(0, 1) * 255), np.rint(clean * 255)) for x in (noisy, CLASSICAL[name].build(25, 1)(noisy))
    )
    assert after - before > least
