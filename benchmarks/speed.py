"""Time and memory of the whole program, in one run: `runir restore` on real files, against the engine alone.

    python benchmarks/speed.py [--threads 2] [--model run-s.denoise] [--huge run-t.denoise] [--kodak24 DIR] [--work DIR]

Every row runs the command line in a process of its own; memory is that process's peak (ru_maxrss). The engine's own
time is that of the same number of tiles, one after the other, in the same run. The convolution peak is the arithmetic
rate of a stack of dense 3x3 convolutions (FFDNet's shape) in the same engine. --huge adds the files of 200 megapixels
and 1 gigapixel (minutes, and some gigabytes of disk in --work). bf16 is measured where the processor has it; --kodak24
adds what it costs in PSNR.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from network_speed import REFERENCE, FFDNetShape, as_onnx, compile_network, measure
from runir.degradations import parse_degradation
from runir.doctor.features import processor
from runir.evaluation import evaluate, get_protocol, picture_files
from runir.inference import Restorer
from runir.models.complexity import macs_per_pixel
from runir.weights import find_model

ROOT = Path(__file__).parents[1]
MEGAPIXEL = 1e6


@dataclass(frozen=True)
class Run:
    """One call of the command: wall seconds, peak memory in megabytes."""

    seconds: float
    megabytes: float


def row(what: str, value: float, form: str, must: float, aim: float, more: bool = False) -> bool:
    """Print one row; whether the goal is met."""

    def reached(goal: float) -> bool:
        return value >= goal if more else value <= goal

    verdict = "aim met" if reached(aim) else "must met" if reached(must) else "MISSED"
    sign = ">=" if more else "<="
    print(f"{what:<62}{format(value, form):>9}   must {sign} {must:g}, aim {aim:g}: {verdict}", flush=True)
    return reached(must)


def draw(path: Path, height: int, width: int, *, deep: bool = False) -> None:
    """A picture file of any size, streamed by libvips: a shipped picture, repeated, with noise; TIFFs are tiled."""
    photo = pyvips.Image.new_from_file(str(ROOT / "tests" / "data" / "hippo.webp"))
    across, down = -(-width // photo.width), -(-height // photo.height)
    image = photo.replicate(across, down).crop(0, 0, width, height)
    image = (image + pyvips.Image.gaussnoise(width, height, mean=0, sigma=12, seed=0)).cast("uchar")
    if path.suffix == ".jpg":
        image.jpegsave(str(path), Q=92)
        return
    image = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16") if deep else image
    image.tiffsave(str(path), tile=True, tile_width=256, tile_height=256, bigtiff=True)


def restore(source: Path, model: str, threads: int, *words: str) -> Run:
    """Run the command once."""
    target = source.with_name(f"out{source.suffix}")
    command = [sys.executable, "-m", "runir", "restore", str(source), "-o", str(target), "--model", model]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "--threads", str(threads), "--overwrite", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    assert isinstance(usage, resource.struct_rusage)
    target.unlink()
    return Run(seconds, usage.ru_maxrss * scale / 1e6)


def engine_seconds(model: str, threads: int, tiles: int) -> float:
    """Time of this many tiles in the engine alone."""
    shipped = find_model(model)
    run = compile_network(shipped.checked_onnx(), threads, "f32")
    times = []
    for index in range(14):
        begun = time.perf_counter()
        run()
        if index >= 2:
            times.append(time.perf_counter() - begun)
    return float(np.median(times)) * tiles


def ordinary_files(work: Path, model: str, threads: int) -> bool:
    big, small = work / "12mpx.jpg", work / "0.3mpx.jpg"
    draw(big, 3000, 4000)
    draw(small, 480, 640)
    tiles = Restorer(model, threads=threads).tile_count(3000, 4000)
    alone, runs = [], []
    for _ in range(3):
        alone.append(engine_seconds(model, threads, tiles))
        runs.append(restore(big, model, threads))
    engine, whole = (float(np.median(times)) for times in (alone, [r.seconds for r in runs]))
    what = f"{model}, 12 Mpx JPEG: wall time / engine time ({engine:.1f} s), medians of 3"
    good = row(what, whole / engine, ".3f", 1.25, 1.1)
    quick = sorted(restore(small, model, threads).seconds for _ in range(7))
    good &= row(f"{model}, 0.3 Mpx JPEG, start included, median of 7 (s)", quick[3], ".2f", 1.0, 0.5)
    good &= row("peak memory, 12 Mpx JPEG (MB)", max(r.megabytes for r in runs), ".0f", 600, 400)
    return good


def huge_files(work: Path, model: str, threads: int) -> bool:
    good = True
    for name, side, deep in (
        ("200 Mpx 16-bit TIFF", (12500, 16000), True),
        ("1 Gpx tiled TIFF", (31250, 32000), False),
    ):
        file = work / "huge.tif"
        draw(file, *side, deep=deep)
        run = restore(file, model, threads)
        good &= row(f"peak memory, {name} ({model}, {run.seconds:.0f} s) (MB)", run.megabytes, ".0f", 900, 600)
        file.unlink()
    return good


def arithmetic(model: str, threads: int) -> bool:
    shipped, peer = find_model(model), FFDNetShape()
    sources = {REFERENCE: (as_onnx(peer, 512), 512), model: (shipped.checked_onnx(), shipped.card.tile)}
    seconds = measure(sources, threads, "f32", 9)
    peak = macs_per_pixel(peer) * 2 * MEGAPIXEL / seconds[REFERENCE]
    rate = shipped.card.macs_per_pixel * 2 * MEGAPIXEL / seconds[model]
    what = f"{model}: arithmetic rate / 3x3-convolution peak ({peak / 1e9:.0f} GFLOPS)"
    return row(what, rate / peak, ".2f", 0.45, 0.65, more=True)


def bf16(model: str, threads: int, kodak24: Path | None) -> bool:
    if not processor().features["bf16"]:
        print("bf16: this processor does not have it")
        return True
    source = find_model(model)
    sources = {model: (source.checked_onnx(), source.card.tile)}
    f32, half = (measure(sources, threads, precision, 9)[model] for precision in ("f32", "bf16"))
    good = row("bf16: speed-up", f32 / half, ".2f", 1.3, 1.7, more=True)
    if kodak24 is not None:
        degrade, protocol = parse_degradation("awgn:25"), get_protocol("awgn-rgb")
        psnr = [
            evaluate(Restorer(model, threads=threads, precision=p), picture_files(kodak24), degrade, protocol).psnr
            for p in ("f32", "bf16")
        ]
        good &= row("bf16: loss on Kodak24, sigma 25 (dB)", psnr[0] - psnr[1], ".3f", 0.02, 0.02)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="run-s.denoise")
    parser.add_argument("--huge", metavar="MODEL", help="also 200 megapixels and 1 gigapixel, with this model")
    parser.add_argument("--kodak24", type=Path)
    parser.add_argument("--work", type=Path, help="where the files are made (default: the system's temporary folder)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.threads} threads")
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        good = ordinary_files(Path(folder), options.model, options.threads)
        good &= arithmetic(options.model, options.threads)
        good &= bf16(options.model, options.threads, options.kodak24)
        if options.huge:
            good &= huge_files(Path(folder), options.huge, options.threads)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
