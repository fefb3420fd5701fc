"""runir restore IN [-o OUT]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from runir.api import DEFAULT_QUALITY, check_paths, model_for, restore_file
from runir.cli.options import add_engine_options, build_restorer
from runir.errors import UsageError
from runir.inference.restorer import check_strength


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("input", type=Path, metavar="IN", help="a JPEG, PNG, WebP or TIFF file of 8 bits per channel")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="result (default: NAME.restored.EXT beside IN)"
    )
    parser.add_argument("--model", metavar="NAME", help="see `runir models` (default: run-s.denoise)")
    parser.add_argument("--task", metavar="TASK", help="what is wrong with the picture: denoise")
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 (unchanged) to 1 (full, default)")
    quality = f"of JPEG and lossy WebP, 1 to 100 (default {DEFAULT_QUALITY}); other formats are lossless"
    parser.add_argument("--quality", type=int, default=DEFAULT_QUALITY, metavar="Q", help=quality)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing OUT (never IN)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Restore one file."""
    check_strength(options.strength)
    if not 1 <= options.quality <= 100:
        raise UsageError(f"quality = {options.quality}: a number from 1 to 100 is needed")
    check_paths(options.input, options.output, options.overwrite)
    restorer = build_restorer(model_for(options.task, options.model), options)
    show = sys.stderr.isatty() and not options.json
    done = restore_file(
        restorer,
        options.input,
        options.output,
        precision=options.precision,
        strength=options.strength,
        quality=options.quality,
        overwrite=options.overwrite,
        progress=_Bar() if show else None,
    )
    if options.json:
        print(json.dumps(done.to_dict(), ensure_ascii=False))
        return 0
    for note in done.notes:
        print(f"note: {note}")
    print(f"{done.output}  ({done.width} x {done.height}, {done.model}, {done.seconds:.1f} s)")
    return 0


class _Bar:
    """A progress line on a terminal, with the time left."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        spent = time.perf_counter() - self._begun
        left = spent / done * (total - done)
        text = f"\r{done}/{total} tiles, {left:.0f} s left " if done < total else "\r" + " " * 40 + "\r"
        print(text, end="", file=sys.stderr, flush=True)
