"""A picture in memory, what is known of one in a file, and which containers there are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

SUPPORTED: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
"""The containers that can be read and written."""

READ_ONLY: tuple[str, ...] = ("HEIC", "RAW")
"""What can be read with an extra installed, and is written as something else."""

EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        ".jpg": "JPEG",
        ".jpeg": "JPEG",
        ".png": "PNG",
        ".webp": "WEBP",
        ".tif": "TIFF",
        ".tiff": "TIFF",
        ".avif": "AVIF",
    }
)
"""Lower-case file name ending -> container. Decides what is written; reading goes by content."""

ENDINGS: Mapping[str, str] = MappingProxyType(
    {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "AVIF": ".avif"}
)
"""Container -> the ending that it gets where the name has none of its own."""

READ_ONLY_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {".heic": "HEIC", ".heif": "HEIC"}
    | dict.fromkeys(
        (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"),
        "RAW",
    )
)
"""Lower-case ending -> what can only be read. The default result of those is a 16-bit TIFF."""

DEPTHS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"JPEG": (8,), "PNG": (8, 16), "WEBP": (8,), "TIFF": (8, 16, 32), "AVIF": (8, 10, 12)}
)
"""Container -> bits per channel that it can be written with; 32 is floating point."""

NAMES: Mapping[str, str] = MappingProxyType(
    {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "TIFF": "TIFF", "AVIF": "AVIF", "HEIC": "HEIC", "RAW": "camera raw"}
)
"""Container -> how a person writes it."""


Text = tuple[str, bytes]
"""A comment of a JPEG file ("COM"), a text of a PNG file ("tEXt", "zTXt", "iTXt") or what a file says of its colours
without a profile ("gAMA", "cHRM", "sRGB", "cICP"), with the bytes it has in JPEG or PNG."""

COLOURS = frozenset({"gAMA", "cHRM", "sRGB", "cICP"})
"""The kinds of texts that say how the colours are meant."""


def dtype_of(bits: int) -> str:
    """The type that raw samples of this depth are held in: 8, 10, 12, 16 or 32 (float) bits."""
    return "uint8" if bits == 8 else "float32" if bits == 32 else "uint16"


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What is known of an upright picture besides its pixels; what `create_picture` needs to write one."""

    height: int
    width: int
    channels: int
    """1 (gray) or 3 (red, green, blue); alpha is not counted."""
    dtype: str
    """Of raw samples, colour and alpha: "uint8", "uint16" (full scale, 10 and 12 bit too) or "float32"."""
    alpha: bool = False
    format: str = "PNG"
    """The container it came from, one of SUPPORTED or READ_ONLY."""
    lossless: bool = True
    """Whether that container held it without loss; decides how WebP is written."""
    bits: int = 8
    """Per channel in the file: 8, 10, 12, 16, or 32 for floating point."""
    icc: bytes | None = None
    exif: bytes | None = None
    """The TIFF block of the EXIF data (it begins with II or MM), its orientation tag already set to 1."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down."""
    iptc: bytes | None = None
    """IPTC-IIM records."""
    texts: tuple[Text, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should be told about how the file was read."""

    def __post_init__(self) -> None:
        """Refuse what no encoder expects: a fault of the caller, hence ValueError."""
        if self.channels not in (1, 3) or self.height < 1 or self.width < 1:
            raise ValueError(f"a picture is H x W x 1 or 3, not {self.height} x {self.width} x {self.channels}")
        if self.bits not in (8, 10, 12, 16, 32) or self.dtype != dtype_of(self.bits):
            raise ValueError(f"{self.bits} bits are held as {dtype_of(self.bits)}, not {self.dtype}")
        if self.format not in SUPPORTED + READ_ONLY:
            raise ValueError(f"format must be one of {', '.join(SUPPORTED + READ_ONLY)}, not {self.format}")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One upright picture.

    `pixels` is float32, H x W x C in [0, 1] (beyond it only from float files), C 1 (gray) or 3 (red, green,
    blue), with the transfer curve the file had: sRGB, or that of `icc`. Two pictures compare by identity;
    compare their fields with NumPy.

    Raises ValueError when a field has the wrong shape or type: that is a fault of the caller, not of a file.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.generic] | None = None
    """H x W of uint8, uint16 or float32, carried through bit for bit."""
    format: str = "PNG"
    """The container it came from, one of SUPPORTED or READ_ONLY."""
    lossless: bool = True
    """Whether that container held it without loss; decides how WebP is written."""
    icc: bytes | None = None
    exif: bytes | None = None
    """The TIFF block of the EXIF data (it begins with II or MM), its orientation tag already set to 1."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down."""
    iptc: bytes | None = None
    """IPTC-IIM records."""
    texts: tuple[Text, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should be told about how the file was read."""
    bits: int = 8
    """Per channel in the file: 8, 10, 12, 16, or 32 for floating point. Written so again if the container can."""

    def __post_init__(self) -> None:
        """Refuse shapes and types that the rest of runir does not expect."""
        shape = self.pixels.shape
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or self.pixels.dtype != np.float32:
            raise ValueError(f"pixels must be float32 H x W x 1 or 3, not {self.pixels.dtype} {shape}")
        a = self.alpha
        if a is not None and (a.shape != shape[:2] or a.dtype not in (np.uint8, np.uint16, np.float32)):
            raise ValueError(f"alpha must be uint8, uint16 or float32 {shape[:2]}, not {a.dtype} {a.shape}")
        if self.format not in SUPPORTED + READ_ONLY:
            raise ValueError(f"format must be one of {', '.join(SUPPORTED + READ_ONLY)}, not {self.format}")
        if self.bits not in (8, 10, 12, 16, 32):
            raise ValueError(f"bits must be 8, 10, 12, 16 or 32, not {self.bits}")

    @property
    def info(self) -> PictureInfo:
        """The same without the pixels."""
        height, width, channels = self.pixels.shape
        return PictureInfo(
            height=height,
            width=width,
            channels=channels,
            dtype=dtype_of(self.bits),
            alpha=self.alpha is not None,
            format=self.format,
            lossless=self.lossless,
            bits=self.bits,
            icc=self.icc,
            exif=self.exif,
            xmp=self.xmp,
            dpi=self.dpi,
            iptc=self.iptc,
            texts=self.texts,
            notes=self.notes,
        )

    def with_pixels(self, pixels: NDArray[np.float32]) -> "Picture":
        """Return the same picture with other pixels: float32, the same H x W x C (else ValueError)."""
        if pixels.shape != self.pixels.shape:
            raise ValueError(f"pixels must keep their shape {self.pixels.shape}, not {pixels.shape}")
        return replace(self, pixels=pixels)
