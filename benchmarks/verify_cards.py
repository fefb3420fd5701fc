"""Measures again every score on the shipped cards and compares.

    python benchmarks/verify_cards.py --data CBSD68=DIR --data Kodak24=DIR [--tolerance 0.01]

Exits with 1 when a score differs by more than the tolerance (dB), or when a card has a score for which no folder was
given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runir.degradations import parse_degradation
from runir.evaluation import evaluate, get_protocol, picture_files
from runir.inference import Restorer
from runir.weights import list_models


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR", required=True)
    parser.add_argument("--tolerance", type=float, default=0.01)
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (item.partition("=") for item in options.data)}
    wrong = 0
    for model in list_models():
        model.verify()
        restorer = Restorer(model)
        for score in model.card.scores:
            row = f"{model.card.name:<16}{score.data:<10}{score.degradation:<10}"
            if score.data not in folders:
                print(f"{row}NOT CHECKED: give --data {score.data}=DIR")
                wrong += 1
                continue
            report = evaluate(
                restorer,
                picture_files(folders[score.data]),
                parse_degradation(score.degradation),
                get_protocol(score.protocol),
                seed=score.seed,
            )
            good = abs(report.psnr - score.psnr) <= options.tolerance
            wrong += not good
            print(f"{row}card {score.psnr:.3f}  measured {report.psnr:.3f}  {'as stated' if good else 'DIFFERS'}")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
