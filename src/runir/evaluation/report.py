"""The scores of one evaluation, per picture and on average."""

import csv
import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runir.evaluation.protocols import get_protocol
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
    def equal(self) -> int:
        """Pictures whose output or input equals the target (PSNR infinite); the PSNR means leave them out."""
        return len(self.rows) - sum(map(_finite, self.rows))

    @property
    def psnr(self) -> float:
        """Mean PSNR of the outputs, dB; infinite if every picture is left out and an output equals its target."""
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
        rows = [row for row in self.rows if _finite(row)] if column.endswith("psnr") else []
        values = [float(getattr(row, column)) for row in rows or self.rows]
        return sum(values) / len(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: protocol, its hash, degradation, seed, n, `equal`, the four means, and `pictures`, the rows."""
        return {
            "protocol": self.protocol,
            "protocol_hash": get_protocol(self.protocol).hash,
            "degradation": self.degradation,
            "seed": self.seed,
            "n": len(self.rows),
            "equal": self.equal,
            **{column: self._mean(column) for column in _COLUMNS[1:]},
            "pictures": [asdict(row) for row in self.rows],
        }

    def write_csv(self, path: Path, **more: object) -> None:
        """Write one line per picture, in full precision, UTF-8, under a header.

        The columns are the row's fields, then protocol, protocol_hash, degradation, seed, then `more`. Two files
        compare only if all but the row's fields and the model are equal. The file appears whole or not at all, in
        place of an older one; missing folders are made.

        Raises:
            RunirError: it cannot be written; the line names the file.
        """
        same = {"protocol": self.protocol, "protocol_hash": get_protocol(self.protocol).hash}
        same |= {"degradation": self.degradation or "", "seed": "" if self.seed is None else str(self.seed)}
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [*_COLUMNS, *same, *more], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) | same | more for row in self.rows)
        check_free(path, overwrite=True)
        place(text.getvalue().encode("utf-8", "backslashreplace"), path, overwrite=True)


def _finite(row: Row) -> bool:
    return math.isfinite(row.psnr) and math.isfinite(row.input_psnr)


_COLUMNS = tuple(Row.__dataclass_fields__)
