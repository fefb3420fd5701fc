"""Inspecting a file without holding all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from runir.images import MAX_PIXELS, PictureReader, fill_transparent, finite, open_picture, to_float
from runir.inference import Restorer
from runir.inspection.crops import REDUCED, Box, Pixels, Seen, crop_boxes
from runir.inspection.findings import Findings
from runir.inspection.verdict import inspect_parts

STRIP = 64  # rows read at once


def _rows(reader: PictureReader, top: int, bottom: int) -> tuple[Pixels, Seen]:
    """Finite rows, and which of their pixels are not transparent."""
    raw, alpha = reader.rows(top, bottom)
    return to_float(finite(raw)[0]), np.ones(raw.shape[:2], bool) if alpha is None else alpha != 0


def inspect_file(
    path: Path, *, max_pixels: int = MAX_PIXELS, network: Callable[[], Restorer] | None = None
) -> Findings:
    """Look at a picture file, a strip at a time. network: see `washed.light_washed_away`.

    Raises UsageError for a path that is no file; RunirError for a picture that cannot be read, is larger than
    max_pixels, or holds floating-point values of another scale than 0 to 1.
    """
    with open_picture(path, max_pixels=max_pixels) as reader:
        return inspect_reader(reader, network)


def inspect_reader(reader: PictureReader, network: Callable[[], Restorer] | None = None) -> Findings:
    """The same for a picture file that is open."""
    reader.check_range()
    height, width = reader.info.height, reader.info.width
    boxes = crop_boxes(height, width, reader.corner)
    parts: dict[Box, list[tuple[Pixels, Seen]]] = {box: [] for box in boxes}
    end = max(y + high for y, _, high, _ in boxes)
    for top in range(0, end, STRIP):
        bottom = min(height, top + STRIP)
        rows = None
        for (y, x, high, wide), part in parts.items():
            if y < bottom and top < y + high:
                rows = _rows(reader, top, bottom) if rows is None else rows
                inside = slice(max(0, y - top), y + high - top), slice(x, x + wide)
                part.append((rows[0][inside].copy(), rows[1][inside].copy()))  # not a view of whole rows
        if rows is None:
            reader.rows(top, bottom)
    joined = [tuple(map(np.concatenate, zip(*part, strict=True))) for part in parts.values()]
    shown = [(pixels, seen) for pixels, seen in joined if seen.any()] or joined
    crops = [fill_transparent(pixels, seen) for pixels, seen in shown]
    return inspect_parts(crops, reader.reduced(REDUCED), network, [seen for _, seen in shown])
