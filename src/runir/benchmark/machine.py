"""The machine in words, without names of hosts or people."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from runir._version import __version__
from runir.doctor.features import processor
from runir.doctor.machine import memory, threads

PACKAGES = ("openvino", "torch", "spandrel", "opencv-python-headless", "opencv-python", "bm3d", "numpy")


def describe_machine() -> str:
    """Processor, how many, memory, system, and versions."""
    total = memory().total
    parts = [processor().name, f"{threads().processors} logical processors"]
    if total is not None:
        parts.append(f"{total / 1e9:.0f} GB of memory")
    return ", ".join([*parts, f"{platform.system()} {platform.machine()}", *_versions()])


def other_load() -> float | None:
    """Processors that other programs kept busy in the last minute; None: unknown."""
    return threads().busy


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()}", f"runir {__version__}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
