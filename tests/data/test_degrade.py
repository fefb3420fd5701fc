"""What training makes of clean patches: margins, gray samples, mixtures, and recipes' tables."""

import tomllib
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runir.config import dump_toml
from runir.data.degrade import Degraded, GaussianNoise, build_degrade
from runir.data.samples import CleanSource, MixedSource, PairedSource
from runir.degradations import Drawn, LowLights, MotionBlurs, Rains, parse_degradation
from runir.errors import UsageError

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 110, 3), dtype=np.uint8)


def test_blur_sees_what_lies_around_the_patch() -> None:
    moved = Drawn("blur", MotionBlurs(size=(25.0, 25.0), sigma=(0.0, 0.0), shot=0.0, rolling=0.0, objects=0.0))
    assert Degraded(moved).margin == 16
    rng = np.random.default_rng(4)
    degraded, clean = CleanSource([PICTURE], Degraded(moved)).draw(rng, 40)
    assert degraded.shape == clean.shape == (40, 40, 3)
    windows = np.lib.stride_tricks.sliding_window_view(PICTURE / np.float32(255), (40, 40, 3))[:, :, 0]
    turned = [np.rot90(clean, k) for k in range(4)]
    turned += [t[::-1] for t in turned]
    assert any((np.abs(windows - t).max((2, 3, 4)) < 1e-6).any() for t in turned)  # an exact part of the picture


def test_gray_samples_are_gray_in_both() -> None:
    degrade = Degraded(parse_degradation("camera"), gray=0.5)
    assert degrade.margin == 0
    gray = 0
    for seed in range(60):
        degraded, target = degrade(PICTURE[:16, :16], np.random.default_rng(seed))
        flat = [bool((np.ptp(x, axis=2) == 0).all()) for x in (degraded, target)]
        assert flat[0] == flat[1]
        gray += flat[0]
    assert 15 < gray < 45


def test_mixed_sources_have_their_shares() -> None:
    black, white = (np.full((20, 20, 3), v, np.uint8) for v in (0, 255))
    clean = CleanSource([black], GaussianNoise(sigma=(0.0, 0.0), jpeg=0.0))
    for share in (0.0, 0.3, 1.0):
        source = MixedSource(clean, PairedSource([(white, white)]), share)
        drawn = [source.draw(np.random.default_rng(s), 8)[1].mean() for s in range(200)]
        assert np.mean(drawn) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"name": "awgn", "sigma": [5, 10]}, GaussianNoise(sigma=(5.0, 10.0))),
        ({}, GaussianNoise()),
        ({"name": "rain", "heavy": 1.0}, Degraded(Drawn("rain", Rains(heavy=1.0)))),
        ({"name": "camera", "gray": 0.1}, Degraded(parse_degradation("camera"), 0.1)),
        ({"name": "blur", "size": [3, 9], "gray": 0.2}, Degraded(Drawn("blur", MotionBlurs(size=(3.0, 9.0))), 0.2)),
    ],
)
def test_tables_of_recipes(table: dict[str, Any], expected: object) -> None:
    assert build_degrade(table) == expected


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "rian"}, "did you mean 'rain'"),
        ({"name": 3}, "a word is needed"),
        ({"name": "rain", "haevy": 1.0}, "did you mean 'heavy'"),
        ({"name": "rain", "gray": "yes"}, "gray = 'yes': a number"),
        ({"name": "rain", "gray": 2}, "share in"),
        ({"name": "camera", "shot": 0.1}, "camera takes gray only"),
        ({"name": "awgn", "sigma": [0, float("inf")]}, "0 to 255"),
    ],
)
def test_bad_tables_are_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_degrade(table)


@pytest.mark.parametrize(
    ("table", "parameters"),
    [
        ({}, GaussianNoise),
        ({"name": "awgn", "sigma": [25, 25], "jpeg_quality": [50, 60]}, GaussianNoise),
        ({"name": "camera", "gray": 0.05}, None),
        ({"name": "blur", "size": [3, 9], "gray": 0.2}, MotionBlurs),
        ({"name": "rain", "heavy": 1.0}, Rains),
        ({"name": "lowlight", "shot": [1e-5, 1e-3]}, LowLights),
    ],
)
def test_a_table_with_every_parameter_is_the_same(table: dict[str, Any], parameters: type[Any] | None) -> None:
    degrade = build_degrade(table)
    full = degrade.table()
    names = {field.name for field in fields(parameters)} if parameters is not None else set()
    assert full.keys() == names | {"name", "gray"}
    assert build_degrade(tomllib.loads(dump_toml(full))) == degrade
    assert build_degrade(full).table() == full


def test_targets_are_the_clean_patch() -> None:
    target: NDArray[np.float32] = Degraded(parse_degradation("rain"))(PICTURE, np.random.default_rng(0))[1]
    np.testing.assert_array_equal(np.rint(target * 255), PICTURE)
