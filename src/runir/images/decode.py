"""Rows of raw samples out of libvips: gray or RGB, alpha last, top to bottom."""

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runir.images import vips
from runir.images.depth import Raw, spread
from runir.images.headers import Header, check_size
from runir.images.messages import UnfitError
from runir.images.picture import NAMES

_PIECE = 256
_BITS = {"uchar": 8, "ushort": 16, "float": 32}
_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
Places = NDArray[np.intp]
_LABS = frozenset({"lab", "labs", "labq", "xyz", "lch", "hsv"})


class Rows(Protocol):
    """Something that hands out rows of one picture."""

    height: int
    width: int
    bands: int
    """Channels, alpha included."""
    bits: int

    def fetch(self, top: int, bottom: int) -> Raw:
        """Return rows `top` to `bottom` (exclusive), h x W x bands; `top` never before an earlier `bottom`."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class StoredRows(Rows, Protocol):
    """The same, as they are stored in a file."""

    def shrunk(self, factor: int) -> NDArray[np.float32]:
        """Return averages over squares of `factor` raw samples (those at the far edges may be smaller)."""
        ...

    def picked(self, rows: Places, columns: Places) -> Raw:
        """Return the raw samples where these ascending rows and columns cross, len(rows) x len(columns) x bands."""
        ...


class ArrayRows:
    """A picture that is in memory anyway."""

    def __init__(self, samples: Raw, bits: int) -> None:
        """Samples: h x w x bands."""
        self.height, self.width, self.bands = samples.shape
        self.bits = bits
        self._samples = samples

    def fetch(self, top: int, bottom: int) -> Raw:
        """As in Rows."""
        return self._samples[top:bottom]

    def shrunk(self, factor: int) -> NDArray[np.float32]:
        """As in StoredRows."""
        return _shrunk(vips.library().Image.new_from_array(np.ascontiguousarray(self._samples)), factor)

    def picked(self, rows: Places, columns: Places) -> Raw:
        """As in StoredRows."""
        return self._samples[rows[:, None], columns]

    def close(self) -> None:
        """Let go of the memory."""
        self._samples = self._samples[:0]


class VipsRows:
    """A file that libvips decodes while rows are asked for."""

    def __init__(self, path: Path, header: Header, max_pixels: int, *, data: bytes | None = None) -> None:
        """Read the header, no pixels; `data`: the file's content, where it is not to be read from `path`.

        Raises UnfitError as `read_header` does, and for pixels that are neither gray nor colour.
        """
        self._path, self._header, self._data = path, header, data
        image = self._open()
        self.size = int(image.width), int(image.height)
        check_size(header, self.size, max_pixels)
        self.blocks = _blocks(image) if header.format == "AVIF" else (None, None, None)
        self.many = header.format == "AVIF" and _number(image, "n-pages") > 1
        self.cmyk = image.interpretation == "cmyk"
        self._image, self.notes = _plain(image)
        self._region: Any = None
        self._type = _TYPES[self._image.format]
        self.height, self.width, self.bands = self.size[1], self.size[0], int(self._image.bands)
        depth = _number(image, "heif-bitdepth")
        self.bits = depth if depth in (10, 12) else _BITS[self._image.format]

    def fetch(self, top: int, bottom: int) -> Raw:
        """As in Rows. Raises UnfitError where the file turns out to be damaged."""
        with vips.faults(self._undecodable()):
            if self._region is None:
                # One region for all rows: between two runs of a whole pipeline libvips would drop the rows it
                # has read ahead, which cannot be read again.
                self._region = vips.library().Region.new(self._image)
            return self._fetched(self._region, top, bottom)

    def picked(self, rows: Places, columns: Places) -> Raw:
        """As in StoredRows; opens the file once more, so that `fetch` goes on where it was."""
        image, _ = _plain(self._open())
        samples = np.empty((len(rows), len(columns), self.bands), self._type)
        with vips.faults(self._undecodable()):
            region = vips.library().Region.new(image)
            ends = np.flatnonzero(np.diff(rows, append=-1) != 1) + 1  # of runs of neighbouring rows
            for first, end in zip((0, *ends[:-1]), ends, strict=True):
                samples[first:end] = self._fetched(region, int(rows[first]), int(rows[end - 1]) + 1)[:, columns]
        return samples

    def _fetched(self, region: Any, top: int, bottom: int) -> Raw:
        samples = np.empty((bottom - top, self.width, self.bands), self._type)
        # In pieces: libvips goes on to the end of a request after a fault, and holds it whole.
        for at in range(top, bottom, _PIECE):
            count = min(_PIECE, bottom - at)
            data = np.frombuffer(region.fetch(0, at, self.width, count), self._type)
            samples[at - top : at - top + count] = data.reshape(count, self.width, self.bands)
        return spread(samples, self.bits) if self.bits in (10, 12) else samples

    def shrunk(self, factor: int) -> NDArray[np.float32]:
        """As in StoredRows; opens the file once more, so that `fetch` goes on where it was."""
        image, _ = _plain(self._open())
        with vips.faults(self._undecodable()):
            means = _shrunk(image, factor)
        # The upper bits of 16 that libvips gives for 10 and 12 bits end at 65472 and 65520.
        return means * np.float32(65535 / (65536 - 2 ** (16 - self.bits))) if self.bits in (10, 12) else means

    def close(self) -> None:
        """As in Rows."""
        self._image = self._region = None

    def _open(self) -> vips.Image:
        pyvips = vips.library()
        # Only so does libvips tell of a TIFF tile that it cannot read; else it is black.
        options = {"access": "sequential", "fail_on": "warning" if self._header.tiled else "error"}
        with vips.faults(self._undecodable()):
            if self._data is not None:
                return pyvips.Image.new_from_buffer(self._data, "", **options)
            # By way of a source, because in a plain file name libvips takes [...] for options.
            return pyvips.Image.new_from_source(pyvips.Source.new_from_file(os.fsencode(self._path)), "", **options)

    def _undecodable(self) -> str:
        return f"the {NAMES[self._header.format]} data are damaged, cut off or of a rare kind"


def _number(image: vips.Image, name: str) -> int:
    return int(image.get(name)) if image.get_typeof(name) else 0


def _blocks(image: vips.Image) -> tuple[bytes | None, bytes | None, bytes | None]:
    """EXIF without its prefix, XMP and ICC of a container whose boxes only libvips opens."""
    exif, xmp, icc = (
        bytes(image.get(name)) if image.get_typeof(name) else None
        for name in ("exif-data", "xmp-data", "icc-profile-data")
    )
    return exif, xmp, icc


def _plain(image: vips.Image) -> tuple[vips.Image, list[str]]:
    """Return the image as gray or RGB with or without alpha, in 8 or 16 bits or float32, and notes."""
    kind = str(image.interpretation)
    if image.format not in _BITS or kind in _LABS:
        what = f"pixels of type {kind if kind in _LABS else image.format} are not supported"
        raise UnfitError(what, "convert it to 8-bit or 16-bit RGB or gray first")
    notes: list[str] = []
    if kind == "cmyk" and image.bands >= 4:
        image, note = _cmyk_to_srgb(image)
        notes.append(note)
    if image.bands > 4:
        raise UnfitError(f"{image.bands} channels are not supported", "convert it to RGB or gray first")
    return image, notes


def _cmyk_to_srgb(image: vips.Image) -> tuple[vips.Image, str]:
    """Convert ink by the file's own profile, or by libvips' general one; a fifth channel is alpha."""
    pyvips = vips.library()
    options = {"intent": "relative", "black_point_compensation": True, "depth": 16 if image.format == "ushort" else 8}
    ink, note = image[:4], "CMYK converted to sRGB by its colour profile"
    profile = bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else b""
    if profile[16:20] == b"CMYK":
        converted = ink.icc_transform("srgb", embedded=True, **options)
    else:
        note = "CMYK converted to sRGB without a colour profile: colours are approximate"
        converted = ink.icc_transform("srgb", input_profile="cmyk", **options)
    if image.bands == 5:
        converted = converted.bandjoin(image[4].cast(converted.format))
    assert isinstance(converted, pyvips.Image)
    return converted, note


def _shrunk(image: vips.Image, factor: int) -> NDArray[np.float32]:
    """Means of squares; of colours, over the pixels that can be seen at all (0 where none can)."""
    floats = image.cast("float")
    if image.bands in (2, 4):
        seen = (image[image.bands - 1] > 0).ifthenelse(1.0, 0.0).cast("float")
        colours = (floats[: image.bands - 1] if image.bands == 4 else floats[0]) * seen
        sums = colours.bandjoin([floats[image.bands - 1], seen])
        means = sums.shrink(factor, factor, ceil=True)
        share = means[image.bands]
        shown = (means[: image.bands - 1] if image.bands == 4 else means[0]) / (share > 0).ifthenelse(share, 1.0)
        floats = shown.bandjoin(means[image.bands - 1])
        factor = 1
    small: NDArray[Any] = floats.shrink(factor, factor, ceil=True).numpy()
    means = small.reshape(small.shape[0], small.shape[1], image.bands)
    scale = {"uchar": 255, "ushort": 65535}.get(image.format, 1)
    scaled: NDArray[np.float32] = np.divide(means, np.float32(scale), dtype=np.float32)
    return scaled
