"""Denoisers without training, each told the noise's sigma."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Restore = Callable[[Array], Array]

PATCH, SEARCH = 3, 21  # pixels: of what is compared, and of where it is looked for
STRENGTH = 0.9  # of non-local means, in sigmas; the best for sigma 25 on the three shipped pictures


@dataclass(frozen=True, slots=True)
class Classical:
    """label: in tables. package: to import. build: (sigma in 8-bit levels, threads) -> restorer."""

    label: str
    package: str
    build: Callable[[float, int], Restore]


def non_local_means(sigma: float, threads: int) -> Restore:
    """OpenCV's fast non-local means over all channels together (Buades, Coll, Morel, CVPR 2005).

    It takes 8 bits, so the picture is clipped and rounded first. `fastNlMeansDenoisingColored`, which filters lightness
    and colour apart, was 1.7 to 2.7 dB worse on Gaussian noise (sigma 15, 25, 50) at its own best strength.
    """
    import cv2

    cv2.setNumThreads(threads)

    def restore(picture: Array) -> Array:
        levels = np.floor(np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
        out: NDArray[Any] = cv2.fastNlMeansDenoising(levels, None, STRENGTH * sigma, PATCH, SEARCH)
        return (out.reshape(picture.shape) / np.float32(255)).astype(np.float32)

    return restore


def block_matching(sigma: float, threads: int) -> Restore:
    """BM3D, and CBM3D for colour (Dabov et al., IEEE TIP 2007), by the package of its authors: non-commercial use."""
    import bm3d

    profile = bm3d.BM3DProfile()
    profile.num_threads = threads

    def restore(picture: Array) -> Array:
        filtered = bm3d.bm3d_rgb if picture.shape[2] == 3 else bm3d.bm3d
        out = filtered(picture.astype(np.float64), sigma / 255, profile)
        return np.asarray(out, np.float32).reshape(picture.shape)

    return restore


CLASSICAL: Mapping[str, Classical] = MappingProxyType(
    {
        "nlm": Classical("non-local means", "cv2", non_local_means),
        "bm3d": Classical("BM3D", "bm3d", block_matching),
    }
)
