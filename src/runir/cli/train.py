"""runir train RECIPE --data DIR."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from runir.doctor.machine import find_tcmalloc
from runir.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="a TOML file, see recipes/")
    data = "training pictures (repeat for more; default: data.folders of RECIPE); for pairs: has input/ and target/"
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR", help=data)
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME)")
    change = "change one value of the recipe, such as schedule.hours=2 (repeat for more)"
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE", help=change)
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    allocator = "auto (default): tcmalloc where it is installed; it makes CPU training much faster"
    parser.add_argument("--allocator", choices=["auto", "system"], default="auto", help=allocator)


def run(options: argparse.Namespace) -> int:
    """Train."""
    if options.allocator == "auto":
        _use_tcmalloc()
    try:
        from runir.training.recipe import load_recipe
        from runir.training.run import run_training
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs the package {error.name!r}: pip install 'runir[train]'") from error
    out = options.out or Path("runs") / load_recipe(options.recipe, options.assignments).name
    weights = run_training(options.recipe, options.data, out, options.assignments, options.resume)
    print(f"weights: {weights}\nnext: runir export {out} --to DIR")
    return 0


def _use_tcmalloc() -> None:
    """Start again with tcmalloc in place: glibc gives big buffers back to the system, and every step faults them in
    again (half of a training step on CPUs). Does nothing where it is not installed, or inside another program."""
    started_by_us = Path(sys.argv[0]).parent.name == "runir" or Path(sys.argv[0]).name == "runir"
    if sys.platform != "linux" or not started_by_us or "tcmalloc" in os.environ.get("LD_PRELOAD", ""):
        return
    found = find_tcmalloc()
    if found is None:
        print("hint: install libtcmalloc-minimal4 (Debian) or gperftools for faster training", file=sys.stderr)
        return
    preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), found]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "runir", *sys.argv[1:]], os.environ | {"LD_PRELOAD": preload})
