"""What tiles cost: every shipped model on pictures larger than a tile, in tiles and whole.

    python benchmarks/tiles_vs_whole.py [--photos DIR] [--side 1100] [--only MODEL ...] [--update-cards]

Without --photos: the pictures that ship with the tests, repeated by mirroring and lit from one corner; degraded for
each model's task, seed 0.
Whole: the PyTorch network on the picture extended by reflection, with the statistics that tiles share if the model's
card says that they do (`views`), else with its own. Prints the PSNR between the two, the difference near
seams and elsewhere, and the largest difference of local brightness near seams, in levels of 255. With --update-cards
the PSNR goes onto the cards (`tiled_psnr`, the smallest over the pictures).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from runir.degradations import parse_degradation
from runir.evaluation import picture_files
from runir.evaluation.tiling import WholeNetwork, compare_tiling
from runir.images import read_picture
from runir.inference import Restorer
from runir.inference.engines import Statistics
from runir.inference.tiles import reflected
from runir.models.load import load_network
from runir.training.package import change_card
from runir.weights import Model, list_models

ROOT = Path(__file__).parents[1]
FAR = 0.2  # light in the corner farthest from it
MUST = 50.0
Picture = NDArray[np.float32]


def whole_network(model: Model) -> WholeNetwork:
    """The model behind its exposure curve, for any size, in PyTorch."""
    network = load_network(model)

    @torch.no_grad()
    def run(picture: Picture, shared: Statistics | None = None) -> Picture:
        bright = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))[None])
        if shared is None:
            out = network.restore(bright)
        else:
            out, _ = network.restore_sharing(bright, torch.from_numpy(shared), torch.ones(1, 1))
        return np.asarray(out[0].permute(1, 2, 0).numpy())

    return run


def enlarged(picture: Picture, side: int) -> Picture:
    """At least side x side; what is smaller is mirrored and lit from one corner, so that no two tiles look the same."""
    if min(picture.shape[:2]) >= side:
        return picture
    rows, columns = (reflected(0, max(side, have), have) for have in picture.shape[:2])
    down, across = (np.linspace(0, 1, len(where), dtype=np.float32) for where in (rows, columns))
    light = np.float32(FAR) ** ((down[:, None] + across) / 2)
    return np.asarray(picture[rows][:, columns] * light[..., None], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("--side", type=int, default=1100)
    parser.add_argument("--only", nargs="+", metavar="MODEL")
    parser.add_argument("--update-cards", action="store_true")
    options = parser.parse_args()
    files = picture_files(options.photos)
    print(f"{len(files)} pictures of {options.side} pixels or more")
    for model in list_models(ROOT / "src" / "runir" / "weights"):
        if options.only and model.card.name not in options.only:
            continue
        restorer, network, worst = Restorer(model), whole_network(model), 99.0
        for file in files:
            clean = enlarged(read_picture(file).pixels, options.side)
            degraded = parse_degradation(model.card.sample_degradation).apply(clean, np.random.default_rng(0))
            found = compare_tiling(restorer, degraded, network)
            worst = min(worst, found.psnr)
            levels = [255 * value for value in (found.border, found.inside, found.brightness)]
            text = "near seams {:.2f}, elsewhere {:.2f}, brightness {:.2f}".format(*levels)
            print(f"{model.card.name:<16}{file.name:<15}{found.psnr:6.1f} dB   {text}", flush=True)
        verdict = "met" if worst >= MUST else "MISSED"
        print(f"{model.card.name:<16}worst {worst:.1f} dB   must {MUST:g}: {verdict}")
        if options.update_cards:
            change_card(model, tiled_psnr=round(worst, 1))


if __name__ == "__main__":
    main()
