"""runir evaluate --model NAME (--clean DIR --degrade SPEC | --input DIR --target DIR)."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.cli.options import add_engine_options, build_restorer
from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.evaluation import Report, evaluate, get_protocol, paired_folders, picture_files, score_pairs
from runir.images.place import check_free
from runir.inference import Restorer
from runir.inference.restorer import check_strength


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("--model", default="run-s.denoise", metavar="NAME", help="see `runir models`")
    parser.add_argument("--clean", type=Path, metavar="DIR", help="clean pictures, to be degraded by --degrade")
    parser.add_argument("--degrade", metavar="SPEC", help="such as awgn:25, gray-awgn:25, camera, blur, rain, lowlight")
    parser.add_argument("--input", type=Path, metavar="DIR", help="degraded pictures")
    parser.add_argument("--target", type=Path, metavar="DIR", help="their clean partners, of the same file names")
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="awgn-rgb (default for Gaussian noise), rgb (else), y-float, y-uint8, lol-rgb, lol-gtmean, shift",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the degradation (default 0)")
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 to 1 (default 1)")
    parser.add_argument(
        "--tta", action="store_true", help="average over 8 flips and turns, which is said in the report"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line per picture")
    add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Score, print, perhaps write the CSV."""
    clean, pairs = options.clean is not None, options.input is not None or options.target is not None
    if clean == pairs or (clean and options.degrade is None) or (pairs and None in (options.input, options.target)):
        raise UsageError("evaluate: give either --clean DIR --degrade SPEC, or --input DIR --target DIR")
    if pairs and options.degrade is not None:
        raise UsageError("evaluate: --degrade goes with --clean; the pictures of --input are degraded already")
    degradation = parse_degradation(options.degrade) if clean else None
    gaussian = degradation is not None and "awgn" in degradation.name
    protocol = get_protocol(options.protocol or ("awgn-rgb" if gaussian else "rgb"))
    if protocol.name == "awgn-rgb" and not gaussian:
        raise UsageError("evaluate: protocol awgn-rgb is for --degrade awgn:SIGMA; use --protocol rgb")
    if options.csv is not None:
        check_free(options.csv, overwrite=True)
    check_strength(options.strength)
    restorer = build_restorer(options.model, options)
    count = 0

    def restore(picture: NDArray[Any]) -> NDArray[np.float32]:
        nonlocal count
        count += 1
        if sys.stderr.isatty():
            print(f"\rpicture {count} ", end="", file=sys.stderr, flush=True)
        return restorer(picture, strength=options.strength, tta=options.tta)

    if degradation is not None:
        report = evaluate(restore, picture_files(options.clean), degradation, protocol, seed=options.seed)
    else:
        report = score_pairs(restore, paired_folders(options.input, options.target), protocol)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    if options.csv is not None:
        report.write_csv(options.csv)
    _print(report, options, restorer)
    return 0


def _print(report: Report, options: argparse.Namespace, restorer: Restorer) -> None:
    if options.json:
        head = {"model": restorer.card.name, "engine": restorer.engine, "device": restorer.device}
        head |= {"precision": restorer.precision, "strength": options.strength, "tta": options.tta}
        print(json.dumps(_finite(head | report.to_dict()), ensure_ascii=False))
        return
    what = f"{report.degradation}, seed {report.seed}" if report.degradation else "given pairs"
    how = ", averaged over 8 flips and turns (--tta)" if options.tta else ""
    print(f"{options.model}{how}, protocol {report.protocol}, {what}, {len(report.rows)} pictures")
    print(f"  input   {report.input_psnr:6.2f} dB  SSIM {report.input_ssim:.4f}")
    print(f"  output  {report.psnr:6.2f} dB  SSIM {report.ssim:.4f}")


def _finite(value: Any) -> Any:
    """JSON has no infinity (PSNR of equal pictures): null stands for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
