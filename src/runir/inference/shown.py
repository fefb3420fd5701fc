"""What a network is shown of a picture: its tiles, brightened if the model does that, with guides if it wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runir.deconvolution import estimate_kernel, guides_for
from runir.images import to_float
from runir.images.reduce import REDUCED_SIDE
from runir.inference.exposure import ExposureCurve, brighten

Array = NDArray[np.float32]
Cut = Callable[[NDArray[Any]], Array]
PART = 512  # pixels: side of the parts of a picture in which its blur is looked for,
PARTS = 3  # in each direction,
CLEAREST = 4  # of which those with the most contrast are taken


class Glimpses(Protocol):
    """What can be seen of a picture before it is read row by row, see `runir.inference.restorer.Source`."""

    def reduced(self, side: int) -> Array:
        """The whole picture, shrunk to fit into side x side."""
        ...

    def views(self, side: int, count: int, always: bool = False) -> list[Array]:
        """Parts of it as they are; always: also where it fits into side x side."""
        ...


def as_rgb(picture: Array) -> Array:
    """H x W x 1 or 3 -> H x W x 3 (a view)."""
    return np.broadcast_to(picture, (*picture.shape[:2], 3)) if picture.shape[2] == 1 else picture


def cutter(source: Glimpses, exposure: ExposureCurve | None, guides: int, threads: int) -> Cut:
    """What turns tiles of this picture, as they are read, into what the network takes: H x W x (3 + 3 x guides).
    threads: to look for its blur with."""
    curve = None if exposure is None else exposure.coefficients(as_rgb(source.reduced(REDUCED_SIDE)))
    kernel = blur_kernel(source, threads) if guides else None

    def cut(tile: NDArray[Any]) -> Array:
        rgb = as_rgb(to_float(tile))
        if kernel is not None:
            return np.concatenate((rgb, guides_for(rgb, kernel, guides)), axis=2)
        if curve is None:
            return rgb
        bright: Array = brighten(rgb, curve) + (rgb - rgb.clip(0, 1))  # what lies beyond white keeps its distance
        return bright

    return cut


def blur_kernel(source: Glimpses, threads: int = 1) -> Array:
    """The kernel that blurred a picture, the same all over it, from its clearest parts."""
    parts = sorted(source.views(PART, PARTS, always=True), key=_contrast, reverse=True)
    return estimate_kernel(parts[:CLEAREST], threads=threads)


def _contrast(part: Array) -> float:
    return sum(float(np.abs(np.diff(part, axis=axis)).sum()) for axis in (0, 1)) / part.size
