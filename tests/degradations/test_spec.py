"""Degradations as text: read, named, applied, refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runir.degradations import (
    CameraNoise,
    Drawn,
    LowLights,
    MotionBlurs,
    Rains,
    awgn,
    camera_noise,
    gray_awgn,
    parse_degradation,
)
from runir.degradations.spec import Awgn, Camera, GrayAwgn
from runir.errors import UsageError

CLEAN = np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("awgn:25", Awgn(25.0)),
        (" awgn:12.5 ", Awgn(12.5)),
        ("gray-awgn:0", GrayAwgn(0.0)),
        ("camera", Camera()),
        ("camera:shot=0.01", Camera(shot=0.01)),
        ("camera:jpeg=80, demosaic=none", Camera(demosaic="none", jpeg=80)),
        ("camera:read=1e-4,jpeg=none", Camera(read=1e-4, jpeg="none")),
        ("rain", Drawn("rain", Rains())),
        ("blur:size=15-31, sigma=2", Drawn("blur", MotionBlurs(size=(15, 31), sigma=(2, 2)))),
        ("lowlight:shot=1e-5-1e-4,jpeg=0", Drawn("lowlight", LowLights(shot=(1e-5, 1e-4), jpeg=0))),
    ],
)
def test_parse(text: str, expected: object) -> None:
    assert parse_degradation(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("awgn:25.0", "awgn:25"),
        ("gray-awgn:7.5", "gray-awgn:7.5"),
        ("camera", "camera"),
        ("camera:jpeg=80,shot=0.01", "camera:shot=0.01,jpeg=80"),
        ("camera:jpeg=none,read=0", "camera:read=0,jpeg=none"),
        ("blur:sigma=2-2,size=15.0-31", "blur:size=15-31,sigma=2"),
        ("rain:heavy=0.5", "rain"),
        ("lowlight:shot=1e-5-1e-4", "lowlight:shot=1e-05-0.0001"),
    ],
)
def test_names_are_canonical(text: str, name: str) -> None:
    assert parse_degradation(text).name == name


@given(st.floats(0, 255))
def test_sigma_survives_the_name(sigma: float) -> None:
    assert parse_degradation(Awgn(sigma).name) == Awgn(sigma)


@given(
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.sampled_from([None, "none", "bilinear", "malvar"]),
    st.none() | st.just("none") | st.integers(1, 100),
)
def test_camera_survives_its_name(
    shot: float | None, read: float | None, demosaic: str | None, jpeg: int | str | None
) -> None:
    camera = Camera(shot, read, demosaic, jpeg)
    assert parse_degradation(camera.name) == camera


def test_apply_is_the_function() -> None:
    for text, function in (("awgn:25", awgn), ("gray-awgn:25", gray_awgn)):
        expected = function(CLEAN, 25, np.random.default_rng(3))
        np.testing.assert_array_equal(parse_degradation(text).apply(CLEAN, np.random.default_rng(3)), expected)


@given(st.floats(0, 40), st.floats(0, 40), st.floats(0, 1))
def test_ranges_survive_the_name(one: float, other: float, share: float) -> None:
    drawn = Drawn("blur", MotionBlurs(size=(min(one, other), max(one, other)), rolling=share))
    assert parse_degradation(drawn.name) == drawn


def test_camera_draws_its_parameters_then_its_noise() -> None:
    rng = np.random.default_rng(3)
    expected = camera_noise(CLEAN, CameraNoise.sample(rng), rng)
    np.testing.assert_array_equal(Camera().apply(CLEAN, np.random.default_rng(3)), expected)


def test_fixed_keys_stay_fixed_and_the_rest_is_drawn() -> None:
    camera = parse_degradation("camera:shot=0.002,read=0.0001,demosaic=bilinear,jpeg=none")
    assert isinstance(camera, Camera)
    drawn = [camera.parameters(np.random.default_rng(seed)) for seed in range(20)]
    assert {(p.shot, p.read, p.demosaic, p.jpeg_quality) for p in drawn} == {(0.002, 1e-4, "bilinear", None)}
    assert len({p.gains for p in drawn}) == 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("agwn:25", "unknown degradation 'agwn'; did you mean 'awgn'?"),
        ("camra", "did you mean 'camera'"),
        ("xyz", "known: awgn, blur, camera, gray-awgn, lowlight, rain"),
        ("awgn", "as in awgn:25; got ''"),
        ("awgn:strong", "as in awgn:25; got 'strong'"),
        ("awgn:nan", "got 'nan'"),
        ("awgn:300", "0 to 255"),
        ("gray-awgn:-1", "0 to 255"),
        ("camera:", "unknown key ''"),
        ("camera:shoot=1", "unknown key 'shoot' in 'camera:shoot=1'; did you mean 'shot'?"),
        ("camera:shot", "write each key once"),
        ("camera:shot=1,shot=2", "write each key once"),
        ("camera:shot=much", "shot needs a number; got 'much'"),
        ("camera:shot=-1", "shot must be zero or more"),
        ("camera:read=-1", "read must be zero or more"),
        ("camera:jpeg=101", "1 to 100"),
        ("camera:jpeg=80.5", "whole number"),
        ("camera:demosaic=ahd", "none, bilinear, malvar; got ahd"),
        ("blur:size", "write each key once"),
        ("blur:sise=3", "did you mean 'size'"),
        ("blur:size=big", "size needs a number or a range"),
        ("blur:size=9-5", "ranges are (low, high)"),
        ("rain:heavy=2", "shares in [0, 1]"),
        ("lowlight:exposure=0", "above zero"),
        ("lowlihgt", "did you mean 'lowlight'"),
    ],
)
def test_wrong_text_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_degradation(text)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
