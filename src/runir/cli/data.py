"""runir data list|verify|prepare."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runir.batch.text import duration, pictures, printable
from runir.data.catalogue import DATA_SETS, get_data_set
from runir.data.dataset import DataSet, Part, find_part, require_root
from runir.data.prepare import plan_store, write_store
from runir.data.verify import Common, Comparison, PartReport, check_overlaps, check_part, known_overlaps
from runir.errors import RunirError, UsageError

SHOWN = 20
"""Problems of a part that are printed; --json has all of them."""
_EVERY_TERMINAL, _EVERY_ELSEWHERE = 0.2, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("action", choices=["list", "verify", "prepare"], help="list what is known, verify, or prepare")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a data set, see `runir data list`")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder that holds the data sets")
    parser.add_argument("--part", metavar="PART", help="one part, such as train (default: all; prepare: train)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--quick", action="store_true", help="verify: read only the heads of files, compare no contents"
    )
    group = parser.add_argument_group("prepare")
    group.add_argument("--out", type=Path, metavar="STORE", help="the store's folder (default: DIR/NAME-PART.store)")
    group.add_argument("--patch", type=int, default=512, metavar="N", help="side of the patches (default 512)")
    group.add_argument(
        "--overlap", type=int, default=128, metavar="N", help="pixels that neighbours share (default 128)"
    )
    group.add_argument("--overwrite", action="store_true", help="replace another store")
    group.add_argument("--dry-run", action="store_true", help="say what the store would hold, and its size")


def run(options: argparse.Namespace) -> int:
    """List, verify or prepare."""
    if options.action == "list":
        return _list(options)
    if options.name is None:
        raise UsageError(f"data {options.action}: give a data set's name; see `runir data list`")
    if options.root is None:
        raise UsageError(f"data {options.action}: give --root DIR, the folder that holds the data sets")
    data_set = get_data_set(options.name)
    return _verify(data_set, options) if options.action == "verify" else _prepare(data_set, options)


# ---- list ----------------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    chosen = [get_data_set(options.name)] if options.name else list(DATA_SETS.values())
    if options.root:
        require_root(options.root)
    there = {one.name: _counts(one, options.root) for one in chosen} if options.root else {}
    if options.json:
        print(json.dumps([_plain(one, there.get(one.name)) for one in chosen], ensure_ascii=False))
    elif options.name:
        _show(chosen[0], there.get(chosen[0].name))
    else:
        _table(chosen, there)
    return 0


Counts = dict[str, int | str]
"""What is there of each part, or in words why it cannot be counted."""


def _counts(data_set: DataSet, root: Path) -> Counts:
    counts: Counts = {}
    for part in data_set.parts:
        try:
            counts[part.name] = len(find_part(data_set, part, root).items)
        except UsageError:  # a MATLAB file, and no SciPy
            counts[part.name] = "needs runir[data]"
        except RunirError:
            counts[part.name] = "unreadable"
    return counts


def _table(chosen: list[DataSet], there: dict[str, Counts]) -> None:
    print(f"{'name':<18}{'task':<10}{'parts':<56}licence")
    for one in chosen:
        here = there.get(one.name)
        parts = [_short(part, here) for part in one.parts if here is None or here[part.name] != 0]
        lines = _wrapped(parts or ["not there"], 54)
        print(f"{one.name:<18}{one.task:<10}{lines[0]:<56}{one.licence}")
        for line in lines[1:]:
            print(f"{'':<28}{line}")
    print("`runir data list NAME` says more: page, layout, sizes, known overlaps")


def _short(part: Part, here: Counts | None) -> str:
    expected = "?" if part.count is None else f"{part.count:,}"
    if here is None:
        return f"{part.name} {expected}"
    count = here[part.name]
    return f"{part.name} {count if isinstance(count, str) else f'{count:,}'}/{expected}"


def _wrapped(words: list[str], width: int) -> list[str]:
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}, {word}" if lines[-1] else word
        if len(longer) > width:
            lines[-1] += ","
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _sizes(part: Part) -> str:
    if part.longest is not None:
        return f"longer side {part.longest}"
    if part.sizes is None:
        return "sizes vary"
    return " or ".join(f"{width} x {height}" for width, height in part.sizes)


def _show(data_set: DataSet, here: Counts | None) -> None:
    print(f"{data_set.name}: {data_set.title}, for {data_set.task}\n  from      {data_set.source}")
    print(f"  page      {data_set.page}\n  licence   {data_set.licence}")
    print(f"  folder    {', '.join(data_set.folders)}, below --root, or --root itself")
    for part in data_set.parts:
        what = "pairs" if part.paired else "clean pictures" if part.clean else "pictures without targets"
        print(f"  {part.name:<10} {_short(part, here).removeprefix(part.name).strip()} {what}, {_sizes(part)}")
        for layout in part.layouts:
            print(f"            {' and '.join(p for p in (layout.degraded, layout.target) if p)}")
        if part.protocol:
            print(f"            scored by {part.protocol}")
        if part.note:
            print(f"            {part.note}")
    for overlap in known_overlaps(data_set):
        what = "disjoint" if overlap.disjoint else "overlap"
        print(f"  {what:<10}{' '.join(overlap.one)} and {' '.join(overlap.other)}: {overlap.why}")


def _plain(data_set: DataSet, here: Counts | None) -> dict[str, Any]:
    parts = []
    for part in data_set.parts:
        keys = ("name", "role", "count", "sizes", "longest", "protocol", "note")
        plain: dict[str, Any] = {key: getattr(part, key) for key in keys}
        plain["layouts"] = [{"degraded": layout.degraded, "target": layout.target} for layout in part.layouts]
        if here is not None:
            count = here[part.name]
            plain["found"] = None if isinstance(count, str) else count
        parts.append(plain)
    head = {key: getattr(data_set, key) for key in ("name", "title", "task", "source", "page", "licence", "folders")}
    return head | {"parts": parts, "overlaps": [overlap._asdict() for overlap in known_overlaps(data_set)]}


# ---- verify --------------------------------------------------------------------------------------------------------


def _verify(data_set: DataSet, options: argparse.Namespace) -> int:
    parts = [data_set.part(options.part)] if options.part else list(data_set.parts)
    reports = []
    for part in parts:
        with _Progress(f"{data_set.name} {part.name}") as watch:
            reports.append(check_part(data_set, part, options.root, quick=options.quick, watch=watch))
        if not options.json:  # now: what comes after may take long, and be interrupted
            _print_report(data_set, reports[-1])
    compared = Comparison((), ())
    if not options.quick and any(report.found for report in reports):
        with _Progress("comparing contents") as watch:
            compared = check_overlaps(data_set, options.root, watch=watch)
    if options.json:
        print(json.dumps(_plain_report(data_set, reports, compared), ensure_ascii=False))
    else:
        _print_comparison(compared)
    return 1 if any(report.problems for report in reports) else 0


def _print_report(data_set: DataSet, report: PartReport) -> None:
    part, count = report.part, len(report.problems)
    expected = "" if part.count is None else f" of {part.count:,}"
    state = "complete" if not count else f"{count:,} problem{'s' if count > 1 else ''}"
    if part.count is None and not count:
        state = "nothing wrong (how many there should be is not known)"
    what = "pairs" if part.paired else "pictures"
    print(f"{data_set.name} {part.name}: {report.found:,}{expected} {what}, {state}")
    for problem in report.problems[:SHOWN]:
        print(f"  {problem.kind}: {printable(problem.text)}")
    if count > SHOWN:
        print(f"  ... {count - SHOWN:,} more (all with --json)")
    sys.stdout.flush()


def _print_comparison(compared: Comparison) -> None:
    for one in compared.common:
        _print_common(one)
    if compared.left_out:
        what = f"{pictures(len(compared.left_out))} could not be read and so not compared with other parts"
        print(f"warning: {what}; the first: {printable(compared.left_out[0])}")


def _print_common(common: Common) -> None:
    known = common.overlap
    both = f"{' '.join(known.one)} and {' '.join(known.other)}"
    print(f"warning: {both} share {pictures(common.shared)}: {known.why}")
    for ours, theirs in common.examples:
        print(f"  {printable(ours)} = {printable(theirs)}")
    if common.shared > len(common.examples):
        print("  ...")


def _plain_report(data_set: DataSet, reports: list[PartReport], compared: Comparison) -> dict[str, Any]:
    parts = [
        {
            "part": report.part.name,
            "place": None if report.place is None else str(report.place),
            "found": report.found,
            "count": report.part.count,
            "problems": [problem._asdict() for problem in report.problems],
        }
        for report in reports
    ]
    overlaps = [one.overlap._asdict() | {"shared": one.shared, "examples": one.examples} for one in compared.common]
    return {"data_set": data_set.name, "parts": parts, "overlaps": overlaps, "left_out": compared.left_out}


# ---- prepare -------------------------------------------------------------------------------------------------------


def _prepare(data_set: DataSet, options: argparse.Namespace) -> int:
    part = data_set.part(options.part) if options.part else data_set.default("train")
    index, items = plan_store(data_set, part, options.root, options.patch, options.overlap)
    out = options.out or options.root / f"{data_set.name}-{part.name}.store"
    patches = sum(len(index.boxes(entry)) for entry in index.pictures)
    what = "pairs" if index.paired else "pictures"
    size = (
        f"{len(items):,} {what}, {patches:,} patches of at most {index.patch} x {index.patch}, {_amount(index.bytes)}"
    )
    if not options.json:
        print(f"{data_set.name} {part.name}: {size}", flush=True)
        if part.count is not None and not part.whole(len(items)):
            print(f"warning: {part.count:,} {what} belong in it; see `runir data verify {data_set.name}`", flush=True)
        _print_known(data_set, part)
    done = False
    if not options.dry_run:
        try:
            with _Progress(printable(str(out)), bytes_=True) as watch:
                done = write_store(index, items, out, overwrite=options.overwrite, watch=watch)
        except KeyboardInterrupt:
            print("the same command goes on from here", file=sys.stderr)
            raise
    if options.json:
        plain = {"data_set": data_set.name, "part": part.name, "pictures": len(items), "patches": patches}
        print(json.dumps(plain | {"bytes": index.bytes, "store": str(out), "written": done}, ensure_ascii=False))
    elif not options.dry_run:
        print(f"{printable(str(out))}: {'written' if done else 'is there already'}\nlicence: {data_set.licence}")
        kind = " --set data.kind=pairs" if index.paired else ""
        print(f"next: runir train RECIPE --data {printable(str(out))}{kind}")
    return 0


def _print_known(data_set: DataSet, part: Part) -> None:
    """With which tests these pictures overlap, as far as it is known without looking."""
    for known in known_overlaps(data_set):
        other = " ".join(known.other)
        if known.one != (data_set.name, part.name):
            continue
        if known.disjoint:
            print(f"note: should share nothing with {other}; `runir data verify {data_set.name}` checks", flush=True)
        else:
            print(f"warning: do not report scores on {other} after training on this: {known.why}", flush=True)


def _amount(count: float) -> str:
    unit, size = next(
        (u, s) for u, s in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1)) if count >= s / 10 or s == 1
    )
    return f"{count / size:.1f} {unit}"


class _Progress:
    """Shows how far a job is: one line that is redrawn on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, what: str, *, bytes_: bool = False) -> None:
        self._what, self._bytes = what, bytes_
        self._terminal = sys.stderr.isatty()
        self._every = _EVERY_TERMINAL if self._terminal else _EVERY_ELSEWHERE
        self._drawn = 0

    def __enter__(self) -> Callable[[int, int], None]:
        self._begin = self._last = time.perf_counter()
        self._first: int | None = None
        return self._show

    def _show(self, done: int, total: int) -> None:
        now = time.perf_counter()
        self._first = done if self._first is None else self._first
        if now - self._last < self._every:
            return
        self._last = now
        fresh = done - self._first
        left = f", about {duration((now - self._begin) / fresh * (total - done))} left" if fresh > 0 else ""
        amount = f"{_amount(done)} of {_amount(total)}" if self._bytes else f"{done:,} of {total:,}"
        text = f"{self._what}: {amount}{left}"
        if self._terminal:
            print(f"\r{text:<{self._drawn}}", end="", file=sys.stderr, flush=True)
            self._drawn = len(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            print("\r" + " " * self._drawn + "\r", end="", file=sys.stderr, flush=True)
