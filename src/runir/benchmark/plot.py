"""PSNR against time, as a PNG (Matplotlib, extra `benchmark`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from runir.benchmark.methods import Method
from runir.benchmark.run import Result
from runir.errors import UsageError

STYLES = {"runir": ("#1f6fb4", "o"), "classical": ("#2c8a4b", "s"), "checkpoint": ("#c4611a", "D")}
NAMES = {"runir": "runir", "classical": "classical, told sigma", "checkpoint": "other networks"}
GRAY = "#777777"
BAR = 2.0  # pixels above and below the bar of a method's runs that no name should cover
AROUND = ((9, 0), (-9, 0), (0, 11), (0, -11), (9, 11), (-9, 11), (9, -11), (-9, -11), (0, 24), (0, -24))
"""Places for a label, in points from its dot, best first."""


class Dot(NamedTuple):
    """A method with both: seconds per megapixel, dB; how much shorter and longer single runs took."""

    method: Method
    seconds: float
    psnr: float
    below: float
    above: float


def draw(results: Sequence[Result], title: str, note: str = "") -> bytes:
    """A PNG: a dot for each method with PSNR and time (a bar from its quickest run to its slowest), a dashed line for
    each with time alone. note: stands under the title.

    Raises UsageError without Matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("the plot needs Matplotlib: pip install 'runir[benchmark]'") from error
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots()
    dots = [
        Dot(r.method, r.median, r.psnr, r.median - min(r.seconds), max(r.seconds) - r.median)
        for r in results
        if r.psnr is not None and r.median is not None
    ]
    axes.set_xscale("log")
    _scale(axes, results)
    for kind, (colour, marker) in STYLES.items():
        own = [dot for dot in dots if dot.method.kind == kind]
        if own:
            axes.scatter(
                [dot.seconds for dot in own],
                [dot.psnr for dot in own],
                s=55,
                c=colour,
                marker=marker,
                label=NAMES[kind],
                zorder=3,
            )
            spread = [[dot.below for dot in own], [dot.above for dot in own]]
            axes.errorbar([d.seconds for d in own], [d.psnr for d in own], xerr=spread, fmt="none", ecolor=colour)
    _lines(axes, results)
    axes.set_xlabel("seconds per megapixel (fewer is better)")
    before = next((f", as it came {r.input_psnr:.2f}" for r in results if r.input_psnr is not None), "")
    axes.set_ylabel(f"PSNR in dB (more is better{before})")
    axes.set_title(f"{title}\n{note}" if note else title, fontsize=9 if note else None)
    axes.grid(True, which="major", color="#dddddd")
    if dots:
        figure.legend(loc="outside lower center", ncols=len(STYLES), frameon=False)
    figure.draw_without_rendering()
    _label(canvas.get_renderer(), axes, dots)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _scale(axes: Any, results: Sequence[Result]) -> None:
    """Room for labels beside the dots, and for names at the foot of the lines."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    times = [r.median for r in results if r.median is not None]
    if times:
        axes.set_xlim(min(times) / 2.5, max(times) * 3)
    levels = [r.psnr for r in results if r.psnr is not None]
    if levels:
        height = max(max(levels) - min(levels), 1.0)
        foot = 0.15 if all(r.method.scored for r in results) else 0.75
        axes.set_ylim(min(levels) - foot * height, max(levels) + 0.15 * height)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _lines(axes: Any, results: Sequence[Result]) -> None:
    for result in results:
        if result.median is not None and not result.method.scored:
            axes.axvline(result.median, color=GRAY, linestyle="--", linewidth=1, zorder=1)
            axes.annotate(
                f"{result.method.name}: time only", (result.median, 0.02), (-4, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", rotation=90, ha="right", va="bottom", color=GRAY, fontsize=8,
            )  # fmt: skip


def _label(renderer: Any, axes: Any, dots: Sequence[Dot]) -> None:
    """Each name beside its dot, where it covers no other name, dot or bar."""
    from matplotlib.transforms import Bbox

    taken = [text.get_window_extent(renderer) for text in axes.texts]
    for dot in dots:
        ends = axes.transData.transform([(dot.seconds - dot.below, dot.psnr), (dot.seconds + dot.above, dot.psnr)])
        taken.append(Bbox([ends[0] - (0, BAR), ends[1] + (0, BAR)]))
    spots = [axes.transData.transform((dot.seconds, dot.psnr)) for dot in dots]
    for dot in sorted(dots, key=lambda dot: dot.seconds):
        options: list[tuple[int, int, Any, Any]] = []
        for dx, dy in AROUND:
            text = axes.annotate(
                dot.method.name, (dot.seconds, dot.psnr), (dx, dy), textcoords="offset points", fontsize=9,
                ha="left" if dx > 0 else "right" if dx < 0 else "center", va="center", zorder=4,
            )  # fmt: skip
            box = text.get_window_extent(renderer)
            covered = sum(box.overlaps(other) for other in taken) + sum(box.contains(*spot) for spot in spots)
            outside = not (axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1)
            options.append((covered + 2 * outside, len(options), text, box))
        options.sort(key=lambda option: option[:2])
        taken.append(options[0][3])
        for _, _, text, _ in options[1:]:
            text.remove()
