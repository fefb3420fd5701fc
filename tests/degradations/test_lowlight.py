"""Low light: exposure in linear light, noise of the stated variance, few levels left."""

import numpy as np
import pytest

from runir.degradations import LowLight, LowLights, low_light
from runir.degradations.transfer import srgb_to_linear
from runir.errors import UsageError

CLEAN = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)


def test_exposure_acts_on_linear_light() -> None:
    dark = low_light(CLEAN, LowLight(0.1, levels=False), np.random.default_rng(0))
    np.testing.assert_allclose(srgb_to_linear(dark), 0.1 * srgb_to_linear(CLEAN), atol=1e-5)


def test_balance_and_gamma() -> None:
    params = LowLight(0.2, balance=(1.1, 1.0, 0.9), levels=False)
    light = srgb_to_linear(low_light(CLEAN, params, np.random.default_rng(0)))
    np.testing.assert_allclose(light, srgb_to_linear(CLEAN) * [0.22, 0.2, 0.18], atol=1e-5)
    plain, bent = (low_light(CLEAN, LowLight(0.2, gamma=g, levels=False), np.random.default_rng(0)) for g in (1, 1.2))
    np.testing.assert_allclose(bent, plain**1.2, atol=1e-6)


def test_full_exposure_changes_nothing() -> None:
    np.testing.assert_allclose(low_light(CLEAN, LowLight(1, levels=False), np.random.default_rng(0)), CLEAN, atol=1e-4)


def test_noise_has_the_stated_variance_in_the_dark() -> None:
    clean = np.full((200, 200, 3), 0.9, np.float32)
    params = LowLight(0.2, shot=1e-4, read=1e-5, levels=False)
    light = srgb_to_linear(low_light(clean, params, np.random.default_rng(1)))
    expected = 0.2 * float(srgb_to_linear(clean).mean())
    assert light.mean() == pytest.approx(expected, rel=0.01)
    assert light.var() == pytest.approx(1e-4 * expected + 1e-5, rel=0.05)


def test_few_levels_are_left() -> None:
    dark = low_light(CLEAN, LowLight(0.01), np.random.default_rng(0))
    assert len(np.unique(dark)) < 40
    np.testing.assert_allclose(dark * 255, np.rint(dark * 255), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 70, 1), (50, 33, 3)])
def test_any_shape_and_range(shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).random(shape)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        out = low_light(clean, LowLights().draw(rng), rng)
        assert out.shape == shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert out.min() >= 0
        assert out.max() <= 1


def test_what_is_drawn_stays_in_its_ranges() -> None:
    ranges = LowLights(exposure=(0.05, 0.1), balance=0.1, jpeg=0.5)
    drawn = [ranges.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(0.05 <= d.exposure <= 0.1 and 0.9 <= d.balance[0] <= 1.1 and d.balance[1] == 1 for d in drawn)
    assert np.mean([d.jpeg is not None for d in drawn]) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    "values", [{"exposure": 0.0}, {"shot": -1.0}, {"gamma": 0.0}, {"balance": (0.0, 1.0, 1.0)}, {"jpeg": 101}]
)
def test_bad_parameters_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="low light"):
        LowLight(**({"exposure": 0.1} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"exposure": (0.0, 1.0)}, {"exposure": (0.5, 0.1)}, {"balance": 1.0}])
def test_bad_ranges_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="low light"):
        LowLights(**values)  # type: ignore[arg-type]
