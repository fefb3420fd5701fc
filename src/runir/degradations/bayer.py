"""The Bayer colour filter array (RGGB) and two linear demosaicing methods.

Both methods are linear and their weights sum to one, so they keep the mean, and the demosaiced noise of a
picture is the difference of the demosaiced noisy and clean mosaics.
"""

from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from runir.degradations._picture import Picture32

Demosaic = Literal["bilinear", "malvar"]
Phase = tuple[int, int]
MARGIN = 2

_CHANNEL = ((0, 1), (1, 2))
_SITE = (
    (("own", "cross", "diagonal"), ("row", "own", "column")),
    (("column", "own", "row"), ("diagonal", "cross", "own")),
)
_Kernel = npt.NDArray[np.float32]


def _kernels(cross: list[list[float]], row: list[list[float]], diagonal: list[list[float]]) -> dict[str, _Kernel]:
    """The 5 x 5 filters, from their top left 3 x 3 in eighths; the rest is its mirror image."""
    table = {"own": np.zeros((5, 5), np.float32)}
    table["own"][MARGIN, MARGIN] = 1.0
    for name, quarter in (("cross", cross), ("row", row), ("diagonal", diagonal)):
        table[name] = np.pad(np.array(quarter, np.float32), (0, 2), mode="reflect") / np.float32(8.0)
    return table | {"column": table["row"].T}


_METHODS = MappingProxyType(
    {
        "bilinear": _kernels(
            cross=[[0, 0, 0], [0, 0, 2], [0, 2, 0]],
            row=[[0, 0, 0], [0, 0, 0], [0, 4, 0]],
            diagonal=[[0, 0, 0], [0, 2, 0], [0, 0, 0]],
        ),
        "malvar": _kernels(
            cross=[[0, 0, -1], [0, 0, 2], [-1, 2, 4]],
            row=[[0, 0, 0.5], [0, -1, 0], [-1, 4, 5]],
            diagonal=[[0, 0, -1.5], [0, 2, 0], [-1.5, 0, 6]],
        ),
    }
)


def mosaic(rgb: Picture32, phase: Phase) -> Picture32:
    """Keep one colour per pixel.

    Args:
        rgb: H x W x 3, any range.
        phase: (row, column), each 0 or 1: where in the RGGB cell the top left pixel lies.

    Returns:
        H x W: red, green or blue of each pixel.
    """
    plane = np.empty(rgb.shape[:2], np.float32)
    for y, x in np.ndindex(2, 2):
        channel = _CHANNEL[(y + phase[0]) % 2][(x + phase[1]) % 2]
        plane[y::2, x::2] = rgb[y::2, x::2, channel]
    return plane


def demosaic(plane: Picture32, method: Demosaic, phase: Phase) -> Picture32:
    """Fill in the missing colours; the border of two pixels only lends its values.

    Args:
        plane: (H + 4) x (W + 4) mosaic, H, W >= 1, any range.
        method: "bilinear" averages the nearest samples of a colour; "malvar" adds a Laplacian correction from
            the other colours (Malvar, He, Cutler, "High-Quality Linear Interpolation for Demosaicing of
            Bayer-Patterned Color Images", ICASSP 2004, figure 2).
        phase: as given to `mosaic` for the same plane.

    Returns:
        H x W x 3.
    """
    height, width = plane.shape[0] - 2 * MARGIN, plane.shape[1] - 2 * MARGIN
    rgb = np.zeros((height, width, 3), np.float32)
    for y, x in np.ndindex(2, 2):
        site = _SITE[(y + phase[0]) % 2][(x + phase[1]) % 2]
        for channel, name in enumerate(site):
            target = rgb[y::2, x::2, channel]
            _correlate(plane[y:, x:], _METHODS[method][name], target)
    return rgb


def _correlate(plane: Picture32, kernel: _Kernel, target: Picture32) -> None:
    """Add to `target` the 5 x 5 filter of `plane` at every second pixel of every second row."""
    rows, columns = (max(2 * size - 1, 0) for size in target.shape)
    for dy, dx in np.argwhere(kernel):
        target += kernel[dy, dx] * plane[dy : dy + rows : 2, dx : dx + columns : 2]
