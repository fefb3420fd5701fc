"""Batches: made again from (seed, step, sample), the same on any worker or process, and of the stated mixture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runir.data.degrade import GaussianNoise
from runir.data.pictures import find_pictures, load_all, load_rgb8, read_name_list, split_held_out
from runir.data.samples import THUMBNAIL, CleanSource, MixedSource, PairedSource, StepBatches, batches
from runir.errors import RunirError, UsageError
from runir.images.reduce import GRID, thumbnail

RAMP = np.arange(64 * 48 * 3, dtype=np.uint32).reshape(64, 48, 3).astype(np.uint8)
FLAT = np.full((40, 40, 3), (200, 100, 50), np.uint8)


def dataset(rank: int = 0, ranks: int = 1, seed: int = 0) -> StepBatches:
    source = CleanSource([RAMP, FLAT], GaussianNoise())
    return StepBatches(source, [(5, 4, 16), (9, 2, 32)], seed, rank, ranks)


def test_batches_repeat_and_follow_the_phases() -> None:
    shapes = [tuple(dataset()[step][0].shape) for step in range(9)]
    assert shapes == [(4, 3, 16, 16)] * 5 + [(2, 3, 32, 32)] * 4
    for one, other in zip(dataset()[3], dataset()[3], strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(dataset()[3][1], dataset()[4][1])
    assert not torch.equal(dataset()[3][1], dataset(seed=1)[3][1])


def test_two_processes_share_the_batch_of_one() -> None:
    whole = dataset()[2][0]
    shares = [dataset(rank, 2)[2][0] for rank in range(2)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)


def test_loader_goes_on_at_a_step() -> None:
    straight = list(batches(dataset(), 0, 9, workers=0))
    resumed = list(batches(dataset(), 6, 9, workers=1))
    for (a, b), (c, d) in zip(straight[6:], resumed, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_noise_has_the_stated_levels_and_is_not_clipped() -> None:
    degrade = GaussianNoise(sigma=(10.0, 50.0), gray=0.0, jpeg=0.0)
    white = np.full((64, 64, 3), 255, np.uint8)
    levels = []
    for seed in range(300):
        degraded, target = degrade(white, np.random.default_rng(seed))
        assert (target == 1).all()
        assert degraded.max() > 1
        levels.append(float((degraded - target).std() * 255))
    assert min(levels) < 11.5
    assert max(levels) > 48.5
    assert np.mean(levels) == pytest.approx(30, abs=2)


def test_shares_of_clean_gray_and_jpeg_samples() -> None:
    degrade = GaussianNoise(sigma=(5.0, 5.0), clean=0.2, gray=0.3, jpeg=0.4)
    clean = gray = jpeg = 0
    for seed in range(600):
        degraded, target = degrade(RAMP, np.random.default_rng(seed))
        clean += bool((degraded == target).all())
        is_gray = bool((np.ptp(target, axis=2) == 0).all())
        gray += is_gray
        if is_gray:
            assert np.ptp(degraded - target, axis=2).max() < 1e-6  # one plane of noise
        else:
            jpeg += not np.array_equal(np.rint(target * 255), RAMP)
    assert clean / 600 == pytest.approx(0.2, abs=0.05)
    assert gray / 600 == pytest.approx(0.3, abs=0.06)
    assert jpeg / (600 - gray) == pytest.approx(0.4, abs=0.07)


def test_all_eight_orientations_occur_and_pairs_stay_together() -> None:
    source = PairedSource([(RAMP[:16, :16], 255 - RAMP[:16, :16])])
    seen = set()
    for seed in range(100):
        degraded, clean = source.draw(np.random.default_rng(seed), 16)
        np.testing.assert_allclose(degraded + clean, 1, atol=1e-6)
        seen.add(degraded.tobytes())
    assert len(seen) == 8


def test_a_thumbnail_shows_the_whole_picture_whatever_the_patch() -> None:
    picture = np.zeros((72, 96, 3), np.uint8)
    picture[:3, :4] = 255  # one part of 24 x 24
    source = PairedSource([(picture, picture)], shows=True)
    degraded, clean, shown = StepBatches(source, [(9, 4, 16)], 0)[3]
    assert degraded.shape == clean.shape == (4, 3, 16, 16)
    assert shown.shape == (4, 3, GRID, GRID)
    assert torch.all(shown[:, :, 0, 0] == 1)
    assert shown.sum() == 4 * 3


def test_the_thumbnail_of_a_picture_degraded_on_the_fly_is_that_of_its_patch() -> None:
    degraded, _, shown = CleanSource([RAMP], GaussianNoise(), shows=True).draw(np.random.default_rng(0), 16)
    np.testing.assert_array_equal(shown, thumbnail(degraded))


def test_thumbnails_of_both_sources_in_their_shares() -> None:
    dark = PairedSource([(np.full((40, 30, 3), v, np.uint8), np.full((40, 30, 3), 2 * v, np.uint8)) for v in (51, 102)])
    noisy = CleanSource([np.full((330, 340, 3), 255, np.uint8)], GaussianNoise(sigma=(5.0, 5.0), jpeg=0, clean=0))
    degraded, clean = MixedSource(noisy, dark, 0.6).thumbnails(np.random.default_rng(0), 10)
    assert degraded.shape == clean.shape == (10, THUMBNAIL, THUMBNAIL, 3)
    np.testing.assert_allclose(sorted(clean.mean((1, 2, 3))), [0.4] * 3 + [0.8] * 3 + [1.0] * 4, atol=1e-6)
    np.testing.assert_allclose(degraded[4:] * 2, clean[4:], atol=1e-6)  # pairs stay together
    assert 0 < np.abs(degraded[:4] - 1).max() < 0.02


def test_pictures_smaller_than_the_patch_are_extended() -> None:
    degraded, clean = CleanSource([FLAT], GaussianNoise()).draw(np.random.default_rng(0), 64)
    assert degraded.shape == clean.shape == (64, 64, 3)


def test_pixels_are_equally_likely() -> None:
    source = CleanSource([np.zeros((30, 10, 3), np.uint8), np.full((10, 10, 3), 255, np.uint8)], GaussianNoise(jpeg=0))
    white = np.mean([source.draw(np.random.default_rng(s), 4)[1].mean() for s in range(800)])
    assert white == pytest.approx(0.25, abs=0.05)


def test_pairs_of_different_size_are_refused() -> None:
    with pytest.raises(UsageError, match="differ in size"):
        PairedSource([(RAMP, FLAT)])


def test_held_out_pictures_are_split_off(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.webp"):
        Image.fromarray(FLAT).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("# comment\n\na.jpg\nabsent.png\n")
    paths = find_pictures([tmp_path])
    assert [p.name for p in paths] == ["a.jpg", "b.png", "c.webp"]
    training, held_out = split_held_out(paths, read_name_list(tmp_path / "notes.txt"))
    assert ([p.name for p in training], [p.name for p in held_out]) == (["b.png", "c.webp"], ["a.jpg"])
    assert [p.shape for p in load_all(training)] == [(40, 40, 3)] * 2
    with pytest.raises(UsageError, match="nothing is left"):
        split_held_out(paths, frozenset(p.name for p in paths))


def test_the_committed_list_has_one_name_a_line() -> None:
    path = Path(__file__).parents[2] / "recipes" / "held_out.txt"
    names = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)) == len(read_name_list(path)) > 30
    assert all(name.count(".") == 1 and name.endswith((".avif", ".jpg", ".webp")) for name in names)


def test_a_bad_training_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(RunirError, match=r"bad\.png: cannot be read"):
        load_rgb8(tmp_path / "bad.png")
