"""What read_picture refuses, and how: always one line, always our own error, never a picture half read."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

import runir.errors
from runir.errors import RunirError, UsageError
from runir.images import ifd, read_picture

SOURCES = Path(runir.errors.__file__).parents[1]
SAMPLES = np.random.default_rng(7).integers(0, 256, (24, 31, 3), dtype=np.uint8)
EXIF = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHH", 1, 274, 3, 1, 6, 0) + bytes(4)


def encoded(container: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(SAMPLES).save(buffer, format=container, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deep_tiff(samples: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, photometric="rgb", compression="adobe_deflate", tile=(16, 16))
    return buffer.getvalue()


def png(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def refused(path: Path, **options: int) -> str:
    """The message of the refusal, whose form is checked: one line, first the path, a remedy at the end."""
    with pytest.raises(RunirError) as caught:
        read_picture(path, **options)
    return one_line(path, caught.value)


def one_line(path: Path, fault: RunirError) -> str:
    message = str(fault)
    assert message.startswith(f"{path}: ")
    assert all(message.removeprefix(f"{path}: ").rpartition("; ")), message  # a fault and a remedy
    assert "\n" not in message
    assert fault.exit_code == (2 if isinstance(fault, UsageError) else 1)
    return message


def test_missing_and_folder_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_picture(tmp_path / "no.png")
    with pytest.raises(UsageError, match="folder"):
        read_picture(tmp_path)
    with pytest.raises(UsageError, match="ordinary"):
        read_picture("/dev/null")
    for name in ("a\0b.png", "x" * 5000 + ".png"):
        with pytest.raises(UsageError):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"hello, I am text\n" * 50, "not a picture"),
        (b"\x89PNG", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"RIFF\x10\0\0\0WEBP", "truncated"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"\0\0\0\x20ftypavif" + bytes(50), "the AVIF data are damaged"),
        (b"\0\0\0\x20ftypheic" + bytes(50), "the HEIC data are damaged"),
        (b"\0\0\0\x20ftypavif" + bytes(10), "truncated"),
        (b"\0\0\0\x20ftypmp42" + bytes(50), "this container is not supported"),
        (b"GIF89a" + bytes(50), "GIF is not supported"),
    ],
)
def test_not_a_picture_we_read(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "text.png"
    path.write_bytes(data)
    message = refused(path)
    assert said in message
    if "not supported" in said:
        assert "JPEG, PNG, WebP, TIFF or AVIF" in message


FILES = {
    "jpg": encoded("JPEG"),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "png": encoded("PNG"),
    "webp": encoded("WEBP"),
    "lossless.webp": encoded("WEBP", lossless=True),
    "tif": encoded("TIFF"),
    "deflate.tif": encoded("TIFF", compression="tiff_deflate"),
    "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
    "avif": encoded("AVIF"),
    "16.png": imagecodecs.png_encode(SAMPLES.astype(np.uint16) * 257),
    "16.tif": deep_tiff(SAMPLES.astype(np.uint16) * 257),
    "float.tif": deep_tiff(SAMPLES.astype(np.float32) / 255),
}


@pytest.mark.parametrize("name", FILES)
def test_truncated_anywhere_is_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    assert read_picture(path).pixels.shape == (24, 31, 3)
    # The last value of a TIFF directory may be padding, so the cut there goes a little deeper.
    for left in (len(data) - (8 if "tif" in name else 1), len(data) * 9 // 10, len(data) // 2, 40, 9):
        path.write_bytes(data[:left])
        message = refused(path)
        assert "the file is truncated" in message or left == 9 or name.endswith(("jpg", "tif"))
    assert capfd.readouterr() == ("", "")


def test_no_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(0, 5, 8, 2, b"\0" * 5))
    assert "no pixels (0 x 5)" in refused(path)
    jpeg = bytearray(encoded("JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 7] = b"\0\0"
    path.write_bytes(jpeg)
    refused(path)


@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_more_pixels_than_allowed(tmp_path: Path, container: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(encoded(container))
    assert read_picture(path, max_pixels=24 * 31).pixels.size == 24 * 31 * 3
    assert "31 x 24 is more than the limit of 743 pixels" in refused(path, max_pixels=24 * 31 - 1)


LIMITED = """
import resource, sys
from runir.errors import RunirError
from runir.images import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read_picture(path)
    except RunirError as fault:
        print(fault)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_absurd_headers_take_no_memory(tmp_path: Path) -> None:
    """100000 x 100000 is over the limit; 32000 x 32000 is not, but its few bytes cannot hold that much."""
    for side in (100_000, 32_000):
        (tmp_path / f"{side}.png").write_bytes(png(side, side, 8, 6, b"\0" * 4000))
    command = [sys.executable, "-c", LIMITED, *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=True, timeout=60
    )
    too_many, truncated, kilobytes = done.stdout.splitlines()
    assert "100000 x 100000 is more than the limit" in too_many
    assert "32000.png: the file is truncated; copy" in truncated
    assert int(kilobytes) < 50_000
    assert done.stderr == ""


def blown_up(name: str) -> bytes:
    """A small file whose header claims a huge picture that is still within the limit of `open_picture`."""
    data = bytearray(FILES[name])
    if name.endswith("jpg"):
        frame = data.index(b"\xff\xc2" if name.startswith("prog") else b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    elif name.endswith("webp"):
        at = data.index(b"VP8L") + 9 if name.startswith("lossless") else data.index(b"VP8 ") + 14
        wide = 16382 | 16382 << 14 if name.startswith("lossless") else 16383 | 16383 << 16
        data[at : at + 4] = struct.pack("<I", wide)
    elif name.endswith("tif"):
        entries, _ = ifd.open_block(bytes(data)).directory(ifd.open_block(bytes(data)).first)
        for tag in (ifd.WIDTH, ifd.HEIGHT):
            entry = entries[tag]
            data[entry.place : entry.place + entry.size] = (60_000).to_bytes(entry.size, "little")
    else:
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", 30_000, 30_000)
    return bytes(data)


CLAIMED = """
import resource, sys
from runir.errors import RunirError
from runir.images import open_picture
open_picture(sys.argv[1]).close()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    try:
        with open_picture(path) as reader:
            for top in range(0, reader.info.height, 64):
                reader.rows(top, min(top + 64, reader.info.height))
        print("read", path)
    except RunirError as fault:
        print(fault)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_claims_of_every_container_take_little_memory(tmp_path: Path) -> None:
    names = [name for name in FILES if not name.endswith("png")]
    for name in names:
        (tmp_path / name).write_bytes(blown_up(name))
    (tmp_path / "sound.png").write_bytes(FILES["png"])
    command = [sys.executable, "-c", CLAIMED, str(tmp_path / "sound.png"), *(str(tmp_path / n) for n in names)]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    *said, kilobytes = done.stdout.splitlines()
    assert [s.split(": ")[0] for s in said] == [str(tmp_path / n) for n in names]
    assert all("; " in s for s in said)
    assert int(kilobytes) < 400_000


@pytest.mark.parametrize("mode", ["I", "LAB", "YCbCr"])
def test_other_pixel_types_are_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (3, 3)).save(path)
    assert "not supported" in refused(path)


@pytest.mark.parametrize("samples", [np.zeros((4, 5, 3), np.int16), np.zeros((4, 5), np.uint32)])
def test_other_sample_types_are_refused(tmp_path: Path, samples: NDArray[Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples, photometric="rgb" if samples.ndim == 3 else "minisblack")
    assert "not supported; convert it to 8-bit or 16-bit" in refused(path)


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5, 6), np.uint8), photometric="minisblack", planarconfig="contig")
    assert "6 channels are not supported" in refused(path)


def test_camera_raw_is_not_mistaken_for_its_preview(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    Image.fromarray(SAMPLES).save(path, format="TIFF", tiffinfo={50706: b"\1\4\0\0"})
    assert "camera raw data are damaged" in refused(path)


@pytest.mark.parametrize("place", [b"IHDR", b"IDAT", b"IEND"])
def test_png_with_a_wrong_checksum_is_refused(tmp_path: Path, place: bytes) -> None:
    """Pillow takes a picture whose IDAT or IEND checksum is wrong."""
    data = bytearray(encoded("PNG"))
    start = data.index(place) - 4
    data[start + 8 + int.from_bytes(data[start : start + 4], "big")] ^= 1
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert "checksum" in refused(path)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RICH = {
    "jpg": encoded("JPEG", exif=EXIF, icc_profile=SRGB),
    "png": encoded("PNG", exif=EXIF, icc_profile=SRGB),
    "webp": encoded("WEBP", exif=EXIF, xmp=b"<x/>"),
    "tif": encoded("TIFF", tiffinfo={271: "A maker", 274: 6}),
    "deflate.tif": FILES["deflate.tif"],
    "lossless.webp": FILES["lossless.webp"],
    "avif": encoded("AVIF", exif=EXIF, icc_profile=SRGB),
    "16.png": FILES["16.png"],
    "16.tif": FILES["16.tif"],
    "float.tif": FILES["float.tif"],
}


@pytest.mark.parametrize("name", RICH)
def test_flipped_bits_give_a_picture_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = RICH[name]
    path = tmp_path_factory.mktemp("flips") / name
    near = st.one_of(st.integers(0, min(400, len(data) - 1)), st.integers(0, len(data) - 1))

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(st.lists(st.tuples(near, st.integers(0, 7)), min_size=1, max_size=6))
    def check(flips: list[tuple[int, int]]) -> None:
        damaged = bytearray(data)
        for place, bit in flips:
            damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            read_picture(path, max_pixels=2**20)
        except RunirError as fault:
            one_line(path, fault)

    check()
    assert capfd.readouterr() == ("", "")


def test_the_libraries_print_nothing(tmp_path: Path) -> None:
    data = bytearray(FILES["deflate.tif"])
    data[len(data) // 2] ^= 255
    (tmp_path / "a.tif").write_bytes(data)
    (tmp_path / "b.tif").write_bytes(FILES["lzw.tif"][:-200])
    described = bytearray(encoded("TIFF", tiffinfo={270: "a description"}))
    entry = described.index(struct.pack("<HHI", 270, 2, 14))
    described[entry + 4 : entry + 8] = struct.pack("<I", 10**6)
    (tmp_path / "c.tif").write_bytes(described)
    assert read_picture(tmp_path / "c.tif").notes == ("damaged EXIF data dropped",)
    code = LIMITED.replace("before = ", "import warnings; warnings.simplefilter('always')\nbefore = ")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, tmp_path.iterdir())],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == ""


def test_memory_that_runs_out_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))

    def starve(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("runir.images.decode.VipsRows.fetch", starve)
    assert "memory" in refused(path)
