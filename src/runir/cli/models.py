"""runir models [show NAME]."""

from __future__ import annotations

import argparse
import json

from runir.config import dump_toml, to_plain
from runir.errors import UsageError
from runir.inference.foreign import open_model
from runir.weights import list_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("action", nargs="?", choices=["list", "show"], default="list", help="list (default) or show")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model to show")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(options: argparse.Namespace) -> int:
    """Print the table, or one card."""
    if options.action == "show":
        if options.name is None:
            raise UsageError("models show: give a model's name; see `runir models`")
        card = to_plain(open_model(options.name).card)
        print(
            json.dumps(card, ensure_ascii=False) if options.json else dump_toml(card),
            end="\n" if options.json else "",
        )
        return 0
    cards = [model.card for model in list_models()]
    if options.json:
        print(json.dumps([to_plain(card) for card in cards], ensure_ascii=False))
        return 0
    print(f"{'name':<16}{'task':<10}{'parameters':>11}{'MACs/pixel':>12}  description")
    for card in cards:
        print(f"{card.name:<16}{card.task:<10}{card.parameters:>11,}{card.macs_per_pixel:>12,}  {card.description}")
    return 0
