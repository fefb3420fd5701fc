"""What a network is shown of a picture: its tiles, brightened if the model does that, with guides if it wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runir.images import to_float
from runir.images.reduce import CLEAREST, PART, PARTS, REDUCED_SIDE
from runir.inference.exposure import ExposureCurve, brighten

Array = NDArray[np.float32]
NOTHING_FOUND = "no path of a shake was found in the picture, so little was sharpened"
CONTEXT = 64  # pixels around a tile that guides are made with: at their borders they ring (docs/design-notes.md)


class Glimpses(Protocol):
    """What can be seen of a picture before it is read row by row, see `runir.inference.restorer.Source`."""

    def reduced(self, side: int) -> Array:
        """The whole picture, shrunk to fit into side x side; h x w x C."""
        ...

    def clearest(self, side: int, count: int, most: int) -> list[Array]:
        """Of its `views` of this side and count (one, where it fits into side x side), those with the most contrast."""
        ...


class Cut(Protocol):
    """Turns tiles of one picture, as they are read, into what the network takes."""

    context: int
    """Pixels that it wants to see on each side of a tile."""
    note: str
    """What was seen of the picture that its user should know; empty: nothing."""

    def __call__(self, part: NDArray[Any]) -> Array:
        """H x W x C, a tile and its context -> float32 (H - 2 context) x (W - 2 context) x inputs."""
        ...


def as_rgb(picture: Array) -> Array:
    """H x W x 1 or 3 -> H x W x 3 (a view)."""
    return np.broadcast_to(picture, (*picture.shape[:2], 3)) if picture.shape[2] == 1 else picture


def cutter(source: Glimpses, exposure: ExposureCurve | None, guides: int, threads: int) -> Cut:
    """For a model with an exposure curve, with guides, or with neither (RUNConfig knows none with both).

    threads: to look for the picture's blur with.
    """
    if guides:
        from runir.deconvolution import GuideMaker, estimate_kernel  # megabytes that most models need not load

        parts = source.clearest(PART, PARTS, CLEAREST)
        kernel = estimate_kernel(parts, threads=threads)
        return _WithGuides(GuideMaker(kernel, guides, threads), NOTHING_FOUND if kernel.max() == 1 else "")
    if exposure is not None:
        return _Brightened(exposure.coefficients(as_rgb(source.reduced(REDUCED_SIDE))))
    return _AsItIs()


class _AsItIs:
    context, note = 0, ""

    def __call__(self, part: NDArray[Any]) -> Array:
        return as_rgb(to_float(part))


class _Brightened:
    context, note = 0, ""

    def __init__(self, curve: Array) -> None:
        self._curve = curve

    def __call__(self, part: NDArray[Any]) -> Array:
        rgb = as_rgb(to_float(part))
        bright: Array = brighten(rgb, self._curve) + (rgb - rgb.clip(0, 1))  # what lies beyond white keeps its distance
        return bright


class _WithGuides:
    context = CONTEXT

    def __init__(self, maker: Callable[[Array], Array], note: str) -> None:
        self._maker, self.note = maker, note

    def __call__(self, part: NDArray[Any]) -> Array:
        seen = to_float(part)
        shown = np.concatenate((seen, self._maker(seen)), axis=2)[CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]
        return shown if part.shape[2] == 3 else np.repeat(shown, 3, axis=2)
