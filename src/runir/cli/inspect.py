"""runir inspect FILE ..."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from runir.api import Kit
from runir.cli.options import add_engine_options, build_kit
from runir.errors import RunirError
from runir.images import open_picture
from runir.inspection import Findings, Step, plan
from runir.inspection.files import inspect_reader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="FILE", help="a picture file, or several")
    parser.add_argument("--json", action="store_true", help="print one JSON object per file instead of text")
    add_engine_options(parser, precision=False)


def run(options: argparse.Namespace) -> int:
    """Inspect each file and print what was found. Of several, those that cannot be read are told and passed over."""
    kit, failed = build_kit(options), 0
    for path in options.inputs:
        try:
            _inspect(path, kit, options.json)
        except RunirError as error:
            if len(options.inputs) == 1:
                raise
            failed += 1
            print(f"runir: {error}", file=sys.stderr)
    return 1 if failed else 0


def _inspect(path: Path, kit: Kit, as_json: bool) -> None:
    with open_picture(path) as reader:
        height, width = reader.info.height, reader.info.width
        findings = inspect_reader(reader, kit.rain_network)
    steps = plan(findings)
    if as_json:
        shown = {
            "input": str(path),
            "width": width,
            "height": height,
            "findings": findings.to_dict(),
            "tasks": [{"task": step.task, "reason": step.reason} for step in steps],
        }
        print(json.dumps(shown, ensure_ascii=False), flush=True)
        return
    print(f"{path}  ({width} x {height})")
    _print(findings, steps)


def _print(findings: Findings, steps: tuple[Step, ...]) -> None:
    for name, finding in findings:
        mark = "FOUND" if finding.found else "no"
        print(f"  {name:<9}{mark:<6} score {finding.score:.2f} (from {finding.threshold:.2f})  {finding.text}")
    tasks = ", then ".join(step.task for step in steps)
    print(f"restore --task auto: {tasks or 'leaves it alone'}", flush=True)
