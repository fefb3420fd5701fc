"""Rain: streaks of the stated length, width, angle and brightness, and how they join the picture."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runir.degradations import Rain, RainLayer, Rains, rain
from runir.degradations.rain import COVERED, smeared_noise, streak_map
from runir.errors import UsageError

CLEAN = np.random.default_rng(0).random((48, 60, 3)).astype(np.float32)
LAYER = RainLayer(density=2.0, length=20.0, brightness=0.6)


def moments(streaks: NDArray[Any]) -> tuple[float, float]:
    """(angle from the vertical in degrees, ratio of the axes) of the mean autocorrelation of a streak map."""
    spectrum = np.abs(np.fft.fft2(streaks - streaks.mean())) ** 2
    around = np.fft.fftshift(np.fft.ifft2(spectrum).real)
    y, x = (np.arange(n) - n // 2 for n in around.shape)
    near = (np.abs(y)[:, None] <= 12) & (np.abs(x) <= 12)
    weight = np.where(near, around.clip(0), 0)
    yy, xx, xy = ((weight * m).sum() for m in (y[:, None] ** 2, x[None] ** 2, y[:, None] * x))
    values, vectors = np.linalg.eigh(np.array([[yy, xy], [xy, xx]]))
    dy, dx = vectors[:, 1]
    return float(np.rad2deg(np.arctan(dx / dy))), float(np.sqrt(values[1] / values[0]))


@pytest.mark.parametrize("angle", [-40.0, 0.0, 25.0])
def test_streaks_have_the_stated_angle(angle: float) -> None:
    found, ratio = moments(streak_map(300, 300, RainLayer(1.0, 40.0, angle, spread=0.5), np.random.default_rng(1)))
    assert found == pytest.approx(angle, abs=4)
    assert ratio > 1.4


def test_streaks_have_the_stated_length_width_and_brightness() -> None:
    layer = RainLayer(0.02, 40.0, angle=0, spread=0, width=1.5, brightness=0.5)
    heights, widths, peaks = [], [], []
    for seed in range(200):
        streaks = streak_map(160, 160, layer, np.random.default_rng(seed))
        rows, columns = (np.flatnonzero(streaks.max(axis=axis) > 0.02) for axis in (1, 0))
        whole = len(rows) and rows[0] > 3 and rows[-1] < 156 and columns[0] > 3 and columns[-1] < 156
        if whole and len(columns) < 12:  # one streak
            heights.append(np.ptp(rows))
            widths.append(len(columns))
            peaks.append(streaks.max())
    assert len(peaks) > 15
    assert np.mean(heights) == pytest.approx(40, rel=0.15)
    assert 6 <= np.mean(widths) <= 10  # +-2 to 3 standard deviations
    assert max(peaks) <= 0.53
    assert min(peaks) > 0.18


@pytest.mark.parametrize(("width", "thick"), [(0.4, 1), (1.0, 2), (1.6, 3)])
def test_sharp_lines_have_one_brightness_and_the_stated_size(width: float, thick: int) -> None:
    layer = RainLayer(0.02, 40.0, angle=0, spread=0, width=width, brightness=0.5, sharp=True)
    seen = 0
    for seed in range(60):
        lines = streak_map(160, 160, layer, np.random.default_rng(seed))
        rows, columns = (np.flatnonzero(lines.max(axis=axis)) for axis in (1, 0))
        whole = len(rows) and rows[0] > 0 and rows[-1] < 159 and columns[0] > 0 and columns[-1] < 159
        if whole and len(np.unique(lines)) == 2:  # one line
            seen += 1
            block = lines[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert block.shape[1] == thick
            assert (block == block.flat[0]).all()
            assert 0.2 <= block.flat[0] <= 0.5
            assert 26 <= block.shape[0] <= 54 + thick
    assert seen > 5


def test_sharp_lines_lie_at_the_stated_angle() -> None:
    layer = RainLayer(1.0, 40.0, 25.0, spread=0.5, sharp=True)
    assert moments(streak_map(300, 300, layer, np.random.default_rng(1)))[0] == pytest.approx(25, abs=4)


@pytest.mark.parametrize("width", [0.4, 1.5, 4.0])
def test_wide_streaks_are_as_bright_as_stated(width: float) -> None:
    """Each from 0.4 to 1 times; so few that no two cross."""
    layer = RainLayer(0.003, 60.0, angle=0, spread=0, width=width, brightness=0.5)
    maps = [streak_map(400, 400, layer, np.random.default_rng(seed)) for seed in range(60)]
    middles = [float(streaks.max()) for streaks in maps if streaks[100:300, 100:300].max() == streaks.max() > 0]
    assert len(middles) > 5
    assert 0.4 < max(middles) < 0.5 * 1.06
    assert min(middles) > 0.2 * 0.85


def test_density_counts_streaks() -> None:
    thin, dense = (streak_map(200, 200, RainLayer(d, 20.0), np.random.default_rng(0)).sum() for d in (1.0, 4.0))
    assert dense / thin == pytest.approx(4, rel=0.2)


def test_streaks_cross_the_border() -> None:
    layer = RainLayer(3.0, 40.0, 30.0)
    streaks = np.mean([streak_map(64, 64, layer, np.random.default_rng(s)) for s in range(60)], axis=0)
    rim = np.concatenate([streaks[:4].ravel(), streaks[-4:].ravel(), streaks[:, :4].ravel(), streaks[:, -4:].ravel()])
    assert rim.mean() == pytest.approx(streaks[16:48, 16:48].mean(), rel=0.15)


def test_blends() -> None:
    black, white = np.zeros((40, 40, 3), np.float32), np.ones((40, 40, 3), np.float32)

    def make(clean: NDArray[Any], blend: str, light: float = 1.0) -> NDArray[Any]:
        return rain(clean, Rain((LAYER,), blend, (light,) * 3), np.random.default_rng(2))  # type: ignore[arg-type]

    streaks = np.minimum(streak_map(40, 40, LAYER, np.random.default_rng(2)), 1)[..., None]
    np.testing.assert_allclose(make(CLEAN[:40, :40], "add"), (CLEAN[:40, :40] + streaks).clip(0, 1), atol=1e-6)
    screened = CLEAN[:40, :40] + streaks - CLEAN[:40, :40] * streaks
    np.testing.assert_allclose(make(CLEAN[:40, :40], "screen"), screened, atol=1e-6)
    np.testing.assert_allclose(make(black, "cover", 0.7), 0.7 * np.repeat(streaks, 3, 2), atol=1e-6)
    np.testing.assert_array_equal(make(white, "add"), white)
    np.testing.assert_allclose(make(white, "screen"), white, atol=1e-6)
    assert make(white, "cover", 0.7).min() < 1


def test_a_veil_lies_over_everything() -> None:
    out = rain(CLEAN, Rain((), veil=0.25, light=(0.8, 0.8, 0.8)), np.random.default_rng(0))
    np.testing.assert_allclose(out, 0.75 * CLEAN + 0.2, atol=1e-6)


def test_no_rain_changes_nothing() -> None:
    np.testing.assert_array_equal(rain(CLEAN, Rain(()), np.random.default_rng(0)), CLEAN)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 70, 1), (50, 33, 3)])
def test_any_shape_and_range(shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).random(shape)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        out = rain(clean, Rains().draw(rng), rng)
        assert out.shape == shape
        assert out.dtype == np.float32
        assert out.min() >= 0
        assert out.max() <= 1


def test_shares_of_what_is_drawn() -> None:
    drawn = [Rains(dry=0.1, veiled=0.3, jpeg=0.4).draw(np.random.default_rng(seed)) for seed in range(500)]
    assert np.mean([not d.layers for d in drawn]) == pytest.approx(0.1, abs=0.05)
    assert np.mean([d.veil > 0 for d in drawn]) == pytest.approx(0.27, abs=0.07)
    assert np.mean([d.jpeg is not None for d in drawn]) == pytest.approx(0.4, abs=0.08)
    assert {len(d.layers) for d in drawn} == {0, 1, 2, 3, 4, 5}
    scores = [np.mean((rain(CLEAN, d, np.random.default_rng(0)) - CLEAN) ** 2) for d in drawn[:120]]
    levels = -10 * np.log10(np.array(scores) + 1e-9)
    assert np.quantile(levels, 0.1) < 16  # from very heavy
    assert np.quantile(levels, 0.8) > 24  # to light rain


@pytest.mark.parametrize("values", [{"density": -1.0}, {"length": 0.0}, {"width": 0.0}, {"brightness": 1.5}])
def test_bad_layers_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="rain"):
        RainLayer(**({"density": 1.0, "length": 10.0} | values))


@pytest.mark.parametrize("values", [{"blend": "burn"}, {"veil": 2.0}, {"light": (2.0, 0.0, 0.0)}, {"jpeg": 0}])
def test_bad_rain_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="rain"):
        Rain((), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [{"heavy": 2.0}, {"density": (0.0, 1.0)}, {"brightness": (0.5, 2.0)}, {"slant": 99.0}, {"aligned": -0.1}]
)
def test_bad_ranges_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="rain"):
        Rains(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("angle", [-30.0, 0.0, 40.0])
@pytest.mark.parametrize("width", [0.5, 1.5])
def test_smeared_noise_has_the_stated_angle_share_and_brightness(angle: float, width: float) -> None:
    layer = RainLayer(1.0, 30.0, angle, width=width, brightness=0.8)
    streaks = smeared_noise(400, 300, layer, 0.5, 2.0, np.random.default_rng(3))
    assert streaks.shape == (400, 300)
    assert streaks.dtype == np.float32
    assert moments(streaks)[0] == pytest.approx(angle, abs=4)
    assert (streaks > 0).mean() == pytest.approx(0.309, abs=0.05)  # of a normal variable above 0.5
    assert 0.6 < streaks.max() <= 0.8
    whole = smeared_noise(600, 500, layer, -2.0, 2.0, np.random.default_rng(4)) / 0.8 * 2 - 2  # clipped at -2 and 0
    assert np.mean(whole < -1) == pytest.approx(0.159, abs=0.04)


@pytest.mark.parametrize(("ramp", "full"), [(0.25, 0.401), (1.0, 0.159), (2.0, 0.023)])
def test_a_short_ramp_makes_smeared_noise_flat(ramp: float, full: float) -> None:
    layer = RainLayer(1.0, 30.0, 20.0, width=1.0, brightness=0.8)
    streaks = smeared_noise(400, 300, layer, 0.0, ramp, np.random.default_rng(3))
    assert np.mean(streaks > 0.799) == pytest.approx(full, abs=0.05)  # of a normal variable above the ramp


def test_rain_of_smeared_noise_joins_as_other_rain_does() -> None:
    black, drawn = np.zeros((40, 50, 3), np.float32), Rains(heavy=1.0, dry=0.0, smeared=1.0).draw
    params = drawn(np.random.default_rng(5))
    assert params.smeared is not None
    shown = rain(black, Rain((LAYER,), "add", smeared=1.0), np.random.default_rng(6))
    np.testing.assert_allclose(
        shown[..., 1], smeared_noise(40, 50, LAYER, 1.0, 2.0, np.random.default_rng(6)), atol=1e-6
    )
    for wrong in (-3.0, 4.0):
        with pytest.raises(UsageError, match="smeared"):
            Rain((LAYER,), smeared=wrong)
    with pytest.raises(UsageError, match="ramp"):
        Rain((LAYER,), smeared=1.0, ramp=0.0)


def test_heavy_rain_has_many_directions_or_one() -> None:
    spans = {}
    for aligned in (0.0, 1.0):
        drawn = [Rains(heavy=1.0, dry=0.0, aligned=aligned).draw(np.random.default_rng(seed)) for seed in range(60)]
        spans[aligned] = np.array([np.ptp([layer.angle for layer in d.layers]) for d in drawn])
        assert max(abs(layer.angle) for d in drawn for layer in d.layers) > 30
    assert np.median(spans[0.0]) > 30
    assert spans[1.0].max() < 20


@pytest.mark.parametrize("sharp", [0.0, 1.0])
def test_rain_that_would_hide_the_picture_is_thinned_out(sharp: float) -> None:
    ranges = Rains(heavy=1.0, dry=0.0, dense=(50.0, 60.0), length=(80.0, 250.0), width=(1.0, 3.0), sharp=sharp)
    for seed in range(20):
        layers = ranges.draw(np.random.default_rng(seed)).layers
        assert sum(layer.covered for layer in layers) <= COVERED * 1.001
    # What is counted is what is drawn, where streaks do not meet (and but for their ends).
    fading = 1.0 if sharp else 0.75
    layer = RainLayer(0.05, 60.0, width=1.5, brightness=1.0, sharp=bool(sharp))
    shown = np.mean([streak_map(300, 300, layer, np.random.default_rng(seed)).mean() for seed in range(20)])
    assert shown == pytest.approx(layer.covered * fading * 0.7, rel=0.25)  # streaks are 0.4 to 1.0 as bright as stated
