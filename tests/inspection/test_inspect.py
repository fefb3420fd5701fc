"""`inspect` and `plan_tasks`: the right task for a degraded picture, none for a good one, sense at the limits."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.images import Picture, read_picture, write_picture
from runir.inference import Restorer
from runir.inspection import RAIN_NETWORK, Findings, crop_boxes, inspect, inspect_parts, plan, plan_tasks
from runir.inspection.crops import reduce_whole
from runir.inspection.files import inspect_file
from runir.inspection.findings import Blur, Darkness, Noise, Rain

DATA = Path(__file__).parents[1] / "data"
NAMES = sorted(p.stem for p in DATA.glob("*.webp"))
Pixels = NDArray[np.float32]


def clean(name: str) -> Pixels:
    return read_picture(DATA / f"{name}.webp").pixels


def degraded(picture: Pixels, *specs: str) -> Pixels:
    """One degradation after the other, then 8 bit."""
    rng = np.random.default_rng(5)
    for spec in specs:
        picture = parse_degradation(spec).apply(picture, rng)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.float32) / np.float32(255)


BLUR = "blur:size=20,sigma=1,shot=0,rolling=0,objects=0,highlights=1"
RAIN = "rain:dry=0,density=2-4,length=20-40,brightness=0.5-0.8,width=0.6-1"


@pytest.mark.parametrize("name", NAMES)
def test_a_good_picture_is_left_alone(name: str) -> None:
    picture = clean(name)
    for view in (picture, picture[:, ::-1], picture.transpose(1, 0, 2), picture[..., :1], picture[40:, 40:]):
        findings = inspect(view)
        assert plan_tasks(findings) == ()
        assert not any(finding.found for _, finding in findings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("spec", "task"),
    [
        ("awgn:10", "denoise"),
        ("awgn:25", "denoise"),
        ("awgn:50", "denoise"),
        ("gray-awgn:25", "denoise"),
        ("camera:shot=0.008,demosaic=malvar,jpeg=80", "photo"),
        ("camera:shot=0.008,demosaic=bilinear,jpeg=none", "photo"),
        (BLUR, "deblur"),
        (RAIN, "derain"),
        ("lowlight:exposure=0.05,shot=1e-4,jpeg=0", "lowlight"),
    ],
)
def test_the_right_task_is_found(name: str, spec: str, task: str) -> None:
    assert plan_tasks(inspect(degraded(clean(name), spec))) == (task,)


@pytest.mark.parametrize("spec", ["awgn:25", BLUR, RAIN, "lowlight:exposure=0.05,shot=1e-4,jpeg=0"])
def test_gray_pictures_are_judged_like_others(spec: str) -> None:
    gray = degraded(clean("house")[..., 1:2], spec)
    tasks = plan_tasks(inspect(gray))
    assert len(tasks) == 1
    assert inspect(gray) == inspect(np.repeat(gray, 3, 2))


def test_several_faults_are_repaired_in_reverse_order() -> None:
    noisy_and_blurred = degraded(clean("house"), BLUR, "awgn:25")
    assert plan_tasks(inspect(noisy_and_blurred)) == ("denoise", "deblur")
    noisy_and_rainy = degraded(clean("house"), RAIN, "awgn:20")
    assert plan_tasks(inspect(noisy_and_rainy)) == ("denoise", "derain")
    reasons = [step.reason for step in plan(inspect(noisy_and_blurred))]
    assert [reason.split(":")[0] for reason in reasons] == ["noise", "blur"]


def test_sigma_is_told_in_words() -> None:
    noise = inspect(degraded(clean("hippo"), "awgn:18")).noise
    assert noise.found
    assert noise.kind == "white"
    assert noise.sigma == pytest.approx(18, rel=0.15)
    assert noise.text.startswith(f"sigma about {noise.sigma:.0f} of 255")


def test_darker_pictures_score_higher() -> None:
    scores = [inspect(clean("flowers") * np.float32(2.0**-stop)).darkness.score for stop in range(5)]
    assert scores == sorted(scores)
    assert scores[0] < 0.5 < scores[-1]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 9), (31, 31), (3, 70_000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_have_brightness_only(size: tuple[int, int], channels: int) -> None:
    findings = inspect(np.full((*size, channels), 0.6, np.float32))
    assert plan_tasks(findings) == ()
    assert findings.noise.text == findings.blur.text == findings.rain.text == "too few pixels to tell"
    assert plan_tasks(inspect(np.full((*size, channels), 0.05, np.float32))) == ("lowlight",)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(32, 32), (240, 240), (33, 2000)])
def test_flat_pictures_need_nothing(level: float, size: tuple[int, int]) -> None:
    findings = inspect(np.full((*size, 3), level, np.float32))
    assert plan_tasks(findings) == ()
    assert findings.noise.sigma < 0.01
    assert all(np.isfinite(finding.score) for _, finding in findings)


def test_black_is_not_brightened_but_nearly_black_is() -> None:
    assert "nothing to brighten" in inspect(np.zeros((64, 64, 3), np.float32)).darkness.text
    assert plan_tasks(inspect(clean("house") * np.float32(0.08))) == ("lowlight",)


def test_large_pictures_take_no_longer() -> None:
    row = np.resize(clean("house")[100], (1, 8000, 3))
    picture = np.broadcast_to(row, (6000, 8000, 3))  # 48 million pixels without their memory
    begun = time.process_time()
    inspect(picture)
    assert time.process_time() - begun < 4.0  # about half a second on a free processor


def test_parts_give_what_the_whole_gives() -> None:
    picture = np.tile(degraded(clean("hippo"), "awgn:15"), (4, 5, 1))
    boxes = crop_boxes(*picture.shape[:2])
    assert len(boxes) == 9
    crops = [picture[y : y + h, x : x + w] for y, x, h, w in boxes]
    assert inspect_parts(crops, reduce_whole(picture)) == inspect(picture)
    assert plan_tasks(inspect(picture)) == ("denoise",)


def test_a_file_gives_what_its_pixels_give(tmp_path: Path) -> None:
    picture = np.tile(degraded(clean("hippo"), "awgn:15"), (4, 5, 1)).clip(0, 1)
    write_picture(Picture(picture), tmp_path / "a.png")
    told, pixels = inspect_file(tmp_path / "a.png"), read_picture(tmp_path / "a.png").pixels
    for (name, a), (_, b) in zip(told, inspect(pixels), strict=True):
        assert a.found == b.found, name
        assert abs(a.score - b.score) < 1e-3, name


def test_rain_is_told_by_the_network_that_is_given() -> None:
    """So that auto keeps to the engine, the device and the processors that were asked for."""
    asked: list[Restorer] = []

    def network() -> Restorer:
        asked.append(Restorer(RAIN_NETWORK, engine="torch", threads=1))
        return asked[-1]

    picture = degraded(clean("house"), "rain:heavy=1,dry=0")
    theirs, ours = inspect(picture, network), inspect(picture)
    assert len(asked) == 1
    assert theirs.rain.found
    assert theirs.rain.score == pytest.approx(ours.rain.score, abs=1e-3)
    inspect(np.zeros((40, 40, 3), np.float32), network)
    assert len(asked) == 1  # nothing to look at: not made


def test_what_is_transparent_does_not_count(tmp_path: Path) -> None:
    """A well-lit photo in the middle of a transparent canvas, whatever colour that has."""
    found = []
    for hidden in (0.0, 1.0):
        canvas = np.full((700, 700, 3), hidden, np.float32)
        canvas[230:470, 230:470] = clean("hippo")
        alpha = np.zeros((700, 700), np.uint8)
        alpha[230:470, 230:470] = 255
        write_picture(Picture(canvas, alpha=alpha), tmp_path / f"{hidden}.png")
        found.append(inspect_file(tmp_path / f"{hidden}.png").darkness)
    assert not found[0].found
    assert abs(found[0].score - found[1].score) < 0.05


@pytest.mark.parametrize("hidden", [0.0, 0.5, 1.0])
def test_noise_is_found_in_what_is_not_transparent(tmp_path: Path, hidden: float) -> None:
    """A noisy cut-out with the right third of its canvas transparent, and the first rows throughout."""
    canvas = np.full((720, 720, 3), hidden, np.float32)
    canvas[192:, :480] = np.tile(degraded(clean("hippo"), "awgn:25"), (3, 2, 1))[:528, :480]
    alpha = np.zeros((720, 720), np.uint8)
    alpha[192:, :480] = 255
    write_picture(Picture(canvas, alpha=alpha), tmp_path / "a.png")
    findings = inspect_file(tmp_path / "a.png")
    assert plan_tasks(findings) == ("denoise",)
    assert findings.noise.sigma == pytest.approx(25, rel=0.15)


def test_values_beyond_the_range_are_clipped() -> None:
    noisy = parse_degradation("awgn:25").apply(clean("hippo"), np.random.default_rng(0))
    assert noisy.max() > 1
    assert inspect(noisy) == inspect(np.clip(noisy, 0, 1))


def test_findings_become_plain_data() -> None:
    data = json.loads(json.dumps(inspect(degraded(clean("house"), "awgn:25")).to_dict()))
    assert list(data) == ["noise", "darkness", "blur", "rain"]
    assert data["noise"]["found"] is True
    assert data["noise"]["kind"] == "white"
    for finding in data.values():
        assert 0 <= finding["score"] <= 1
        assert 0.3 <= finding["threshold"] < 1
        assert "\n" not in finding["text"]


def test_the_judged_picture_is_not_changed() -> None:
    picture = degraded(clean("house"), "awgn:25")
    before = picture.copy()
    first = inspect(picture)
    assert isinstance(first, Findings)
    assert first == inspect(picture)
    assert (picture == before).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((8, 8, 3), np.uint8), "uint8"),
        (np.zeros((8, 8), np.float32), "shape"),
        (np.zeros((8, 8, 4), np.float32), "shape"),
        (np.zeros((0, 8, 3), np.float32), "shape"),
        (np.full((40, 40, 3), np.nan, np.float32), "finite"),
    ],
)
def test_what_is_no_picture_is_refused(wrong: NDArray[np.float32], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        inspect(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_noise_in_the_dark_is_not_taken_for_blur(name: str) -> None:
    tasks = plan_tasks(inspect(degraded(clean(name), "lowlight:exposure=0.08,shot=3e-3,jpeg=0,gamma=1,balance=0")))
    assert tasks in (("denoise", "lowlight"), ("photo", "lowlight"))


@pytest.mark.parametrize(
    ("sigma", "faults", "expected"),
    [
        (7.0, "dark", ("denoise", "lowlight")),
        (5.0, "dark", ("lowlight",)),
        (7.0, "blurred", ("deblur",)),
        (9.0, "blurred", ("denoise", "deblur")),
        (7.0, "dark, blurred", ("denoise", "lowlight")),
        (4.0, "dark, blurred", ("lowlight", "deblur")),
        (7.0, "dark, rainy", ("lowlight", "derain")),
        (7.0, "", ("denoise",)),
    ],
)
def test_noise_is_removed_by_itself_only_where_no_other_task_does_it(
    sigma: float, faults: str, expected: tuple[str, ...]
) -> None:
    findings = Findings(
        Noise(1.0, 0.5, "", sigma, "white"),
        Darkness(float("dark" in faults), 0.5, ""),
        Blur(float("blurred" in faults), 0.5, ""),
        Rain(float("rainy" in faults), 0.5, ""),
    )
    assert plan_tasks(findings) == expected
