"""Measures again every score on the shipped cards and compares.

    python benchmarks/verify_cards.py --data CBSD68=DIR --data Kodak24=DIR --data Rain100L=INPUTS:TARGETS \
      [--tolerance 0.01]

One folder for scores of pictures that are degraded here, two for given pairs. Exits with 1 when a score differs by more
than the tolerance (dB), or when a card has a score for which no folder was given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runir.degradations import parse_degradation
from runir.evaluation import Report, evaluate, get_protocol, paired_folders, picture_files, score_pairs
from runir.inference import Restorer
from runir.weights import Score, list_models


def measure(restorer: Restorer, score: Score, folders: str) -> Report:
    protocol = get_protocol(score.protocol)
    if score.degradation:
        degradation = parse_degradation(score.degradation)
        return evaluate(restorer, picture_files(Path(folders)), degradation, protocol, seed=score.seed)
    inputs, colon, targets = folders.partition(":")
    if not colon:
        raise SystemExit(f"--data {score.data}={folders}: a score of given pairs needs INPUTS:TARGETS")
    return score_pairs(restorer, paired_folders(Path(inputs), Path(targets)), protocol)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", required=True)
    parser.add_argument("--tolerance", type=float, default=0.01)
    options = parser.parse_args()
    folders = {name: folder for name, _, folder in (item.partition("=") for item in options.data)}
    wrong = 0
    for model in list_models():
        model.verify()
        restorer = Restorer(model)
        for score in model.card.scores:
            row = f"{model.card.name:<16}{score.data:<15}{score.degradation or score.protocol:<12}"
            if score.data not in folders:
                print(f"{row}NOT CHECKED: give --data {score.data}=DIR")
                wrong += 1
                continue
            report = measure(restorer, score, folders[score.data])
            input_psnr = min(report.input_psnr, 99.0)
            good = abs(report.psnr - score.psnr) <= options.tolerance and len(report.rows) == score.n
            good &= abs(input_psnr - score.input_psnr) <= options.tolerance and abs(report.ssim - score.ssim) <= 1e-3
            wrong += not good
            print(f"{row}card {score.psnr:.3f}  measured {report.psnr:.3f}  {'as stated' if good else 'DIFFERS'}")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
