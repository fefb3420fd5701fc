"""Metadata for pictures made in tests, and what a reader sees of them."""

from PIL import ExifTags, Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>größe</x:xmpmeta>".encode()


def exif_block() -> bytes:
    """Text, numbers, maker notes and a place, without a prefix."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = 1
    exif[ExifTags.Base.XPTitle] = "title".encode("utf-16le") + b"\0\0"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ExposureTime] = 0.01
    inner[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:01"
    inner[ExifTags.Base.MakerNote] = b"MKR\0" + bytes(range(200))
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.5)})
    return exif.tobytes().removeprefix(b"Exif\0\0")


EXIF = exif_block()


def tags(exif: bytes | None) -> dict[object, object]:
    """Everything a reader sees in an EXIF block, directory by directory, but for the orientation."""
    block = Image.Exif()
    block.load(exif or b"")
    found: dict[object, object] = {k: v for k, v in block.items() if k not in (0x8769, 0x8825, 274)}
    for where in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        found |= {(where, k): v for k, v in block.get_ifd(where).items()}
    return found
