"""runir export RUN --to DIR."""

from __future__ import annotations

import argparse
from pathlib import Path

from runir.errors import UsageError
from runir.weights.card import UNSTATED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder of `runir train`")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the model's folder goes")
    parser.add_argument(
        "--tile", type=int, default=512, help="side of the ONNX file's fixed tile, pixels (default 512)"
    )
    overlap = "pixels that neighbouring tiles share (default: 32, for low light 64)"
    parser.add_argument("--overlap", type=int, metavar="N", help=overlap)
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there")
    parser.add_argument("--description", default=UNSTATED, metavar="TEXT", help="for the card")
    for field in ("licence", "recipe", "training-data", "training"):
        known = "for the card (default: what the run's recipe and starting weights tell)"
        parser.add_argument(f"--{field}", default=UNSTATED, metavar="TEXT", help=known)


def run(options: argparse.Namespace) -> int:
    """Export."""
    try:
        from runir.training.package import CardTexts, package_run
    except ModuleNotFoundError as error:
        raise UsageError(f"export needs the package {error.name!r}: pip install 'runir[train]'") from error
    texts = CardTexts(options.description, options.licence, options.recipe, options.training_data, options.training)
    model = package_run(
        options.run, options.to, tile=options.tile, overlap=options.overlap, texts=texts, overwrite=options.overwrite
    )
    print(f"{model.folder}: {model.card.parameters:,} parameters, {model.card.macs_per_pixel:,} MACs per pixel")
    print(f"licence on the card: {model.card.licence}")
    return 0
