"""runir benchmark [--data DIR] [--degrade SPEC] [--model NAME]..."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

from runir.batch.text import columns, cut, duration, pictures
from runir.benchmark import Result, Setting, choose_methods, compare_methods
from runir.benchmark.machine import describe_machine, other_load
from runir.benchmark.pictures import shipped_pictures
from runir.benchmark.plot import draw
from runir.benchmark.report import as_csv, counted, markdown, table
from runir.benchmark.run import Moment
from runir.degradations import parse_degradation
from runir.errors import UsageError
from runir.evaluation import picture_files
from runir.images.place import check_free, place
from runir.inference.threads import available_threads

REPORT, CSV, PLOT = "benchmark.md", "benchmark.csv", "benchmark.png"
ROOM = 100  # columns of the line that is kept up to date


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    data = "clean pictures (default: three small ones that come with runir)"
    parser.add_argument("--data", type=Path, metavar="DIR", help=data)
    degrade = "what is done to them (default awgn:25); others: camera, blur, rain, lowlight"
    parser.add_argument("--degrade", default="awgn:25", metavar="SPEC", help=degrade)
    model = (
        "compare this too (repeat for more): a model's name or folder, a checkpoint that spandrel reads, nlm, bm3d, or "
        "with random weights nafnet-w32, nafnet-w64, swinir, scunet, restormer"
    )
    parser.add_argument("--model", dest="models", action="append", default=[], metavar="NAME", help=model)
    parser.add_argument("--only", action="store_true", help="nothing but what --model names")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the degradation (default 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="processors to use (default: all it may use)")
    out = f"folder for {REPORT}, {CSV} and {PLOT}, which are replaced (default: benchmark)"
    parser.add_argument("--out", type=Path, default=Path("benchmark"), metavar="DIR", help=out)


def run(options: argparse.Namespace) -> int:
    """Compare, print the table, write the three files."""
    degradation = parse_degradation(options.degrade)
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"threads = {options.threads}: at least 1 is needed")
    if options.seed < 0:
        raise UsageError(f"seed = {options.seed}: zero or more is needed")
    methods, left_out = choose_methods(options.models, degradation, options.only)
    files = tuple(picture_files(options.data)) if options.data is not None else shipped_pictures()
    for name in (REPORT, CSV, PLOT):
        check_free(options.out / name, overwrite=True)
    protocol = "awgn-rgb" if degradation.name.startswith("awgn:") else "rgb"
    threads = options.threads or available_threads()
    setting = Setting(files, degradation.name, protocol, options.seed, threads, other_load())
    data = options.data.resolve().name if options.data is not None else "the pictures that come with runir"
    for name, reason in left_out.items():
        print(f"left out: {name}, which {reason}", file=sys.stderr)
    if setting.disturbed:
        print(f"note: {setting.disturbed}", file=sys.stderr)
    results = compare_methods(methods, setting, Log(sys.stderr, len(files)))
    written = _write(options.out, results, setting, data, left_out)
    print(table(results))
    print(f"written: {', '.join(str(path) for path in written)}")
    return 1 if any(result.error for result in results) else 0


def _write(out: Path, results: list[Result], setting: Setting, data: str, left_out: dict[str, str]) -> list[Path]:
    texts: dict[str, bytes] = {}
    try:
        title = f"{setting.degradation} on {data}, {counted(setting.threads, 'thread')}"
        texts[PLOT] = draw(results, title, setting.disturbed)
    except UsageError as error:
        print(f"note: {error}", file=sys.stderr)
        (out / PLOT).unlink(missing_ok=True)  # it would be that of another run
    report = markdown(results, setting, data, describe_machine(), left_out, PLOT if texts else "")
    texts |= {REPORT: report.encode(), CSV: as_csv(results, setting).encode()}
    for name, text in texts.items():
        place(text, out / name, overwrite=True)
    return [out / name for name in sorted(texts)]


class Log:
    """Says what is going on: a line per method, and on a terminal one that is kept up to date."""

    def __init__(self, stream: TextIO, count: int) -> None:
        """Count: of pictures."""
        self._stream, self._live, self._drawn, self._count = stream, stream.isatty(), 0, count
        self._scoring = False

    def __call__(self, moment: Moment) -> None:
        """See compare_methods."""
        if moment.what == "score" and not self._scoring:
            self._scoring = True
            self._say(f"scoring on {pictures(self._count)}: about {duration(moment.seconds or 0)}")
        doing = {"convert": "converting", "time": "timing", "score": "scoring"}[moment.what]
        head = f"{doing} {moment.index}/{moment.count} {moment.method.name}"
        if moment.ended is not None:
            self._say(f"{head}: {_found(moment)}")
        elif self._live:
            parts = [f"{name} {moment.step[name]}/{moment.step[name + 's']}" for name in ("tile", "run", "picture")
                     if name in moment.step]  # fmt: skip
            self._draw(f"{head}: {', '.join(parts) or 'starting'}")

    def _say(self, text: str) -> None:
        self._draw("")
        print(text, file=self._stream, flush=True)

    def _draw(self, text: str) -> None:
        if self._live:
            text = cut(text, ROOM)
            print("\r" + text + " " * max(0, self._drawn - columns(text)) + ("" if text else "\r"), end="",
                  file=self._stream, flush=True)  # fmt: skip
            self._drawn = columns(text)


def _found(moment: Moment) -> str:
    result = moment.ended
    if result is None or result.error:
        return f"failed: {result.error if result else ''}"
    if moment.what == "score":
        return f"{result.psnr:.2f} dB (as it came {result.input_psnr:.2f})"
    memory = "" if result.peak_bytes is None else f", {result.peak_bytes / 1e6:.0f} MB"
    return f"{result.median:.3g} s per megapixel{memory}"
