"""The estimators, one by one, against what was done to the picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from runir.degradations import awgn, gray_awgn
from runir.degradations.rain import Rain, RainLayer, rain
from runir.images import open_picture, read_picture, to_float
from runir.inspection import inspect
from runir.inspection.blocks import jpeg_traces
from runir.inspection.crops import crop_boxes, planes, reduce_whole, take_crops
from runir.inspection.darkness import brightness
from runir.inspection.edges import edges
from runir.inspection.noise import noise_levels
from runir.inspection.rules import Feature, Rule
from runir.inspection.streaks import rain_signs
from runir.inspection.washed import light_washed_away

DATA = Path(__file__).parents[1] / "data"
NAMES = sorted(p.stem for p in DATA.glob("*.webp"))
Pixels = NDArray[np.float32]


def clean(name: str) -> Pixels:
    return read_picture(DATA / f"{name}.webp").pixels


def stored(pixels: NDArray[np.floating]) -> Pixels:
    """As an 8-bit file holds it."""
    levels: Pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.float32)
    return levels / np.float32(255)


def moved(pixels: Pixels, down: int, right: int, length: int) -> Pixels:
    """Mean of `length` shifts: uniform motion along a direction."""
    shifts = [np.roll(pixels, (down * k, right * k), (0, 1)) for k in range(length)]
    cut = length
    return stored(np.mean(shifts, 0)[cut:-cut, cut:-cut])


@pytest.mark.parametrize("name", NAMES)
def test_white_noise_is_measured_within_15_percent_and_grows(name: str) -> None:
    sigmas = (5, 8, 12, 20, 30, 40, 50)
    found = [noise_levels([stored(awgn(clean(name), s, np.random.default_rng(s)))]).sigma for s in sigmas]
    assert found == pytest.approx(sigmas, rel=0.15)
    assert found == sorted(found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colour", [0.0, 0.94, (0.2, 0.5, 0.3)])
def test_a_frame_of_one_colour_hides_no_noise(name: str, colour: float | tuple[float, float, float]) -> None:
    noisy = stored(awgn(clean(name), 25, np.random.default_rng(0)))
    framed = np.empty((280, 330, 3), np.float32)
    framed[:] = stored(np.array(colour))
    framed[20:260, 30:270] = noisy[:240, :240]
    assert noise_levels([framed]).sigma == pytest.approx(25, rel=0.15)
    assert noise_levels([np.full_like(framed, 0.94)]).sigma < 0.01


def test_crops_of_nothing_hide_no_noise() -> None:
    """Black bars beside a film, a photo in the middle of a canvas."""
    noisy = stored(awgn(clean("hippo"), 25, np.random.default_rng(0)))
    for colour in (0.0, 0.94, 1.0):
        canvas = np.full((720, 1280, 3), stored(np.array(colour)), np.float32)
        canvas[:, 400:880] = np.tile(noisy, (3, 2, 1))
        findings = inspect(canvas)
        assert findings.noise.found
        assert findings.noise.sigma == pytest.approx(25, rel=0.15)
    assert not inspect(np.full((720, 1280, 3), 0.94, np.float32)).noise.found


@pytest.mark.parametrize("ground", [(1.0, 1.0, 1.0), (0.94, 0.94, 0.92), (0.12, 0.12, 0.12), (0.2, 0.3, 0.5)])
@pytest.mark.parametrize("side", [400, 900])
def test_clean_print_is_not_noisy(ground: tuple[float, float, float], side: int) -> None:
    page = Image.new("RGB", (side, side), tuple(round(255 * value) for value in ground))
    draw, ink = ImageDraw.Draw(page), (20, 20, 25) if ground[0] > 0.5 else (230, 230, 225)
    for line in range(12, side - 20, 26):
        draw.text(
            (12, line), "The quick brown fox jumps over the lazy dog. 0123456789 " * 2, ink, ImageFont.load_default(16)
        )
    assert not inspect(np.asarray(page, np.float32) / np.float32(255)).noise.found


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_seen_hides_no_noise(name: str) -> None:
    noisy = stored(awgn(clean(name), 25, np.random.default_rng(0)))[:240, :240]
    y, x = np.ogrid[-1:1:240j, -1:1:240j]
    seen = x**2 + y**2 < 1
    shown = np.where(seen[..., None], noisy, np.float32(0.5) + np.float32(0.1) * (x * y)[..., None]).astype(np.float32)
    assert noise_levels([shown]).sigma < 5
    assert noise_levels([shown], [seen]).sigma == pytest.approx(25, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_in_gray_pictures_too_where_fine_texture_counts_as_noise(name: str) -> None:
    picture = clean(name).mean(2, keepdims=True)
    own = noise_levels([picture]).sigma
    sigmas = np.array((5, 8, 12, 20, 30, 40, 50))
    found = [noise_levels([stored(awgn(picture, s, np.random.default_rng(s)))]).sigma for s in sigmas]
    assert found == pytest.approx(np.hypot(sigmas, own), rel=0.15)
    assert found == sorted(found)


def test_noise_tells_colour_from_light_and_dark_from_bright() -> None:
    picture, rng = clean("house"), np.random.default_rng(0)
    alike = noise_levels([stored(gray_awgn(picture, 20, rng))])
    assert alike.light_high == pytest.approx(20 * 3**0.5, rel=0.15)  # the light plane is (R + G + B) / sqrt(3)
    assert alike.colour_high < 4
    bright_only = stored(picture + np.where(picture.mean(2, keepdims=True) > 0.4, 0.08, 0.0) *
                         rng.standard_normal(picture.shape))  # fmt: skip
    assert noise_levels([bright_only]).dark_to_bright < 0.5
    assert 0.8 < noise_levels([stored(awgn(picture, 20, rng))]).dark_to_bright < 1.25


def test_coarse_noise_has_less_in_high_frequencies() -> None:
    noise = np.random.default_rng(0).normal(0, 0.08, (242, 242, 1))
    coarse = np.sum([np.roll(noise, shift, (0, 1)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))], axis=0) / 2.0
    levels = noise_levels([stored(0.5 + coarse)])
    assert levels.light_high < 0.5 * levels.light_mid


def test_opponent_planes_keep_white_noise() -> None:
    noise = np.random.default_rng(1).normal(0.5, 0.05, (200, 200, 3)).astype(np.float32)
    assert planes(noise).std((1, 2)) == pytest.approx(0.05 * 255, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_motion_spreads_edges_in_its_direction(name: str) -> None:
    picture = clean(name)
    sharp = edges([picture])
    for (down, right), degrees in (((0, 1), 0), ((1, 0), 90), ((1, 1), 135), ((-1, 1), 45)):
        seen = edges([moved(picture, down, right, 13)])
        assert seen.direction == degrees
        assert seen.uneven > 1.5 * sharp.uneven or seen.uneven > 2
        assert seen.long < 0.5 * sharp.long
    shares = [edges([moved(picture, 0, 1, length)]).long for length in (1, 4, 8, 14)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("angle", [-36, 0, 36])
def test_streaks_have_the_angle_of_the_rain(angle: int) -> None:
    picture = clean("house")
    params = Rain((RainLayer(density=3.0, length=30, angle=angle, width=0.8, brightness=0.6),))
    wet = rain_signs([stored(rain(picture, params, np.random.default_rng(0)))]).fine
    dry = rain_signs([picture]).fine
    assert abs(wet.angle - angle) <= 12
    assert wet.ridges > 2 * dry.ridges
    assert wet.surplus > 1.3 * dry.surplus
    mirrored = rain_signs([stored(rain(picture, params, np.random.default_rng(0)))[:, ::-1]]).fine
    assert mirrored.angle == -wet.angle
    assert mirrored.ridges == pytest.approx(wet.ridges, rel=0.05)


def test_dark_lines_are_no_rain() -> None:
    params = Rain((RainLayer(density=3.0, length=30, width=0.8, brightness=0.6),))
    flat = np.full((240, 240, 3), 0.1, np.float32)
    wet = stored(rain(flat, params, np.random.default_rng(0)))
    bright, dark = rain_signs([wet]).fine, rain_signs([1 - wet]).fine
    assert bright.surplus > 3 > 1 > dark.surplus
    assert bright.calm > 1
    assert dark.calm < 0
    assert light_washed_away([wet]).calm > 5
    assert light_washed_away([flat]).calm < 1
    # What the network makes of the dark lines does not matter: it can take them for gaps in dense rain.
    assert inspect(wet).rain.found
    assert not inspect(1 - wet).rain.found


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9])
def test_rain_is_washed_away_in_any_number_of_crops(count: int) -> None:
    params = Rain((RainLayer(density=3.0, length=30, width=0.8, brightness=0.6),))
    dry = clean("house")
    wet = stored(rain(dry, params, np.random.default_rng(0)))
    corners = [(24 * (k % 3), 24 * (k // 3)) for k in range(count)]
    found = [light_washed_away([picture[y : y + 200, x : x + 150] for y, x in corners]) for picture in (dry, wet)]
    assert found[0].calm <= found[0].half < 1
    assert found[1].half >= found[1].calm > 5


@pytest.mark.parametrize("name", NAMES)
def test_jpeg_leaves_traces_that_grow_with_compression(name: str) -> None:
    picture = clean(name)
    traces = []
    for quality in (92, 80, 60):
        stream = io.BytesIO()
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
        traces.append(jpeg_traces([stored(np.asarray(Image.open(stream)) / 255.0)]))
    assert [jpeg_traces([picture]), *traces] == sorted([jpeg_traces([picture]), *traces])
    assert traces[1] > 0.9
    noise = np.random.default_rng(0).random((240, 240, 3)).astype(np.float32)
    assert abs(jpeg_traces([noise])) < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_they_are_found_in_turned_files_as_well(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    levels = np.rint(clean("house")[:228, :236] * 255).astype(np.uint8)  # sides that are no multiples of 8
    Image.fromarray(levels).save(tmp_path / "a.jpg", quality=60, exif=exif)
    with open_picture(tmp_path / "a.jpg") as reader:
        picture = to_float(reader.rows(0, reader.info.height)[0])
        (y, x, height, width), *others = crop_boxes(picture.shape[0], picture.shape[1], reader.corner)
    assert not others
    assert jpeg_traces([picture[y : y + height, x : x + width]]) > 0.9


def test_brightness_reads_luma() -> None:
    picture = np.zeros((10, 10, 3), np.float32)
    picture[:, :4] = (1.0, 0.0, 0.0)
    seen = brightness(picture)
    assert seen.mean == pytest.approx(0.4 * 0.299)
    assert seen.median == 0.0
    assert seen.brightest == pytest.approx(0.299)
    assert brightness(np.full((1, 1, 1), 0.25, np.float32)).median == pytest.approx(0.25)


SIZES = [(1, 1), (1, 5000), (31, 900), (672, 672), (700, 700), (100, 90_000), (6000, 8000), (9, 10**6), (227, 2500)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("corner", [(0, 0), (4, 7)])
def test_what_is_looked_at_is_bounded_and_inside(size: tuple[int, int], corner: tuple[int, int]) -> None:
    height, width = size
    boxes = crop_boxes(height, width, corner)
    assert 1 <= len(boxes) <= 9
    assert len(set(boxes)) == len(boxes)
    assert sum(h * w for _, _, h, w in boxes) <= 672 * 672
    for y, x, h, w in boxes:
        assert y % 8 == (corner[0] if height >= 64 else 0)
        assert x % 8 == (corner[1] if width >= 64 else 0)
        assert 0 < h <= height - y
        assert 0 < w <= width - x
    row = np.broadcast_to(np.zeros((1, width, 1), np.float32), (height, width, 1))
    assert max(reduce_whole(row).shape) <= 512
    if corner == (0, 0):
        assert [c.shape[:2] for c in take_crops(row)] == [(h, w) for _, _, h, w in boxes]


def test_a_rule_is_a_logistic_function_of_features_and_products() -> None:
    features = {"a": Feature(mean=1.0, scale=2.0, weight=2.0), "b": Feature(0.0, 1.0, -0.5, square=0.25)}
    rule = Rule(threshold=0.5, offset=-1.0, features=features, products={("a", "b"): 3.0})
    assert rule.score({"a": 2.0, "b": 0.0, "c": 9.0}) == pytest.approx(0.5)
    assert rule.score({"a": 2.0, "b": 2.0}) == pytest.approx(1 / (1 + np.exp(-(-1.0 + 1.0 - 1.0 + 1.0 + 3.0))))
    assert rule.score({"a": 7.0, "b": 0.0}) == rule.score({"a": 1e9, "b": 0.0}) < 1.0
    with pytest.raises(KeyError):
        rule.score({"a": 1.0})
