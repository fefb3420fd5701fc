"""runir restore IN ... [-o OUT]: files or a folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from runir.api import AUTO, DEFAULT_QUALITY, Chosen, check_paths, choose, default_output, model_of, tasks
from runir.cli import folder
from runir.cli.options import add_engine_options, build_kit
from runir.cli.several import check_several, run_several
from runir.errors import UsageError
from runir.images.depth import depth_for
from runir.images.picture import ENDINGS, EXTENSIONS, SUPPORTED
from runir.images.writer import container_of
from runir.inference.compare import compare
from runir.inference.file import FileOptions, Restored, restore_file
from runir.inference.part import Region
from runir.inference.restorer import check_strength
from runir.inspection import Findings
from runir.inspection.files import inspect_file

LONG_S = 5.0  # a job longer than this is announced,
SURE_S = 1.0  # after so many seconds of work
CLEAR = "\r" + " " * 40 + "\r"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    what = "picture files, or a folder of them"
    parser.add_argument("inputs", type=Path, nargs="+", metavar="IN", help=what)
    where = "result, or a folder for it (default: NAME.restored.EXT beside IN)"
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help=where)
    what = "denoise (default), photo, lowlight, deblur, derain, several with commas between, or auto: looks first"
    parser.add_argument("--task", metavar="TASK", help=what)
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="see `runir models`; or a checkpoint of another network (default: the task's larger one)",
    )
    parser.add_argument(
        "--fast", action="store_true", help="the smaller networks: about three times as fast (deblur: 1.4 times)"
    )
    parser.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 (unchanged) to 1 (full, default)")
    parser.add_argument(
        "--tta", action="store_true", help="average over 8 flips and turns: about 0.1 dB for 8 times the time"
    )
    _add_file_arguments(parser)
    add_engine_options(parser)
    folder.add_arguments(parser)


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    quality = f"of lossy formats, 1 to 100 (default {DEFAULT_QUALITY})"
    parser.add_argument("--quality", type=int, default=DEFAULT_QUALITY, metavar="Q", help=quality)
    parser.add_argument("--format", metavar="F", help=f"write as {', '.join(f.lower() for f in SUPPORTED)}")
    parser.add_argument(
        "--bit-depth", type=int, choices=(8, 10, 12, 16, 32), help="of the result (default: as it came)"
    )
    parser.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger pictures (default: 2^32)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing OUT (never IN)")
    parser.add_argument("--preview", type=_region, metavar="X,Y,W,H", help="restore and write only this part, at 1:1")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="also write a before/after picture")
    parser.add_argument(
        "--compare-style", choices=("split", "side"), default="split", help="split (default), or side by side"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text, for each file")


def _region(text: str) -> Region:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
        return Region(x, y, width, height)
    except (ValueError, UsageError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: four numbers X,Y,W,H are needed, as in 0,0,400,300") from error


def run(options: argparse.Namespace) -> int:
    """Restore one file, several, or a folder."""
    check_strength(options.strength)
    if not 1 <= options.quality <= 100:
        raise UsageError(f"quality = {options.quality}: a number from 1 to 100 is needed")
    if options.max_pixels is not None and options.max_pixels < 1:
        raise UsageError(f"max-pixels = {options.max_pixels}: at least 1 is needed")
    if options.format is not None and options.bit_depth is not None:
        depth_for(container_of(Path(), options.format), options.bit_depth, options.bit_depth)
    first, *others = options.inputs
    if others:
        check_several(options.inputs, options.output)
        for name in ("preview", "compare"):
            if getattr(options, name) is not None:
                raise UsageError(f"--{name} is for one picture; {len(options.inputs)} are given")
    elif first.is_dir():
        return folder.run_folder(first, options, _file_options(options))
    for name, value in (
        ("recursive", options.recursive),
        ("jobs", options.jobs),
        ("max-failures", options.max_failures),
    ):
        if value:
            raise UsageError(f"--{name} is for folders; {first} is none")
    job = _Job(options)
    if not others:
        job(first)
        return 0
    job.check()
    return run_several(options.inputs, job.target, job, options.json)


def _file_options(options: argparse.Namespace) -> FileOptions:
    """What the command line says of every file."""
    limit = {} if options.max_pixels is None else {"max_pixels": options.max_pixels}
    return FileOptions(
        strength=options.strength,
        quality=options.quality,
        overwrite=options.overwrite,
        format=options.format,
        bit_depth=options.bit_depth,
        region=options.preview,
        tta=options.tta,
        **limit,
    )


class _Job:
    """What the command line says shall be done with each file."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Compile nothing yet."""
        self._options, self._details, self._kit = options, _file_options(options), build_kit(options)

    def check(self) -> None:
        """Tell a wrong task, model or engine now, and not once for each file. Raises UsageError."""
        models = [model_of(tasks()[0], self._options.fast)] if self._looks else self._chosen(Path()).models
        self._kit.get(models)

    @property
    def _looks(self) -> bool:
        """Whether each picture is looked at to choose its models."""
        return bool(self._options.task == AUTO and self._options.model is None)

    def target(self, source: Path) -> Path:
        """Where the result of this file goes: beside it, into the folder that is named, or the file that is named."""
        output, whole = self._options.output, self._options.preview is None
        beside = default_output(source, "restored" if whole else "preview", self._ending(source))
        if output is None:
            return beside
        if not self._into_folder():
            return Path(output)
        elsewhere = whole and output.resolve() != source.parent.resolve()
        return Path(output, source.stem + beside.suffix if elsewhere else beside.name)

    def __call__(self, source: Path) -> None:
        """Restore one file and print what was done. Raises RunirError."""
        options = self._options
        # First, since a mistyped name is told before a result that is in the way; but looking takes its time.
        chosen = None if self._looks else self._chosen(source)
        target = self.target(source)
        named = None if options.output is None or self._into_folder() else options.output
        check_paths(source, named, options.overwrite, target)
        if options.compare is not None:
            check_paths(source, options.compare, options.overwrite)
            if options.compare.resolve() == target.resolve():
                raise UsageError(f"{options.compare}: is the result; give --compare another name")
        chosen = self._chosen(source) if chosen is None else chosen
        bar = None if options.json else _Bar(sys.stderr.isatty())
        try:
            done = restore_file(self._kit.get(chosen.models), source, target, self._details, bar)
        finally:
            if bar is not None:
                bar.clear()
        if options.compare is not None:
            compare(
                source, target, options.compare, style=options.compare_style, region=options.preview,
                overwrite=options.overwrite,
            )  # fmt: skip
        _show(options, done, chosen)

    def _chosen(self, source: Path) -> Chosen:
        options, limit, rain = self._options, self._details.max_pixels, self._kit.rain_network

        def look() -> Findings:
            return inspect_file(source, max_pixels=limit, network=rain)

        return choose(options.task, options.model, look, options.fast)

    def _into_folder(self) -> bool:
        """A name without an ending that is not there yet is that of a folder: no picture is written without one."""
        output = self._options.output
        return len(self._options.inputs) > 1 or output.is_dir() or not (output.suffix or output.exists())

    def _ending(self, source: Path) -> str | None:
        """Of the result, where it is not the source's own. Raises UsageError for a format that the name contradicts."""
        wanted, output = self._options.format, self._options.output
        if wanted is None:
            return None
        container = container_of(source, wanted)
        file = output is not None and not self._into_folder()
        if file and EXTENSIONS.get(output.suffix.lower(), container) != container:
            raise UsageError(f"{output}: its ending is not that of --format {wanted}; leave one out")
        return ENDINGS[container]


def _show(options: argparse.Namespace, done: Restored, chosen: Chosen) -> None:
    if options.json:
        print(json.dumps(done.to_dict() | {"found": list(chosen.reasons)}, ensure_ascii=False), flush=True)
        return
    for reason in chosen.reasons:
        print(f"found {reason}")
    if options.task == AUTO and not chosen.models:
        print("found nothing to repair: the picture is as it was")
    for note in done.notes:
        print(f"note: {note}")
    models = " + ".join(done.models) or "no model"
    print(f"{done.output}  ({done.width} x {done.height}, {models}, {done.seconds:.1f} s)", flush=True)


class _Bar:
    """Says how long it will take, on a terminal as a line that is kept up to date."""

    def __init__(self, live: bool) -> None:
        self._live, self._said, self._drawn = live, False, False
        self._begun = self._ready = time.perf_counter()
        self._first = (0, 0.0)  # tiles done and the time at the first call: what came before was warming up

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if not done:  # what was done so far, such as finding a blur, does not come again with each tile
            self._ready = now
            return
        if not self._first[0]:
            self._first = (done, now)
            alone = now - self._ready  # with the warming up: only a slow tile says something by itself
            if alone > LONG_S:
                self._announce(total, alone / done * (total - done))
            return
        spent = now - self._first[1]
        left = spent / (done - self._first[0]) * (total - done)
        if not self._said and spent > SURE_S:  # one tile alone says little
            self._said = True
            if now - self._begun + left > LONG_S:
                self._announce(total, left)
        if self._live:
            self._drawn = done < total
            text = f"\r{done}/{total} tiles, {left:.0f} s left " if done < total else CLEAR
            print(text, end="", file=sys.stderr, flush=True)

    def _announce(self, total: int, left: float) -> None:
        self._said = True
        if left > 0:
            print(f"{total} tiles, about {left:.0f} s", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away, for what is printed next."""
        if self._drawn:
            self._drawn = False
            print(CLEAR, end="", file=sys.stderr, flush=True)
