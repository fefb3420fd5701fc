"""runir train (RECIPE | --from MODEL) --data DIR."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from runir.doctor.machine import find_tcmalloc
from runir.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("recipe", type=Path, nargs="?", metavar="RECIPE", help="a TOML file, see recipes/")
    tune = "instead of RECIPE: fine-tune this model (a name, or a folder with a card); --out becomes a model too"
    parser.add_argument("--from", dest="start", metavar="MODEL", help=tune)
    data = "training pictures (repeat for more; default: data.folders of RECIPE); for pairs: has input/ and target/"
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR", help=data)
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME)")
    change = "change one value of the recipe, such as schedule.hours=2 (repeat for more)"
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE", help=change)
    parser.add_argument("--hours", type=float, metavar="H", help="with --from: time to train (default 0.5)")
    licence = "with --from: for the new model's card (default: what follows from MODEL's)"
    parser.add_argument("--licence", metavar="TEXT", help=licence)
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out; RECIPE must be the same")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done, and what it would take")
    allocator = "auto (default): tcmalloc where it is installed; it makes CPU training much faster"
    parser.add_argument("--allocator", choices=["auto", "system"], default="auto", help=allocator)


def run(options: argparse.Namespace) -> int:
    """Train, fine-tune, or say what would be done."""
    if (options.recipe is None) == (options.start is None):
        raise UsageError("train: give either RECIPE or --from MODEL")
    if options.start is None and (options.hours is not None or options.licence is not None):
        raise UsageError("train: --hours and --licence go with --from; with a RECIPE, use --set schedule.hours=H")
    if options.dry_run and options.resume:
        raise UsageError("train: --dry-run is for new runs; leave --resume out")
    if options.resume and options.hours is not None:
        raise UsageError("train: --resume goes on with the saved recipe; leave --hours out")
    if options.allocator == "auto" and not options.dry_run:
        _use_tcmalloc()
    try:
        if options.dry_run:
            return _dry_run(options)
        return _train(options) if options.start is None else _fine_tune(options)
    except ModuleNotFoundError as error:
        raise UsageError(f"training needs the package {error.name!r}: pip install 'runir[train]'") from error


def _train(options: argparse.Namespace) -> int:
    from runir.training.recipe import load_recipe
    from runir.training.run import run_training

    out = _run_folder(options, load_recipe(options.recipe, options.assignments).name)
    weights = run_training(options.recipe, options.data, out, options.assignments, options.resume)
    print(f"weights: {weights}\nnext: runir export {out} --to DIR")
    return 0


def _fine_tune(options: argparse.Namespace) -> int:
    from runir.training.fine_tune import HOURS, fine_tune

    out = _tuned_folder(options)
    hours = HOURS if options.hours is None else options.hours
    done = fine_tune(options.start, options.data, out, hours=hours, assignments=options.assignments,
                     licence=options.licence, resume=options.resume)  # fmt: skip
    if done is None:  # another process speaks
        return 0
    if done.step:
        print(f"kept: step {done.step} of {done.steps}; held-out pictures {done.before:.2f} -> {done.after:.2f} dB")
    else:
        print(f"nothing was better than {options.start} on the held-out pictures: {out} holds the starting weights")
    print(f"licence on the card: {done.model.card.licence}\nnext: runir restore PICTURE --model {out}")
    return 0


def _dry_run(options: argparse.Namespace) -> int:
    from runir.training.plan import in_words, make_plan
    from runir.training.recipe import load_recipe

    if options.start is None:
        from runir.training.run import held_out_names

        recipe = load_recipe(options.recipe, options.assignments)
        folders = options.data or [Path(folder) for folder in recipe.data.folders]
        listed, out = held_out_names(recipe, options.recipe), _run_folder(options, recipe.name)
    else:
        from runir.training.fine_tune import HOURS, RUN, fine_tuning_recipe

        folders, listed, out = options.data, frozenset(), _tuned_folder(options)
        hours = HOURS if options.hours is None else options.hours
        recipe = fine_tuning_recipe(options.start, folders, out, hours, options.assignments)
        out /= RUN
    plan = make_plan(recipe, folders, listed, out)
    print(in_words(plan))
    return 0 if plan.ready else 1


def _run_folder(options: argparse.Namespace, name: str) -> Path:
    return options.out or Path("runs") / name


def _tuned_folder(options: argparse.Namespace) -> Path:
    return options.out or Path("runs") / f"{Path(options.start).name}.tuned"


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
