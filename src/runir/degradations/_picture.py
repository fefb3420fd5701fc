"""The one check that every degradation makes of what it is given."""

from typing import Any

import numpy as np
import numpy.typing as npt

from runir.errors import UsageError

FloatPicture = npt.NDArray[np.floating[Any]]
Picture32 = npt.NDArray[np.float32]


def require_picture(clean: FloatPicture) -> None:
    """Raise `UsageError` unless `clean` is floating point, H x W x C with H, W >= 1 and C 1 or 3."""
    if not np.issubdtype(clean.dtype, np.floating):
        raise UsageError(f"a picture must be floating point in [0, 1], not {clean.dtype}: divide it first")
    if clean.ndim != 3 or clean.shape[2] not in (1, 3) or clean.size == 0:
        raise UsageError(f"a picture must be H x W x 1 or H x W x 3, this one has shape {clean.shape}")
