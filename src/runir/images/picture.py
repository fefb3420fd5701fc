"""A picture in memory: pixels the models understand, and everything that must travel beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

SUPPORTED: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "TIFF")
"""The containers that can be read and written."""

EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
)
"""Lower-case file name ending -> container. Decides what is written; reading goes by content."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One upright picture.

    `pixels` is float32, H x W x C in [0, 1], C 1 (gray) or 3 (red, green, blue), with the transfer curve the
    file had: sRGB, or that of `icc`. Two pictures compare by identity; compare their fields with NumPy.

    Raises ValueError when a field has the wrong shape or type: that is a fault of the caller, not of a file.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.uint8] | None = None
    """H x W, carried through bit for bit."""
    format: str = "PNG"
    """The container it came from, one of SUPPORTED."""
    lossless: bool = True
    """Whether that container held it without loss; decides how WebP is written."""
    icc: bytes | None = None
    exif: bytes | None = None
    """The TIFF block of the EXIF data (it begins with II or MM), its orientation tag already set to 1."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down."""
    notes: tuple[str, ...] = ()
    """What a person should be told about how the file was read."""

    def __post_init__(self) -> None:
        """Refuse shapes and types that the rest of runir does not expect."""
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or self.pixels.dtype != np.float32:
            raise ValueError(f"pixels must be float32 H x W x 1 or 3, not {self.pixels.dtype} {shape}")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != np.uint8):
            raise ValueError(f"alpha must be uint8 {shape[:2]}, not {self.alpha.dtype} {self.alpha.shape}")
        if self.format not in SUPPORTED:
            raise ValueError(f"format must be one of {', '.join(SUPPORTED)}, not {self.format}")

    def with_pixels(self, pixels: NDArray[np.float32]) -> "Picture":
        """Return the same picture with other pixels: float32, the same H x W x C (else ValueError)."""
        if pixels.shape != self.pixels.shape:
            raise ValueError(f"pixels must keep their shape {self.pixels.shape}, not {pixels.shape}")
        return replace(self, pixels=pixels)
