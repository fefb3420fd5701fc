"""Pillow kept on a short lead: no output on stderr, no limit but ours, no exception but ours."""

import ctypes
import functools
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin, _imaging

from runir.images import ifd
from runir.images.headers import Header, check_size, png_without_extras
from runir.images.messages import DECODER_FAULTS, UnfitError, reason

# Used directly rather than through Image.open: the content has already told which one it is.
_PLUGINS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_MORE = {
    "JPEG": "several pictures: only the first was read",
    "PNG": "animated: only the first frame was read",
    "WEBP": "animated: only the first frame was read",
    "TIFF": "several pages: only the first was read",
}
_MP_NUMBER_OF_IMAGES = 0xB001
_LIMIT_LOCK = threading.Lock()

# Without a handler of its own, what Pillow logs about broken files would go to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def load(file: BinaryIO, header: Header, max_pixels: int) -> tuple[ImageFile.ImageFile, list[str]]:
    """Return the first picture of an open file, decoded whole, and notes.

    Raises UnfitError when it cannot be decoded whole or has more than `max_pixels` pixels.
    """
    try:
        image = _open(file, header, max_pixels)
        return image, [_MORE[header.format]] if _has_more(image) else []
    except DECODER_FAULTS as fault:
        if header.format != "PNG":
            raise _undecodable(header, fault) from fault
    try:
        return _open(png_without_extras(file), header, max_pixels), ["damaged PNG metadata dropped"]
    except DECODER_FAULTS as fault:
        raise _undecodable(header, fault) from fault


def _undecodable(header: Header, fault: BaseException) -> UnfitError:
    return UnfitError(f"the {header.format} data are damaged, cut off or of a rare kind ({reason(fault)})")


def _open(file: BinaryIO, header: Header, max_pixels: int) -> ImageFile.ImageFile:
    if header.format == "TIFF":
        _silence_libtiff()
    file.seek(0)
    with _pillow_limit_lifted(header.size or (0, 0)):
        image = _PLUGINS[header.format](file)
        check_size(image.size, max_pixels)
        image.load()
    return image


def _has_more(image: ImageFile.ImageFile) -> bool:
    mpf = image.info.get("mp")
    if not isinstance(mpf, bytes):
        return bool(getattr(image, "is_animated", False))
    try:
        block = ifd.open_block(mpf)
        return (block.integers(block.directory(block.first)[0].get(_MP_NUMBER_OF_IMAGES)) or (1,))[0] > 1
    except ValueError:
        return False  # a damaged list of further pictures does not touch the first


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings off stderr; what matters in them is in the notes."""
    with warnings.catch_warnings():
        # Only Pillow's own, so that threads which overlap here can never silence anything else.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _pillow_limit_lifted(size: tuple[int, int]) -> Iterator[None]:
    """Set Pillow's process-wide pixel limit aside while a picture larger than that is read.

    Its size has been checked against the caller's limit before. Only such pictures wait for one another.
    """
    if size[0] * size[1] <= (Image.MAX_IMAGE_PIXELS or 0):
        yield
        return
    with _LIMIT_LOCK:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@functools.cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing on stderr about damaged files; it still reports them to Pillow."""
    try:
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):
        return  # linked in a way that hides it (Windows): its lines are then only untidy
    set_handler.argtypes = [ctypes.c_void_p]
    set_handler.restype = ctypes.c_void_p
    set_handler(None)
