"""From measured reports to the scores and the sample's gain on a model's card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.degradations import parse_degradation
from runir.evaluation import Report, psnr
from runir.images import read_picture
from runir.inference import Restorer
from runir.training.package import change_card
from runir.weights import Model, Score

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "hippo.webp"
SAMPLE_DEGRADATIONS = {
    "denoise": "awgn:25",
    "photo": "camera:shot=0.005",
    "derain": "rain:heavy=1,dry=0",
    "deblur": "blur:size=15,rolling=0,objects=0",
    "lowlight": "lowlight:exposure=0.05",
}


def as_score(data: str, report: Report, **more: object) -> Score:
    """A card's row; more: its remaining fields."""
    return Score(
        data=data,
        protocol=report.protocol,
        degradation=report.degradation or "",
        psnr=round(report.psnr, 3),
        ssim=round(report.ssim, 4),
        input_psnr=round(min(report.input_psnr, 99.0), 3),
        input_ssim=round(report.input_ssim, 4),
        n=len(report.rows),
        **more,  # type: ignore[arg-type]
    )


def sample_gain(model: Model, degradation: str) -> float:
    """PSNR gain (dB) on the picture that ships with the tests, seed 0."""
    clean = read_picture(SAMPLE).pixels
    degraded = parse_degradation(degradation).apply(clean, np.random.default_rng(0))

    def against_clean(picture: NDArray[np.float32]) -> float:
        return psnr(np.rint(picture.clip(0, 1) * 255), clean * 255)

    return round(against_clean(Restorer(model)(degraded)) - against_clean(degraded), 3)


def update_card(model: Model, scores: list[Score]) -> None:
    """Write the scores and the gain on the sample onto a model's card."""
    degradation = SAMPLE_DEGRADATIONS[model.card.task]
    gain = sample_gain(model, degradation)
    change_card(model, scores=tuple(scores), sample_degradation=degradation, sample_gain=gain)
