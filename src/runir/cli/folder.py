"""runir restore DIR -o OUT: the part of the verb that is about folders."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from runir.batch import Jobs, Summary, restore_folder
from runir.batch.pictures import picture_worker
from runir.batch.progress import Progress
from runir.batch.text import duration, pictures, printable
from runir.errors import UsageError
from runir.inference.file import FileOptions

SHOWN = 10
"""Failures and notes that the summary names; all of them are in the manifest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `restore` takes besides, when IN is a folder."""
    group = parser.add_argument_group("when IN is a folder (-o OUT is then a folder too, and needed)")
    group.add_argument("--recursive", action="store_true", help="subfolders too; OUT gets the same tree")
    jobs = "threads that load, compute and save (default 1:1:1); computing N at once takes N times the memory"
    group.add_argument("--jobs", metavar="L:C:S", type=_jobs, help=jobs)
    failures = "stop after N failures (default: never)"
    group.add_argument("--max-failures", metavar="N", type=int, help=failures)


def _jobs(text: str) -> Jobs:
    try:
        return Jobs.parse(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_folder(source: Path, options: argparse.Namespace, details: FileOptions) -> int:
    """Restore the folder `source` into `options.output`, each file as `details` say. Returns the exit code.

    Raises UsageError, and RunirError when nothing can be done at all.
    """
    if options.output is None:
        raise UsageError(f"{printable(str(source))}: is a folder; say where its results go with -o FOLDER")
    if options.compare is not None:
        raise UsageError("--compare is for one picture, not for a folder")
    if options.max_failures is not None and options.max_failures < 1:
        raise UsageError(f"--max-failures {options.max_failures}: at least 1 is needed")
    jobs = options.jobs or Jobs()
    worker = picture_worker(
        task=options.task,
        model=options.model,
        fast=options.fast,
        details=details,
        engine=options.engine,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
        at_once=jobs.compute,
    )
    try:
        summary = restore_folder(
            source,
            options.output,
            worker,
            recursive=options.recursive,
            overwrite=options.overwrite,
            jobs=jobs,
            max_failures=options.max_failures,
            watch=(lambda state: None) if options.json else Progress(sys.stderr),
        )
    except KeyboardInterrupt:
        print("the same command goes on from here", file=sys.stderr)
        raise
    if options.json:
        print(json.dumps(summary.to_dict(), ensure_ascii=False))
    else:
        show(summary)
    return summary.exit_code


def show(summary: Summary) -> None:
    """Print a summary: what a person must know on standard output, what failed on standard error."""
    for path, note in summary.notes[:SHOWN]:
        print(f"note: {printable(path)}: {note}" if path else f"note: {note}")
    if len(summary.notes) > SHOWN:
        print(f"... {len(summary.notes) - SHOWN:,} more notes")
    for _, error in summary.failures[:SHOWN]:
        print(f"failed: {error}", file=sys.stderr)
    if len(summary.failures) > SHOWN:
        print(f"... {len(summary.failures) - SHOWN:,} more failed", file=sys.stderr)
    if summary.stopped:
        print(f"stopped: {summary.stopped}", file=sys.stderr)
    counts = [f"{pictures(summary.restored)} restored"]
    for count, what in ((summary.skipped, "finished before"), (summary.failed, "failed"), (summary.left, "not tried")):
        if count:
            counts.append(f"{count:,} {what}")
    rate = f" ({summary.megapixels:.1f} Mpx in {duration(summary.seconds)})" if summary.restored else ""
    print(f"{printable(summary.output)}: {', '.join(counts)}{rate}")
