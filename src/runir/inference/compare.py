"""A picture that shows before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from runir.images import Picture, finite, open_picture, to_float, write_picture
from runir.images.picture import COLOURS
from runir.images.reduce import block_means
from runir.inference.part import Region
from runir.inference.shown import Array, as_rgb

Style = Literal["split", "side"]
SIDE = 1600  # pixels of each view's longer side at most
STRIP = 64  # rows of the view that are made at once
GAP = 8  # white pixels between views side by side
LINE = 2  # width of the white line of a split view


def compare(
    before: Path, after: Path, target: Path, *, style: Style = "split", region: Region | None = None,
    overwrite: bool = False,
) -> None:  # fmt: skip
    """Write a before/after picture of two files of the same picture.

    Args:
        before, after: the files; `after` holds only `region` of the first, if that is given.
        target: where the picture goes; its ending decides the format.
        style: "split": the left half before, the right half after; "side": both, side by side.
        region: the part of `before` to show.
        overwrite: whether an existing target may be replaced.

    Larger views are shrunk to 1600 pixels; two gray ones stay gray. Raises UsageError or RunirError as reading and
    writing do.
    """
    views = [_view(before, region), _view(after, None)]
    with open_picture(after) as reader:
        icc, texts = reader.info.icc, tuple(text for text in reader.info.texts if text[0] in COLOURS)
    if any(view.shape[2] == 3 for view in views):
        views = [as_rgb(view) for view in views]
        icc = None if icc and icc[16:20] == b"GRAY" else icc
    height, width = (min(sizes) for sizes in zip(*(v.shape[:2] for v in views), strict=True))
    left, right = (v[:height, :width] for v in views)
    if style == "side":
        shown = np.concatenate((left, np.ones((height, GAP, left.shape[2]), np.float32), right), axis=1)
    else:
        shown = left.copy()
        middle = width // 2
        shown[:, middle:] = right[:, middle:]
        shown[:, max(0, middle - LINE // 2) : middle + LINE // 2] = 1
    picture = Picture(np.ascontiguousarray(shown), icc=icc, texts=texts, lossless=False)
    write_picture(picture, target, overwrite=overwrite)


def _view(path: Path, region: Region | None) -> Array:
    with open_picture(path) as reader:
        info = reader.info
        if region is None and max(info.height, info.width) > SIDE:
            return reader.reduced(SIDE).clip(0, 1)
        part = (region or Region(0, 0, info.width, info.height)).inside(info.height, info.width)
        step, end = -(-max(part.height, part.width) // SIDE), part.y + part.height
        strips = []
        for top in range(part.y, end, step * STRIP):
            rows, _ = reader.rows(top, min(end, top + step * STRIP))
            strips.append(block_means(to_float(rows[:, part.x : part.x + part.width]), step))
    return finite(np.concatenate(strips))[0].clip(0, 1)
