"""libvips kept on a short lead: loaded late, without caches, few threads, nothing on stderr."""

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from runir.images.messages import UnfitError, reason

Image = Any
"""A `pyvips.Image`: the library has no types."""

_THREADS = 2
_LOGGER = logging.getLogger("pyvips")


@functools.cache
def library() -> ModuleType:
    """Return the pyvips module, set up at first use.

    Raises UnfitError when libvips cannot be loaded.
    """
    # Without a handler of its own, what libvips warns of would go to stderr.
    _LOGGER.addHandler(logging.NullHandler())
    _LOGGER.propagate = False
    try:
        import pyvips
    except (ImportError, OSError) as fault:
        raise UnfitError(f"libvips cannot be loaded ({reason(fault)})", "pip install 'pyvips[binary]'") from fault
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(min(_THREADS, os.cpu_count() or 1))
    module: ModuleType = pyvips
    return module


def forget_faults() -> None:
    """Empty libvips' one text for all faults: what an earlier picture left there would be told of the next one."""
    library().vips_lib.vips_error_clear()


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Turn libvips' exceptions into UnfitError: "`what` (the first of libvips' own lines)"."""
    pyvips = library()
    forget_faults()
    try:
        yield
    except pyvips.Error as fault:
        raise UnfitError(f"{what} ({_told(fault)})") from fault


def _told(fault: Exception) -> str:
    """The most telling line of libvips' message: it has one per layer, the innermost first after the call."""
    lines = [" ".join(text.split()) for text in str(fault).splitlines() if text.strip()]
    text = (lines[1] if len(lines) > 1 else lines[0]) if lines else type(fault).__name__
    text = text.split(": ", 1)[-1] if text.startswith(("Vips", "vips", "tiff", "heif", "webp")) else text
    return text if len(text) <= 100 else text[:97] + "..."
