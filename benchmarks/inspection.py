"""Which tasks `restore --task auto` chooses, on clean and on degraded pictures: the table of docs/inspection.md.

    python benchmarks/inspection.py --clean DIR [--clean DIR ...] --held-out recipes/held_out.txt
        [--set NAME TASK DIR ...] [--part 320]

Held-out pictures (those of --clean on the list; all of them without a list) are taken as they are and degraded, picture
k with numpy.random.default_rng(7000 + k), rounded to 8 bit as in a file. --set adds a folder of pictures that need
TASK (denoise, photo, deblur, derain, lowlight, or none). A row counts the pictures for which each task is planned.
"right": the task is among those planned (denoise and photo both count for noise); "only": and nothing else is. Some
draws do so little harm that nothing should be done: rows "below 32 dB" hold those whose PSNR to the clean one is less.
Where it is dark and very noisy, noise may be among the tasks.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runir.data.pictures import find_pictures, load_rgb8, read_name_list
from runir.degradations import parse_degradation
from runir.inspection import inspect, plan_tasks

Pixels = NDArray[np.float32]
Sample = tuple[str, Pixels, float | None]  # name, picture, PSNR to the clean one in dB
TASKS = ("denoise", "photo", "lowlight", "deblur", "derain")
NOISE = frozenset({"denoise", "photo"})
SEED = 7000
NOISY_DARKNESS = "lowlight:exposure=0.03-0.15,shot=1.5e-3-4e-3"  # more noise than `lowlight` has learnt to remove
DEGRADED = {  # SPEC -> task; {} is drawn per picture from 5 to 50, logarithmic
    "clean": "none",
    "awgn:{}": "denoise",
    "gray-awgn:{}": "denoise",
    "camera": "photo",
    "blur": "deblur",
    "rain:dry=0": "derain",
    "lowlight": "lowlight",
    NOISY_DARKNESS: "lowlight",
}
ALSO = {NOISY_DARKNESS: NOISE}  # what is no mistake beside the task
ENOUGH = 0.9
PLAIN = 32.0


@dataclass
class Tally:
    """Counts of one row."""

    title: str
    task: str
    also: frozenset[str] = frozenset()
    n: int = 0
    right: int = 0
    only: int = 0
    nothing: int = 0
    tasks: Counter[str] = field(default_factory=Counter)

    def add(self, chosen: set[str]) -> bool:
        """Count one picture; returns whether its task, and no other, was chosen."""
        wants = NOISE if self.task in NOISE else {self.task} - {"none"}
        right = bool(chosen & wants) if wants else not chosen
        only = right and chosen <= wants | self.also
        self.n, self.right, self.only = self.n + 1, self.right + right, self.only + only
        self.nothing += not chosen
        self.tasks.update(chosen)
        return only

    def line(self) -> str:
        cells = [str(self.tasks[task] or "") for task in TASKS] + [str(self.nothing or "")]
        shares = [f"{100 * part / self.n:.0f}%" for part in (self.right, self.only)]
        return f"| {' | '.join([self.title, str(self.n), *cells, *shares])} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--held-out", type=Path, metavar="FILE")
    parser.add_argument("--set", nargs=3, action="append", default=[], metavar=("NAME", "TASK", "DIR"))
    parser.add_argument("--part", type=int, default=0, metavar="N", help="only the middle N x N pixels of each")
    parser.add_argument("--names", action="store_true", help="print the pictures that were not judged right")
    options = parser.parse_args()
    for _, task, _ in options.set:
        if task not in (*TASKS, "none"):
            parser.error(f"{task}: a task is one of {', '.join(TASKS)}, none")
    print(f"| pictures | n | {' | '.join(TASKS)} | nothing | right | only |")
    print(f"|---|{'--:|' * (len(TASKS) + 4)}")
    clean = [path for path in find_pictures(options.clean) if wanted(path, options.held_out)] if options.clean else []
    rows: list[tuple[str, str, Iterable[Sample]]] = []
    if clean:
        rows += [(spec.format("5 to 50"), task, degraded(clean, spec, options.part)) for spec, task in DEGRADED.items()]
    rows += [(name, task, as_they_are(Path(folder))) for name, task, folder in options.set]
    begun = time.process_time()
    tallies = [tally for title, task, samples in rows for tally in judge(title, task, samples, options.names)]
    count = sum(tally.n for tally in tallies)
    below = sum(tally.right < ENOUGH * tally.n for tally in tallies)
    spent = (time.process_time() - begun) / max(count, 1)
    print(f"\n{count} pictures, {spent:.2f} s of one processor each, degrading included; {below} rows below 90%")
    return 1 if below else 0


def judge(title: str, task: str, samples: Iterable[Sample], names: bool) -> list[Tally]:
    """Inspect the pictures of a row and print it; a second row for those that are plainly damaged."""
    also = ALSO.get(title, frozenset())
    every, plain = Tally(title, task, also), Tally(f"{title}, below {PLAIN:g} dB", task, also)
    for name, pixels, psnr in samples:
        chosen = set(plan_tasks(inspect(pixels)))
        if not every.add(chosen) and names:
            damage = "" if psnr is None else f" ({psnr:.1f} dB)"
            print(f"{title}: {name}{damage}: {', '.join(sorted(chosen)) or 'nothing'}", file=sys.stderr)
        if psnr is not None and psnr < PLAIN:
            plain.add(chosen)
    tallies = [every, plain] if 0 < plain.n < every.n else [every]
    for tally in tallies:
        print(tally.line(), flush=True)
    return tallies


def wanted(path: Path, held_out: Path | None) -> bool:
    return held_out is None or path.name in read_name_list(held_out)


def degraded(paths: list[Path], spec: str, part: int) -> Iterator[Sample]:
    for k, path in enumerate(paths):
        rng = np.random.default_rng(SEED + k)
        clean = middle(unit(load_rgb8(path)), part)
        pixels = clean
        if spec != "clean":
            sigma = float(np.exp(rng.uniform(np.log(5.0), np.log(50.0))))
            pixels = parse_degradation(spec.format(f"{sigma:.2f}")).apply(clean, rng)
        stored = unit(np.rint(np.clip(pixels, 0.0, 1.0) * 255.0))
        error = float(np.mean((stored - clean) ** 2, dtype=np.float64))
        yield path.name, stored, None if spec == "clean" else -10.0 * math.log10(error + 1e-10)


def as_they_are(folder: Path) -> Iterator[Sample]:
    for path in find_pictures([folder]):
        yield path.name, unit(load_rgb8(path)), None


def unit(levels: NDArray[np.uint8] | Pixels) -> Pixels:
    return levels.astype(np.float32) / np.float32(255.0)


def middle(pixels: Pixels, part: int) -> Pixels:
    """The middle part x part (all of it for 0), from a multiple of 8 on."""
    if not part:
        return pixels
    top, left = (max(0, side - part) // 16 * 8 for side in pixels.shape[:2])
    return pixels[top : top + part, left : left + part]


if __name__ == "__main__":
    sys.exit(main())
