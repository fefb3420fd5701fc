"""runir evaluate --model NAME (--clean DIR --degrade SPEC | --input DIR --target DIR | --dataset NAME --root DIR)."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runir.batch.text import pictures
from runir.cli import scored
from runir.cli.options import add_engine_options, build_restorer
from runir.evaluation import Report
from runir.images.place import check_free
from runir.inference import Restorer
from runir.inference.restorer import check_strength


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="see `runir models`; or a checkpoint of another network (default: the one for what is scored)",
    )
    scored.add_arguments(parser)
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
    job = scored.choose(options)
    if options.csv is not None:
        check_free(options.csv, overwrite=True)
    check_strength(options.strength)
    restorer = build_restorer(options.model or job.model, options)
    for note in job.notes:
        print(f"note: {note}", file=sys.stderr)
    seen = job.trained_on(restorer.card.training_data)
    if seen:
        what = f"{restorer.card.name} was trained on pictures of {seen}"
        print(f"note: {what}: no score on them says how it does on others", file=sys.stderr)
    watch = scored.Watch()

    def restore(picture: NDArray[Any]) -> NDArray[np.float32]:
        watch()
        return restorer(picture, strength=options.strength, tta=options.tta)

    try:
        report = job.score(restore, options.seed, watch.failed)
    finally:
        watch.close()
    if options.csv is not None:
        report.write_csv(
            options.csv,
            data_set=job.data_set or "",
            model=restorer.card.name,
            strength=options.strength,
            tta=options.tta,
        )
    if options.json:
        _print_json(report, job, options, restorer, watch.failures)
    else:
        _print(report, job, options, restorer)
    return 1 if watch.failures else 0


def _print_json(
    report: Report, job: scored.Job, options: argparse.Namespace, restorer: Restorer, failures: list[str]
) -> None:
    head = {"model": restorer.card.name, "engine": restorer.engine, "device": restorer.device}
    head |= {"precision": restorer.precision, "strength": options.strength, "tta": options.tta}
    plain = head | {"data_set": job.data_set} | report.to_dict() | {"failed": failures}
    print(json.dumps(_finite(plain), ensure_ascii=False))


def _print(report: Report, job: scored.Job, options: argparse.Namespace, restorer: Restorer) -> None:
    what = f"{report.degradation}, seed {report.seed}" if report.degradation else "given pairs"
    what = f"{job.data_set}, {what}" if job.data_set else what
    how = ", averaged over 8 flips and turns (--tta)" if options.tta else ""
    scoring = f"protocol {report.protocol} ({job.protocol.hash})"
    print(f"{restorer.card.name}{how}, {scoring}, {what}, {len(report.rows)} pictures")
    print(f"  input   {_decibels(report.input_psnr)}  SSIM {report.input_ssim:.4f}")
    print(f"  output  {_decibels(report.psnr)}  SSIM {report.ssim:.4f}")
    if 0 < report.equal < len(report.rows):
        print(f"  PSNR without {pictures(report.equal)} equal to the target before or after")


def _decibels(value: float) -> str:
    return f"{value:6.2f} dB" if math.isfinite(value) else "equal to the target"


def _finite(value: Any) -> Any:
    """JSON has no infinity (PSNR of equal pictures): null stands for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
