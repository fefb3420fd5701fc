"""runir inspect FILE."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runir.cli.options import add_engine_options, build_kit
from runir.images import open_picture
from runir.inspection import Findings, Step, plan
from runir.inspection.files import inspect_reader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("input", type=Path, metavar="FILE", help="a picture file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    add_engine_options(parser, precision=False)


def run(options: argparse.Namespace) -> int:
    """Inspect one file and print what was found."""
    with open_picture(options.input) as reader:
        height, width = reader.info.height, reader.info.width
        findings = inspect_reader(reader, build_kit(options).rain_network)
    steps = plan(findings)
    if options.json:
        shown = {
            "input": str(options.input),
            "width": width,
            "height": height,
            "findings": findings.to_dict(),
            "tasks": [{"task": step.task, "reason": step.reason} for step in steps],
        }
        print(json.dumps(shown, ensure_ascii=False))
        return 0
    print(f"{options.input}  ({width} x {height})")
    _print(findings, steps)
    return 0


def _print(findings: Findings, steps: tuple[Step, ...]) -> None:
    for name, finding in findings:
        mark = "FOUND" if finding.found else "no"
        print(f"  {name:<9}{mark:<6} score {finding.score:.2f} (from {finding.threshold:.2f})  {finding.text}")
    tasks = ", then ".join(step.task for step in steps)
    print(f"restore --task auto: {tasks or 'leaves it alone'}")
