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

from network_speed import REFERENCE, print_rows, speed_rows
from runir.degradations import parse_degradation
from runir.evaluation import Report, evaluate, get_protocol, picture_files
from runir.inference import Restorer
from runir.weights import Model, Score, list_models
from scores import as_score, update_card

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


def score(restorer: Restorer, name: str, folder: Path, sigma: int) -> tuple[Score, Report]:
    report = evaluate(restorer, picture_files(folder), parse_degradation(f"awgn:{sigma}"), get_protocol("awgn-rgb"))
    baseline = FFDNET[name].get(sigma)
    text = "FFDNet, told sigma (published)" if baseline else ""
    return as_score(name, report, baseline=text, baseline_psnr=baseline), report


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
            update_card(model, scores)
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
