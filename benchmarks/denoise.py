"""Everything the denoisers must reach, in one run: PSNR on the test sets, clean pictures, time.

    python benchmarks/denoise.py --cbsd68 DIR --kodak24 DIR [--threads 2] [--update-cards]

Protocol awgn-rgb, seed 0. FFDNet's PSNR (told sigma; ours is blind) is the published one, see SOURCE.
With --update-cards the measured scores are written onto the models' cards in the source tree.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.degradations import parse_degradation
from runir.evaluation import Report, evaluate, get_protocol, picture_files, psnr
from runir.images import read_picture
from runir.inference import Restorer
from runir.training.package import add_scores
from runir.weights import Model, Score, list_models
from speed import REFERENCE, print_rows, speed_rows

ROOT = Path(__file__).parents[1]
SOURCE = "FFDNet (told sigma): Zhang et al., TIP 2018, as in the tables of Zhang et al., DPIR, TPAMI 2022"
FFDNET = {"CBSD68": {15: 33.87, 25: 31.21, 50: 27.96}, "Kodak24": {15: 34.63, 25: 32.13, 50: 28.98}}
MUST = {
    ("run-s.denoise", "CBSD68"): {15: 33.80, 25: 31.20, 50: 27.95},
    ("run-s.denoise", "Kodak24"): {15: 34.60, 25: 32.12, 50: 29.00},
    ("run-t.denoise", "CBSD68"): {25: 30.6},
}
MUST_TIME = {"run-s.denoise": 0.55, "run-t.denoise": 0.20}
MUST_CLEAN = {"run-s.denoise": 42.0}
missed: list[float] = []
SAMPLE, SAMPLE_DEGRADATION = ROOT / "tests" / "data" / "hippo.webp", "awgn:25"


def score(restorer: Restorer, name: str, folder: Path, sigma: int) -> tuple[Score, Report]:
    report = evaluate(restorer, picture_files(folder), parse_degradation(f"awgn:{sigma}"), get_protocol("awgn-rgb"))
    baseline = FFDNET[name].get(sigma)
    return Score(
        data=name,
        protocol=report.protocol,
        degradation=f"awgn:{sigma}",
        psnr=round(report.psnr, 3),
        ssim=round(report.ssim, 4),
        input_psnr=round(min(report.input_psnr, 99.0), 3),
        input_ssim=round(report.input_ssim, 4),
        n=len(report.rows),
        baseline="FFDNet, told sigma (published)" if baseline else "",
        baseline_psnr=baseline,
    ), report


def verdict(value: float, must: float | None, more_is_better: bool = True) -> str:
    if must is None:
        return ""
    met = value >= must if more_is_better else value <= must
    if not met:
        missed.append(must)
    return f"must {must:g}: {'met' if met else 'MISSED'}"


def quality(model: Model, folders: dict[str, Path], threads: int) -> list[Score]:
    restorer = Restorer(model, threads=threads)
    scores = []
    for data, folder in folders.items():
        for sigma in (0, 15, 25, 50):
            row, report = score(restorer, data, folder, sigma)
            head = f"{model.card.name:<16}{data:<9}"
            if sigma == 0:
                worst = min(r.psnr for r in report.rows)
                line = f"clean pictures, to themselves: mean {row.psnr:.2f}, worst {worst:.2f} dB"
                checked = verdict(worst, MUST_CLEAN.get(model.card.name))
            else:
                line = (
                    f"sigma {sigma:<3} input {row.input_psnr:.2f}  output {row.psnr:.2f} dB  SSIM {row.ssim:.4f}"
                    f"  FFDNet {row.baseline_psnr:.2f}"
                )
                must = MUST.get((model.card.name, data), {}).get(sigma)
                checked = verdict(round(row.psnr, 2), must)
            print(f"{head}{line}   {checked}")
            sys.stdout.flush()
            scores.append(row)
    return scores


def sample_gain(model: Model) -> float:
    clean = read_picture(SAMPLE).pixels
    noisy = parse_degradation(SAMPLE_DEGRADATION).apply(clean, np.random.default_rng(0))

    def against_clean(picture: NDArray[np.float32]) -> float:
        return psnr(np.rint(picture.clip(0, 1) * 255), clean * 255)

    return round(against_clean(Restorer(model)(noisy)) - against_clean(noisy), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cbsd68", type=Path, required=True)
    parser.add_argument("--kodak24", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", action="append", help="only these")
    parser.add_argument("--update-cards", action="store_true")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.threads} threads; protocol awgn-rgb, seed 0; {SOURCE}")
    folders = {"CBSD68": options.cbsd68, "Kodak24": options.kodak24}
    home = ROOT / "src" / "runir" / "weights"
    models = [
        m for m in list_models(home) if m.card.task == "denoise" and m.card.name in (options.model or [m.card.name])
    ]
    for model in models:
        scores = quality(model, folders, options.threads)
        if options.update_cards:
            add_scores(model, scores, sample_degradation=SAMPLE_DEGRADATION, sample_gain=sample_gain(model))
    rows = speed_rows(options.threads)
    print_rows(rows, options.threads)
    for row in rows:
        if row["network"] in MUST_TIME:
            must = MUST_TIME[row["network"]]
            print(f"{row['network']}: {row['f32_ratio']:.3f}x {REFERENCE}   {verdict(row['f32_ratio'], must, False)}")
    print(f"{len(missed)} goals missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
