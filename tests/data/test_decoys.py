"""Dark lines drawn into training pictures: darker than the scene, sparse, in input and target alike."""

import numpy as np
import pytest

from runir.data.decoys import dark_lines, flat_ground
from runir.data.degrade import Degraded
from runir.degradations import Drawn, Rains

SCENE = np.random.default_rng(0).uniform(0.3, 0.7, (64, 80, 3)).astype(np.float32)
SEEDS = range(60)


@pytest.mark.parametrize("channels", [1, 3])
def test_lines_are_darker_than_the_scene_and_leave_most_of_it(channels: int) -> None:
    scene = SCENE[..., :channels]
    on_scene, marked = 0, []
    for seed in SEEDS:
        drawn = dark_lines(scene, np.random.default_rng(seed))
        assert drawn.dtype == np.float32
        assert drawn.shape == scene.shape
        assert 0 <= drawn.min() <= drawn.max() <= 1
        change = scene - drawn
        if np.median(np.abs(change)) < 1e-6:  # else it stands on a ground of its own
            assert change.min() > -1e-6
            on_scene += 1
            marked.append(float((change > 0.02).mean()))
    assert 20 < on_scene < 40
    assert max(marked) < 0.5
    assert 0.002 < float(np.mean(marked)) < 0.25


def test_flat_ground_is_bright_and_fades_at_most_by_a_third() -> None:
    faded = 0
    for seed in SEEDS:
        ground = flat_ground((48, 64, 3), np.random.default_rng(seed))
        assert ground.dtype == np.float32
        assert 0 <= ground.min() <= ground.max() <= 1
        assert np.median(ground) > 0.3
        assert (ground >= ground.max((0, 1)) * (2 / 3 - 1e-6)).all()
        faded += bool(np.ptp(ground[..., 0]) > 0)
    assert 20 < faded < 40


def test_input_and_target_have_the_same_lines_and_half_of_them_stay_dry() -> None:
    plain = np.full((64, 64, 3), 255, np.uint8)
    degrade = Degraded(Drawn("rain", Rains(dry=0.0, jpeg=0.0, veiled=0.0)), gray=0.2, lines=0.5)
    lined = dry = seen = 0
    for seed in range(200):
        degraded, target = degrade(plain, np.random.default_rng(seed))
        if (target == 1).all():
            continue
        lined += 1
        dry += bool((degraded == target).all())
        seen += bool(degraded[target < 1].mean() < 1.0)
    assert 70 < lined < 130
    assert seen > 0.9 * lined  # in the input as well, but where rain hides the only ones
    assert 0.35 < dry / lined < 0.65
    without = Degraded(Drawn("rain", Rains()), gray=0.2)(plain, np.random.default_rng(3))[1]
    assert (without == 1).all()
