"""Turning a picture upright: in memory, or by way of a file where it is large."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from runir.images.decode import ArrayRows, Rows
from runir.images.depth import Raw
from runir.images.messages import UnfitError, reason

Samples = TypeVar("Samples", bound=np.generic)

IN_MEMORY = 1 << 27
"""Bytes of raw samples up to which a turned picture is held in memory."""
_STRIP = 1 << 24  # bytes turned at a time; several copies of them are in memory


def turn(samples: NDArray[Samples], orientation: int) -> NDArray[Samples]:
    """Return an H x W (x C) array as EXIF `orientation` (1 to 8) wants it seen."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def upright_rows(rows: Rows, orientation: int, scratch: Path | None) -> Rows:
    """Return rows of the picture as `orientation` wants it seen.

    Up to IN_MEMORY bytes are turned in memory; more go through an unnamed file in the folder `scratch`
    (None: the system's folder for temporary files), as large as the raw picture. Raises UnfitError when that
    cannot be written.
    """
    if orientation == 1:
        return rows
    size = rows.height * rows.width * rows.bands * _sample_bytes(rows)
    if size <= IN_MEMORY:
        return ArrayRows(turn(rows.fetch(0, rows.height), orientation), rows.bits)
    return _TurnedRows(rows, orientation, scratch, size)


def _sample_bytes(rows: Rows) -> int:
    return 1 if rows.bits == 8 else 4 if rows.bits == 32 else 2


@contextmanager
def _scratch_faults(folder: Path | None, size: int) -> Iterator[None]:
    """Turn what goes wrong with the temporary file into UnfitError: the picture's own disk is not at fault."""
    try:
        yield
    except OSError as fault:
        gigabytes = -(-size // 10**8) / 10
        where = folder or tempfile.tempdir or "the temporary folder"
        what = f"cannot be turned upright in {where} ({reason(fault)})"
        # Without its cause: a run over a folder would take it for the disk of the results, and end.
        raise UnfitError(what, f"set TMPDIR to a folder with {gigabytes:.1f} GB free") from None


class _TurnedRows:
    """The upright picture, row after row in an unnamed file that vanishes with it."""

    def __init__(self, rows: Rows, orientation: int, scratch: Path | None, size: int) -> None:
        self._faults = partial(_scratch_faults, scratch, size)
        self._rows, self._orientation = rows, orientation
        self.height, self.width = (rows.width, rows.height) if orientation >= 5 else (rows.height, rows.width)
        self.bands, self.bits = rows.bands, rows.bits
        self._type = np.dtype(np.uint8)
        with self._faults():
            self._file = tempfile.TemporaryFile(buffering=0, dir=scratch)  # noqa: SIM115 - lives as long as this object
        try:
            self._fill()
        except BaseException:
            self._file.close()
            raise

    def _fill(self) -> None:
        rows = self._rows
        step = max(1, _STRIP // (rows.width * rows.bands * _sample_bytes(rows)))
        for top in range(0, rows.height, step):
            bottom = min(rows.height, top + step)
            part = turn(rows.fetch(top, bottom), self._orientation)
            self._type = part.dtype
            # From the far end where the turn reverses what was the vertical direction.
            far = rows.height - bottom
            if self._orientation < 5:
                self._put(far if self._orientation in (3, 4) else top, 0, part)
                continue
            left = far if self._orientation in (6, 7) else top
            for y in range(self.height):
                self._put(y, left, part[y])

    def _put(self, y: int, x: int, part: Raw) -> None:
        left = part.data.cast("B")
        with self._faults():
            self._file.seek((y * self.width + x) * self.bands * self._type.itemsize)
            while left:
                left = left[self._file.write(left) :]

    def fetch(self, top: int, bottom: int) -> Raw:
        """As in Rows."""
        part = np.empty((bottom - top, self.width, self.bands), self._type)
        left = part.data.cast("B")
        with self._faults():
            self._file.seek(top * self.width * self.bands * self._type.itemsize)
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise OSError("the temporary file is too short")
                left = left[count:]
        return part

    def close(self) -> None:
        """As in Rows."""
        self._file.close()
