"""Protocols: rounding, clipping and luma against values computed elsewhere."""

import numpy as np
import numpy.typing as npt
import pytest

from runir.errors import RunirError, UsageError
from runir.evaluation import PROTOCOLS, get_protocol

RGB = ["rgb", "awgn-rgb"]
LUMA = ["y-float", "y-uint8"]

# (R, G, B) in 8 bit, luma as MATLAB's rgb2ycbcr rounds it for uint8, luma unrounded; worked out by hand.
COLOURS = [
    ((255, 255, 255), 235, 235.0),
    ((0, 0, 0), 16, 16.0),
    ((255, 0, 0), 81, 81.481),
    ((0, 255, 0), 145, 144.553),
    ((0, 0, 255), 41, 40.966),
    ((255, 255, 0), 210, 210.034),
    ((0, 255, 255), 170, 169.519),
    ((255, 0, 255), 106, 106.447),
    ((128, 128, 128), 126, 125.9294118),
    ((1, 2, 3), 18, 17.5587647),
    ((200, 100, 50), 123, 122.6658824),
]


def picture(colour: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.full((2, 3, len(colour)), np.array(colour) / 255, np.float32)


@pytest.mark.parametrize(("colour", "rounded", "exact"), COLOURS)
def test_luma(colour: tuple[int, ...], rounded: int, exact: float) -> None:
    whole = get_protocol("y-uint8").prepare(picture(colour))
    assert whole.shape == (2, 3, 1)
    assert whole.dtype == np.float64
    assert (whole == rounded).all()
    np.testing.assert_allclose(get_protocol("y-float").prepare(picture(colour)), exact, atol=1e-6)


@pytest.mark.parametrize("name", LUMA)
def test_luma_of_gray_is_the_luma_of_equal_channels(name: str) -> None:
    gray = np.random.default_rng(0).random((5, 4, 1)).astype(np.float32)
    protocol = get_protocol(name)
    np.testing.assert_array_equal(protocol.prepare(gray), protocol.prepare(np.repeat(gray, 3, axis=2)))


@pytest.mark.parametrize("name", RGB)
@pytest.mark.parametrize("channels", [1, 3])
def test_rgb_gives_all_eight_bit_levels_back(name: str, channels: int) -> None:
    levels = np.repeat(np.arange(256).reshape(16, 16, 1), channels, axis=2)
    prepared = get_protocol(name).prepare((levels / 255).astype(np.float32))
    np.testing.assert_array_equal(prepared, levels)
    assert prepared.dtype == np.float64


@pytest.mark.parametrize("name", sorted(set(PROTOCOLS) - {"sidd-rgb"}))
def test_values_are_clipped_and_rounded_before_anything_else(name: str) -> None:
    raw = np.array([-0.7, 0.0019, 0.00197, 0.4999, 1.8]).reshape(1, 5, 1).repeat(3, axis=2)
    clean = np.array([0, 0, 1, 127, 255]).reshape(1, 5, 1).repeat(3, axis=2) / 255
    protocol = get_protocol(name)
    np.testing.assert_array_equal(protocol.prepare(raw), protocol.prepare(clean))


def test_sidd_rgb_clips_and_does_not_round() -> None:
    raw = np.array([-0.7, 0.0019, 0.4999, 1.8]).reshape(1, 4, 1).repeat(3, axis=2)
    expected = np.array([0, 0.4845, 127.4745, 255]).reshape(1, 4, 1).repeat(3, axis=2)
    np.testing.assert_allclose(get_protocol("sidd-rgb").prepare(raw), expected, atol=1e-9)
    assert "not rounded" in get_protocol("sidd-rgb").quantisation


def test_prepare_leaves_its_input_alone() -> None:
    raw = np.full((2, 2, 3), 1.7, np.float32)
    get_protocol("y-uint8").prepare(raw)
    assert (raw == np.float32(1.7)).all()


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_says_what_it_does(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.name == name
    texts = (protocol.source, protocol.colour, protocol.quantisation, protocol.crop, protocol.averaging)
    assert all(text and "\n" not in text for text in texts)


def test_the_list_is_complete() -> None:
    published = {"gopro-rgb", "sidd-rgb", "rain13k-y-uint8", "lol-rgb", "lol-gtmean", "shift", "awgn-rgb"}
    assert set(PROTOCOLS) == published | {"rgb", "y-float", "y-uint8"}


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown protocol 'y-uint'; did you mean 'y-uint8'\?"):
        get_protocol("y-uint")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 4)),
        np.zeros((4, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(wrong: npt.NDArray[np.float64]) -> None:
    with pytest.raises(RunirError, match="floating point, H x W x 1 or 3"):
        get_protocol("rgb").prepare(wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    broken = np.zeros((4, 4, 3))
    broken[1, 2, 0] = value
    with pytest.raises(RunirError, match="not finite"):
        get_protocol("rgb").prepare(broken)


# ---- with knowledge of the target --------------------------------------------------------------------------------


def scene(height: int = 60, width: int = 70, channels: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(3).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("move", [(0, 0), (7, -7), (-3, 5)])
def test_shift_finds_the_translation(move: tuple[int, int]) -> None:
    target = scene()
    ours, answer = get_protocol("shift").planes(np.roll(target, move, (0, 1)), target)
    assert ours.shape == answer.shape == (30, 40, 1)
    np.testing.assert_array_equal(ours, answer)
    np.testing.assert_allclose(answer, np.rint(target[15:-15, 15:-15] * 255), atol=1e-9)


def test_shift_looks_no_further_than_seven_pixels() -> None:
    ours, answer = get_protocol("shift").planes(np.roll(scene(), 8, 0), scene())
    assert np.abs(ours - answer).mean() > 20


def test_shift_is_the_best_of_all_and_gray() -> None:
    rng = np.random.default_rng(0)
    target, output = scene(channels=3), rng.random((60, 70, 3)).astype(np.float32)
    weights = np.array([0.299, 0.587, 0.114])
    gray = [(np.rint(p * 255.0) * weights).sum(2) for p in (output, target)]
    errors = [
        np.square(gray[0][15 + dy : 45 + dy, 15 + dx : 55 + dx] - gray[1][15:45, 15:55]).mean()
        for dy in range(-7, 8)
        for dx in range(-7, 8)
    ]
    ours, answer = get_protocol("shift").planes(output, target)
    assert np.square(ours - answer).mean() == pytest.approx(min(errors))


def test_shift_refuses_small_pictures() -> None:
    with pytest.raises(RunirError, match="at least 41 x 41"):
        get_protocol("shift").planes(scene(40, 70), scene(40, 70))


def test_gt_mean_takes_the_brightness_from_the_target() -> None:
    target = 0.4 * scene(channels=3)
    for name, exact in (("lol-gtmean", True), ("lol-rgb", False)):
        ours, answer = get_protocol(name).planes(0.3 * target, target)
        assert (np.abs(ours - answer).max() <= 1) == exact
    weights = np.array([0.299, 0.587, 0.114])
    output = 0.5 * scene(channels=3)[::-1]
    factor = (target * weights).sum(2).mean() / (output * weights).sum(2).mean()
    expected = np.floor((output.astype(np.float64) * factor).clip(0, 1) * 255 + 0.5)
    np.testing.assert_allclose(get_protocol("lol-gtmean").planes(output, target)[0], expected, atol=1)


def test_gt_mean_of_a_black_output_stays_black() -> None:
    ours, _ = get_protocol("lol-gtmean").planes(np.zeros((20, 20, 3), np.float32), scene(20, 20, 3))
    assert not ours.any()
