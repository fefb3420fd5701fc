"""The exposure curve is trained alone first: it learns what whole pictures tell, and stays then."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runir.data.samples import PairedSource
from runir.models.exposure import Exposure
from runir.training.checkpoint import load_tensors
from runir.training.curve import train_curve
from runir.training.recipe import CurveSection
from tiny import train

SECTION = CurveSection(steps=250, batch=8, count=40)


def scenes(count: int = 40) -> PairedSource:
    """Pictures that are equally dark: those with a bright line at the top were meant to be dim, the others bright."""
    rng, pairs = np.random.default_rng(0), []
    for index in range(count):
        dark = rng.integers(4, 12, (36, 48, 3), dtype=np.uint8)
        if index % 2:
            dark[:18] = 40
        pairs.append((dark, dark * np.uint8(2 if index % 2 else 6)))
    return PairedSource(pairs)


def fresh() -> Exposure:
    torch.manual_seed(0)
    return Exposure(3)


def test_it_learns_how_bright_a_picture_was_meant_to_be() -> None:
    exposure = fresh()
    psnr = train_curve(exposure, scenes(), SECTION, 0)
    assert psnr > 40  # one curve for all of them would stay below 30
    assert psnr > train_curve(fresh(), scenes(), CurveSection(steps=2, batch=8, count=40), 0) + 10


def test_the_same_seed_gives_the_same_curve() -> None:
    one, two, other = fresh(), fresh(), fresh()
    few = CurveSection(steps=5, batch=4, count=8)
    for exposure, seed in ((one, 3), (two, 3), (other, 4)):
        train_curve(exposure, scenes(8), few, seed)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.curve.weight, other.curve.weight)


def test_a_run_trains_it_before_the_network_and_leaves_it_then(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, factor in (("input", 0.1), ("target", 1.0)):
        (project / "data" / side).mkdir()
        for path in (project / "data").glob("*.png"):
            with Image.open(path) as image:
                image.point([int(v * factor) for v in range(256)] * 3).save(project / "data" / side / path.name)
    settings = ("model.network.exposure=true", "data.kind='pairs'", "curve.count=16", "validation.every=0")
    found = {}
    for steps, length in ((0, 1), (4, 1), (4, 3)):
        out = f"run{steps}-{length}"
        weights = train(project, out, *settings, f"curve.steps={steps}", f"schedule.steps={length}")
        found[steps, length] = load_tensors(weights)[0]
        assert ("exposure curve: 4 steps on 16 thumbnails" in capsys.readouterr().out) == bool(steps)
    curve = [name for name in found[0, 1] if name.startswith("exposure.")]
    assert len(curve) == 10
    assert all(torch.equal(found[4, 1][name], found[4, 3][name]) for name in curve)
    assert all(not torch.equal(found[0, 1][name], found[4, 1][name]) for name in curve)
    assert not torch.equal(found[4, 1]["head.weight"], found[4, 3]["head.weight"])
