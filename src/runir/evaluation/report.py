"""The scores of one evaluation, per picture and on average."""

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runir.images.place import check_free, place


@dataclass(frozen=True)
class Row:
    """One picture: PSNR in dB and SSIM of the output and of the input, both against the target."""

    name: str
    psnr: float
    ssim: float
    input_psnr: float
    input_ssim: float


@dataclass(frozen=True)
class Report:
    """What was scored and how it went.

    Attributes:
        protocol: name of the protocol.
        degradation: name of the degradation, or None for given pairs.
        seed: seed of the degradation (picture k used seed + k), or None for given pairs.
        rows: one per picture, in the order of scoring, at least one.
    """

    protocol: str
    degradation: str | None
    seed: int | None
    rows: tuple[Row, ...]

    @property
    def psnr(self) -> float:
        """Mean PSNR of the outputs, dB; infinite if an output equals its target."""
        return self._mean("psnr")

    @property
    def ssim(self) -> float:
        """Mean SSIM of the outputs."""
        return self._mean("ssim")

    @property
    def input_psnr(self) -> float:
        """Mean PSNR of the inputs, dB."""
        return self._mean("input_psnr")

    @property
    def input_ssim(self) -> float:
        """Mean SSIM of the inputs."""
        return self._mean("input_ssim")

    def _mean(self, column: str) -> float:
        return sum(float(getattr(row, column)) for row in self.rows) / len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: protocol, degradation, seed, n, the four means, and `pictures`, a list of rows."""
        return {
            "protocol": self.protocol,
            "degradation": self.degradation,
            "seed": self.seed,
            "n": len(self.rows),
            **{column: self._mean(column) for column in _COLUMNS[1:]},
            "pictures": [asdict(row) for row in self.rows],
        }

    def write_csv(self, path: Path) -> None:
        """Write one line per picture under a header of the row's fields, in full precision, UTF-8.

        The file appears whole or not at all, in place of an older one; missing folders are made.

        Raises:
            RunirError: it cannot be written; the line names the file.
        """
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        check_free(path, overwrite=True)
        place(text.getvalue().encode("utf-8", "backslashreplace"), path, overwrite=True)


_COLUMNS = tuple(Row.__dataclass_fields__)
