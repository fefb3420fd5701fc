"""Which parts of a picture are looked at: few full-size crops for detail, one reduced picture for brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runir.errors import UsageError
from runir.images.reduce import shrink

Pixels = NDArray[np.float32]
Seen = NDArray[np.bool_]

CROP = 224  # side of a crop, a multiple of JPEG's 8
GRID = 3  # crops per side of a large picture
REDUCED = 512  # longest side of the reduced picture is at most this
TILE = 48  # about the side of the places in a crop that are compared, in pixels
SMALLEST = 64  # pictures narrower than this have too few pixels for statements about detail


def check_pixels(pixels: NDArray[np.float32]) -> None:
    """Raise `UsageError` unless `pixels` is floating point, H x W x 1 or H x W x 3, not empty."""
    if not np.issubdtype(pixels.dtype, np.floating):
        raise UsageError(f"a picture must be floating point in [0, 1], not {pixels.dtype}: divide it first")
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
        raise UsageError(f"a picture must be H x W x 1 or H x W x 3, this one has shape {pixels.shape}")


Box = tuple[int, int, int, int]


def crop_boxes(height: int, width: int, corner: tuple[int, int] = (0, 0)) -> list[Box]:
    """Where to look closely at a picture: (top, left, height, width) of full-size crops spread over it.

    At most 9 of 224 x 224, or the whole picture where that is about as much. Their corners are corners of JPEG's
    blocks: `corner` is the row and column, 0 to 7, of the first of these (not 0 in a picture that was turned).
    """
    down, across = (first if side >= SMALLEST else 0 for first, side in zip(corner, (height, width), strict=True))
    if height * width <= (CROP * GRID) ** 2 and max(height, width) <= 4 * CROP * GRID:
        return [(down, across, height - down, width - across)]
    rows, columns = _stretches(height, down), _stretches(width, across)
    return [(y, x, high, wide) for y, high in rows for x, wide in columns]


def take_crops(pixels: Pixels) -> list[Pixels]:
    """The crops of `crop_boxes`, as views."""
    boxes = crop_boxes(pixels.shape[0], pixels.shape[1])
    return [pixels[y : y + height, x : x + width] for y, x, height, width in boxes]


def _stretches(side: int, first: int) -> list[tuple[int, int]]:
    """Where crops begin along a side, and how long they are: in the middles of equal parts; fewer of them if the side
    is short."""
    count = max(1, min(GRID, side // CROP))
    centres = [(2 * k + 1) * side // (2 * count) for k in range(count)]
    starts = {max(0, min(c - CROP // 2, side - CROP) - first) // 8 * 8 + first for c in centres}
    return [(start, min(CROP, side - start)) for start in sorted(starts)]


def reduce_whole(pixels: Pixels) -> Pixels:
    """Means of squares, so that the longer side has at most 512: as `PictureReader.reduced` gives them for a file."""
    return shrink(np.asarray(pixels, np.float32), REDUCED)


def usable(crop: Pixels) -> bool:
    """Whether a crop is large enough for statements about detail."""
    return bool(min(crop.shape[:2]) >= SMALLEST)


def shows_something(crop: Pixels) -> bool:
    """Whether a crop is more than one even colour, as black bars and backdrops are."""
    return bool(np.ptp(crop, axis=(0, 1)).max() > 2.0 / 255.0)


def is_gray(pixels: Pixels) -> bool:
    """Whether all channels hold the same."""
    return bool((pixels == pixels[:, :, :1]).all())


def planes(pixels: Pixels) -> NDArray[np.float32]:
    """Orthonormal opponent planes in 8-bit levels, planes x H x W: light, then red-blue and green-magenta.

    Being orthonormal they carry white noise over unchanged; light is (R + G + B) / sqrt(3). One channel: one plane.
    """
    levels = np.clip(pixels, 0.0, 1.0).astype(np.float32) * np.float32(255.0)
    if levels.shape[2] == 1:
        return levels.transpose(2, 0, 1)
    red, green, blue = (levels[:, :, c] for c in range(3))
    rows = (
        (red + green + blue) * np.float32(3**-0.5),
        (red - blue) * np.float32(2**-0.5),
        (red - 2 * green + blue) * np.float32(6**-0.5),
    )
    return np.stack(rows)


def light_plane(pixels: Pixels) -> NDArray[np.float32]:
    """Mean of the channels in 8-bit levels, H x W; of values beyond [0, 1] their nearest."""
    light: NDArray[np.float32] = planes(pixels)[0] * np.float32(3**-0.5 if pixels.shape[2] == 3 else 1.0)
    return light


def tile_means(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of tiles of about 48 x 48 (one tile at least), flat."""
    rows, columns = (max(1, side // TILE) for side in plane.shape)
    height, width = plane.shape[0] // rows, plane.shape[1] // columns
    cut = plane[: rows * height, : columns * width].reshape(rows, height, columns, width)
    means: NDArray[np.float32] = cut.mean((1, 3)).ravel()
    return means
