"""Results as a table (Markdown) and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from runir.benchmark.run import Result, Setting
from runir.benchmark.worker import SIDE

HEAD = ("method", "weights", "engine", "parameters", "PSNR (dB)", "SSIM", "s/Mpx", "relative", "range", "peak MB")
COLUMNS = (
    "method", "source", "kind", "engine", "parameters", "psnr", "ssim", "input_psnr", "input_ssim", "seconds_per_mpx",
    "fastest", "slowest", "runs", "peak_bytes", "threads", "busy", "degradation", "seed", "protocol", "pictures",
    "error",
)  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """A Markdown table, the quickest method first, the pictures as they came on top, what failed at the end."""
    ours = _reference(results)
    unit = ours.median if ours is not None else None
    rows = [HEAD, *(_row(result, unit) for result in _in_order(results))]
    scored = next((result for result in results if result.input_psnr is not None), None)
    if scored is not None:
        rows.insert(1, ("(as it came)", "", "", "", *_quality(scored.input_psnr, scored.input_ssim), "", "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_line(row, widths) for row in rows]
    rule = "|" + "|".join("-" * (w + 1) + (":" if k > 2 else "-") for k, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _in_order(results: Sequence[Result]) -> list[Result]:
    return sorted(results, key=lambda r: (r.median is None, r.median or 0.0))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.rjust(w) if k > 2 else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True)))
    return "| " + " | ".join(cells) + " |"


def _reference(results: Sequence[Result]) -> Result | None:
    """What times are relative to: the first of runir's own models, which is the larger one."""
    return next((r for r in results if r.method.kind == "runir" and r.median is not None), None)


def _row(result: Result, unit: float | None) -> tuple[str, ...]:
    method, median = result.method, result.median
    name = method.name.replace("|", "/") + (" (failed)" if result.error else "")
    relative = "" if median is None or unit is None else f"{_seconds(median / unit)}x"
    speed = ("", "", "") if median is None else (_seconds(median), relative, _range(result))
    memory = "" if result.peak_bytes is None else f"{result.peak_bytes / 1e6:.0f}"
    size = f"{result.parameters:,}" if result.parameters else ""
    told = "" if result.told_sigma is None else f", told {result.told_sigma:g}"
    return (name, method.weights + told, result.engine, size, *_quality(result.psnr, result.ssim), *speed, memory)


def _quality(psnr: float | None, ssim: float | None) -> tuple[str, str]:
    return ("" if psnr is None else f"{psnr:.2f}", "" if ssim is None else f"{ssim:.4f}")


def _range(result: Result) -> str:
    if len(result.seconds) == 1:
        return "1 run"
    return f"{_seconds(min(result.seconds))} to {_seconds(max(result.seconds))} ({len(result.seconds)} runs)"


def _seconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def markdown(
    results: Sequence[Result], setting: Setting, data: str, machine: str, left_out: Mapping[str, str], plot: str
) -> str:
    """The whole report. data: what the pictures are called. plot: name of the picture file, or empty."""
    count = len(setting.files)
    lines = [
        f"# {setting.degradation} on {data}",
        "",
        f"{counted(count, 'picture')}, protocol {setting.protocol}, seed {setting.seed}; "
        f"{counted(setting.threads, 'thread')} on the CPU. {machine}.",
        "",
        table(results),
        "",
        *_notes(results, setting, left_out),
    ]
    return "\n".join([*lines, *(["", f"![PSNR against time]({plot})"] if plot else [])]) + "\n"


def counted(count: int, what: str) -> str:
    """Such as "1 thread" or "2 threads"."""
    return f"{count} {what}{'s' * (count != 1)}"


def _notes(results: Sequence[Result], setting: Setting, left_out: Mapping[str, str]) -> list[str]:
    kinds, degradation = {result.method.kind for result in results}, setting.degradation
    notes = [f"Not a quiet machine: {setting.disturbed}."] if setting.disturbed else []
    notes += [
        f"s/Mpx: seconds per megapixel, the median of the runs on one picture of {SIDE} x {SIDE} pixels made from the "
        "first one, after a run that does not count. Peak MB: of the method's process on that picture, Python and its "
        "libraries included."
    ]
    ours = _reference(results)
    if ours is not None:
        notes.append(f"Relative: time against that of {ours.method.name}.")
    if "classical" in kinds:
        notes.append("Told sigma: the classical denoisers are given the noise's strength; our networks find it out.")
    for result in results:
        if result.told_sigma is not None:
            told = f"awgn:{result.told_sigma:g}"
            fair = (
                "that is what they have" if degradation == told else f"they have {degradation}, so this is no fair test"
            )
            notes.append(f"{result.method.name}: spandrel tells this network that pictures have {told}; {fair}.")
    if "random" in kinds:
        notes.append("Random: time and memory of the architecture; with random weights there is no PSNR to speak of.")
    if any(result.method.name == "BM3D" for result in results):
        notes.append("BM3D: the package's licence allows non-commercial use only.")
    notes += [f"Left out: {name}, which {reason}." for name, reason in left_out.items()]
    notes += [f"Failed: {result.error}." for result in results if result.error]
    return [f"- {note}" for note in notes]


def as_csv(results: Sequence[Result], setting: Setting) -> str:
    """One line per method, in full precision, in the order of the run; empty where nothing was measured."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow(
            {
                "method": result.method.name, "source": result.method.source, "kind": result.method.kind,
                "engine": result.engine, "parameters": result.parameters or "", "psnr": result.psnr,
                "ssim": result.ssim, "input_psnr": result.input_psnr, "input_ssim": result.input_ssim,
                "seconds_per_mpx": result.median, "fastest": min(result.seconds, default=None),
                "slowest": max(result.seconds, default=None), "runs": len(result.seconds),
                "peak_bytes": result.peak_bytes, "threads": setting.threads,
                "busy": setting.busy, "degradation": setting.degradation,
                "seed": setting.seed, "protocol": setting.protocol, "pictures": len(setting.files),
                "error": result.error,
            }
        )  # fmt: skip
    return text.getvalue()
