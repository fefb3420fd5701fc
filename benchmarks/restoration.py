"""Everything that the derainers, deblurrers, low-light and photo models must reach, in one run.

    python benchmarks/restoration.py --data DIR --blur-set DIR [--threads 2] [--only MODEL ...] [--update-cards]

--data: a folder with rain100/, lol_eval15/, levin32/ and cc15/, each with its degraded pictures (input/, or
input_light/ and input_heavy/) and target/; --blur-set: what make_blur_set.py wrote. Prints a row per model and test,
the input's own score beside it; then the time of the larger models for a picture of 3000 x 4000, with overlaps, shared
statistics and guides, against a network of FFDNet's shape. With --update-cards the scores are written onto the cards in
the source tree.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from network_speed import REFERENCE, FFDNetShape, as_onnx, measure
from runir.evaluation import get_protocol, paired_folders, score_pairs
from runir.images import read_picture, to_float
from runir.images.reduce import view_starts
from runir.inference import Restorer
from runir.inference.restorer import Held
from runir.inference.tiles import plan_tiles
from runir.weights import Model, list_models
from scores import as_score, update_card

ROOT = Path(__file__).parents[1]
SIZES = ("run-s", "run-t")
MOST_BEHIND = 1.0  # dB that run-t may lie behind run-s
MUST_TIME = 0.55  # of FFDNet's shape, for run-s
PICTURE, OVERLAP = (3000, 4000), 32  # what time is stated for; FFDNet's shape gets tiles with this overlap


@dataclass(frozen=True)
class Test:
    """One row. must: PSNR, or gain over the input if `gain`. note: what a reader of the score must know."""

    task: str
    data: str
    protocol: str
    folders: tuple[str, str]
    must: float | None
    gain: bool = False
    note: str = ""


SCENES = "14 of the 15 scenes have a similar view among the training pairs, as the published split has it"
TESTS = (
    Test("derain", "Rain100L", "y-float", ("rain100/input_light", "rain100/target"), 34.0),
    Test("derain", "Rain100H", "y-float", ("rain100/input_heavy", "rain100/target"), 25.0),
    Test("lowlight", "LOL eval15", "lol-rgb", ("lol_eval15/input", "lol_eval15/target"), 22.5, note=SCENES),
    Test("lowlight", "LOL eval15", "lol-gtmean", ("lol_eval15/input", "lol_eval15/target"), None, note=SCENES),
    Test("deblur", "Levin32", "shift", ("levin32/input", "levin32/target"), 3.0, gain=True),
    Test("deblur", "Kodak24-shake", "rgb", ("input", "target"), 2.5, gain=True),
    Test("photo", "CC15", "rgb", ("cc15/input", "cc15/target"), 35.8),
)


def needed(test: Test, size: str, input_psnr: float, larger: dict[Test, float]) -> float | None:
    """PSNR that this size must reach on this test."""
    if test.must is None:
        return None
    if size != "run-s":
        return larger[test] - MOST_BEHIND if test in larger else None
    return input_psnr + test.must if test.gain else test.must


def of_cards(models: dict[str, Model]) -> dict[Test, float]:
    """What the cards of the larger models say: run-t's goals, where run-s is not scored in the same call."""
    said = {
        (model.card.task, score.data, score.protocol): score.psnr
        for name, model in models.items()
        if name.startswith("run-s.")
        for score in model.card.scores
    }
    keys = {test: (test.task, test.data, test.protocol) for test in TESTS}
    return {test: said[key] for test, key in keys.items() if key in said}


def guide_seconds(model: Model, threads: int, tiles: int, example: Path) -> tuple[float, float]:
    """Seconds to find the kernel of a shaken picture of PICTURE's size (the example, mirrored again and again), and to
    make the guides of its tiles and views."""
    small = to_float(read_picture(example).pixels)
    ends = ((0, PICTURE[0] - small.shape[0]), (0, PICTURE[1] - small.shape[1]), (0, 0))
    picture = np.pad(small, ends, mode="symmetric")
    restorer, begun = Restorer(model, threads=threads), time.perf_counter()
    cut, found = restorer.cutter(Held(picture)), time.perf_counter()
    side, spent = model.card.tile + 2 * cut.context, []
    for index in range(7):
        before = time.perf_counter()
        cut(picture[index : index + side, :side])
        spent.append(time.perf_counter() - before)
    return found - begun, tiles * float(np.median(spent))


def times(models: list[Model], threads: int, example: Path) -> int:
    """Print the time of each model; returns how many take too long. example: a shaken picture."""
    sources = {model.card.name: (model.checked_onnx(), model.card.tile) for model in models}
    tile = models[0].card.tile
    seconds = measure({REFERENCE: (as_onnx(FFDNetShape(), tile), tile)} | sources, threads, "f32", 7)
    least, missed = len(plan_tiles(*PICTURE, tile, OVERLAP)), 0
    print(f"time against {REFERENCE}, for {PICTURE[0]} x {PICTURE[1]} pixels")
    for model in models:
        card = model.card
        tiles, per_tile = len(plan_tiles(*PICTURE, card.tile, card.overlap)), seconds[card.name] / seconds[REFERENCE]
        seen = math.prod(len(view_starts(side, card.tile, card.views)) for side in PICTURE) if card.views else 0
        ratio = per_tile * (tiles + seen) / least
        what = f"{per_tile:.3f}x a tile, {tiles} tiles and {seen} views for {least} tiles"
        if card.network.get("guides"):
            find, make = guide_seconds(model, threads, tiles + seen, example)
            whole = seconds[REFERENCE] * tile**2 / 1e6 * least
            what += f" {ratio:.3f}x, kernel {find / whole:.3f}x, guides {make / whole:.3f}x"
            ratio += (find + make) / whole
        missed += ratio > MUST_TIME
        verdict = f"must {MUST_TIME}: {'met' if ratio <= MUST_TIME else 'MISSED'}"
        print(f"{card.name:<16}{what}: {ratio:.3f}x   {verdict}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--blur-set", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="run-s's scores are then those on its card")
    parser.add_argument("--update-cards", action="store_true")
    options = parser.parse_args()
    models: dict[str, Model] = {m.card.name: m for m in list_models(ROOT / "src" / "runir" / "weights")}
    print(f"{os.cpu_count()} cores, {options.threads} threads; given pairs, PSNR in dB")
    missed, larger = 0, of_cards(models)
    for size in SIZES:
        for task in dict.fromkeys(test.task for test in TESTS):
            name = f"{size}.{task}"
            if options.only and name not in options.only:
                continue
            if name not in models:
                print(f"{name:<16}NO WEIGHT YET")
                missed += 1
                continue
            restorer, scores = Restorer(models[name], threads=options.threads), []
            for test in (t for t in TESTS if t.task == task):
                home = options.blur_set if test.data == "Kodak24-shake" else options.data
                pairs = paired_folders(*(home / folder for folder in test.folders))
                report = score_pairs(restorer, pairs, get_protocol(test.protocol))
                scores.append(as_score(test.data, report, note=test.note))
                if size == "run-s":
                    larger[test] = report.psnr
                must = needed(test, size, report.input_psnr, larger)
                verdict = "" if must is None else f"must {must:.2f}: {'met' if report.psnr >= must else 'MISSED'}"
                missed += "MISSED" in verdict
                print(f"{name:<16}{test.data:<15}{test.protocol:<12}input {report.input_psnr:6.2f}  output "
                      f"{report.psnr:6.2f} dB  SSIM {report.ssim:.4f}   {verdict}")  # fmt: skip
                sys.stdout.flush()
            if options.update_cards:
                update_card(models[name], scores)
    timed = [model for name, model in models.items() if name in (options.only or models) and name.startswith("run-s.")]
    missed += times(timed, options.threads, min((options.blur_set / "input").iterdir())) if timed else 0
    print(f"note, LOL: {SCENES}\n{missed} goals missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
