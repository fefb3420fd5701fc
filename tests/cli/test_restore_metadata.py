"""`runir restore` keeps what stands beside the pixels, and the colours as a colour-managed viewer shows them."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from runir.cli.main import main

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>a boat</x:xmpmeta>"
P3_BY_NUMBER = b"colrnclx" + struct.pack(">HH", 12, 13)


def profile(gamma: float, *colorants: tuple[float, float, float]) -> bytes:
    """An ICC profile of RGB: one gamma, and what red, green and blue are in XYZ under D50."""

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"desc": name, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": xyz((0.9642, 1, 0.8249))}
    tags |= {b"rXYZ": xyz(colorants[0]), b"gXYZ": xyz(colorants[1]), b"bXYZ": xyz(colorants[2])}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, place = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", place + len(body), len(data))
        body += padded
    head = struct.pack(">I4sI4s4s4s12x4s", place + len(body), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    white = struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(68, b"\0") + white + bytes(48) + table + body


PROFILES = {
    "Display P3": profile(2.2, (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": profile(2.2, (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}


def flags() -> Image.Image:
    """A red half and a green one, with noise; vivid, but not beyond what an sRGB screen shows."""
    pixels = np.empty((48, 80, 3))
    pixels[:, :40], pixels[:, 40:] = (190, 90, 95), (135, 175, 140)
    return Image.fromarray((pixels + np.random.default_rng(0).normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))


def described(image: Image.Image, path: Path, icc: bytes) -> None:
    """Save it with everything that can stand beside it, by another library."""
    built, exif = Image.Exif(), Image.Exif()
    built[ExifTags.Base.Make] = "Maker"
    built.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:01"
    built.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.5)})
    exif.load(built.tobytes())  # Pillow writes the inner directories into TIFF only if it has read them
    options: dict[str, Any] = {"icc_profile": icc, "exif": exif, "dpi": (300, 150), "quality": 95}
    if path.suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif path.suffix == ".tif":
        exif[700] = XMP
    else:
        options["xmp"] = XMP
    image.save(path, **options)


def beside(path: Path) -> dict[str, object]:
    """What another library finds."""
    with Image.open(path) as image:
        exif = image.getexif()
        inner, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        dpi = image.info.get("dpi") if path.suffix in (".jpg", ".png", ".tif") else None
        return {
            "icc": image.info.get("icc_profile"),
            "xmp": bytes(image.info.get("xmp", b"")).rstrip(b"\0"),
            "dpi": None if dpi is None else tuple(round(float(d)) for d in dpi),
            "exif": (exif[ExifTags.Base.Make], inner[ExifTags.Base.DateTimeOriginal], place[1], place[2]),
        }


def seen(path: Path) -> NDArray[np.float64]:
    """The colours of the two halves on an sRGB screen."""
    with Image.open(path) as image:
        own = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        shown = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    assert shown is not None
    samples = np.asarray(shown, np.float64)
    return np.stack([samples[8:-8, left : left + 24].mean((0, 1)) for left in (8, 48)])


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif"])
def test_metadata_and_colours_come_back(tmp_path: Path, ending: str, name: str) -> None:
    path, result = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    described(flags(), path, PROFILES[name])
    assert main(["restore", str(path), "-o", str(result), "--model", "run-t.denoise", "--threads", "1"]) == 0
    before = beside(path)
    assert before["icc"] == PROFILES[name]
    assert before["xmp"] == XMP
    assert before["dpi"] == ((300, 150) if ending in ("jpg", "png", "tif") else None)
    assert beside(result) == before
    np.testing.assert_allclose(seen(result), seen(path), atol=2)


def test_colours_by_number_come_back_or_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags().save(tmp_path / "a.avif", quality=95)
    data = (tmp_path / "a.avif").read_bytes()
    at = data.index(b"colrnclx")
    (tmp_path / "a.avif").write_bytes(data[:at] + P3_BY_NUMBER + data[at + len(P3_BY_NUMBER) :])
    for ending, note in (("avif", ""), ("jpg", "colour description dropped: JPEG cannot hold it")):
        words = ["restore", str(tmp_path / "a.avif"), "-o", str(tmp_path / f"b.{ending}")]
        assert main([*words, "--model", "run-t.denoise", "--threads", "1"]) == 0
        captured = capsys.readouterr()
        assert note in captured.out + captured.err
        assert note or "colour description" not in captured.out + captured.err
    assert (tmp_path / "b.avif").read_bytes().count(P3_BY_NUMBER) == 1
