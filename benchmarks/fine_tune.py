"""What fine-tuning on 20 pictures of one camera gains on other pictures of that camera.

    python benchmarks/fine_tune.py --clean DIR [--model run-t.photo] [--minutes 5] [--pairs 20] [--tests 10]

The camera is simulated (`degradations/camera.py`) with one fixed, strong setting: a small sensor at a high ISO, with
bilinear demosaicing, contrast and JPEG. Clean pictures come from DIR; tests are those of recipes/held_out.txt, which
no shipped model was trained on. The command is a user's, `runir train --from MODEL --data PAIRS --hours H`,
then PSNR (protocol rgb) of both models on the tests. At least 0.5 dB are required.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from runir.data.pictures import find_pictures, load_rgb8, read_name_list
from runir.degradations.camera import CameraNoise, camera_noise
from runir.evaluation import get_protocol, paired_folders, score_pairs
from runir.inference import Restorer

ROOT = Path(__file__).parents[1]
MUST = 0.5
SIDE = 640  # pixels of the longer side: a camera's pictures are made smaller first, which makes them clean and sharp
CAMERA = CameraNoise(
    shot=0.02, read=4e-4, gains=(2.6, 1.25, 2.1), saturation=0.6, demosaic="bilinear", tone_curve=True, jpeg_quality=88
)


def take_pictures(clean: Sequence[Path], folder: Path, seed: int) -> None:
    """Write what the camera makes of the clean pictures, and these, as pairs."""
    for side in ("input", "target"):
        (folder / side).mkdir(parents=True)
    for index, path in enumerate(clean):
        picture = Image.fromarray(load_rgb8(path))
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        target = np.asarray(picture, np.float32) / 255
        degraded = camera_noise(target, CAMERA, np.random.default_rng((seed, index)))
        Image.fromarray(np.rint(degraded * 255).astype(np.uint8)).save(folder / "input" / f"{path.stem}.png")
        picture.save(folder / "target" / f"{path.stem}.png")


def score(model: str, pairs: Path, threads: int) -> tuple[float, float]:
    """Mean PSNR of the input and of the result."""
    found = score_pairs(
        Restorer(model, threads=threads), paired_folders(pairs / "input", pairs / "target"), get_protocol("rgb")
    )
    return found.input_psnr, found.psnr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="run-t.photo")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--tests", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    unseen = read_name_list(ROOT / "recipes" / "held_out.txt")
    found = find_pictures([options.clean])
    order = np.random.default_rng(0).permutation(len(found))
    known = [found[k] for k in order if found[k].name not in unseen][: options.pairs]
    tests = [found[k] for k in order if found[k].name in unseen][: options.tests]
    with tempfile.TemporaryDirectory() as work:
        pairs, others, tuned = Path(work) / "pairs", Path(work) / "others", Path(work) / "tuned"
        take_pictures(known, pairs, 1)
        take_pictures(tests, others, 2)
        words = ["train", "--from", options.model, "--data", pairs, "--hours", options.minutes / 60, "--out", tuned]
        changes = [word for change in options.assignments for word in ("--set", change)]
        subprocess.run([sys.executable, "-m", "runir", *map(str, words), *changes], check=True)
        (noisy, before), (_, after) = (score(str(model), others, options.threads) for model in (options.model, tuned))
    print(f"{len(known)} pairs, {options.minutes:g} minutes from {options.model}; {len(tests)} other pictures: "
          f"input {noisy:.2f}, before {before:.2f}, after {after:.2f} dB; gain {after - before:+.2f} dB, "
          f"must {MUST}: {'met' if after - before >= MUST else 'MISSED'}")  # fmt: skip
    return 0 if after - before >= MUST else 1


if __name__ == "__main__":
    sys.exit(main())
