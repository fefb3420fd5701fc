"""Processors, memory, disk, allocator: what this process may use of the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runir.inference.engines import cache_folder
from runir.inference.threads import available_threads, cgroup_quota

TCMALLOC = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Threads:
    """Logical processors: processors: of the machine; allowed: by affinity (None: the system has none); quota: of the
    container; used: by runir, unless told; busy: by other programs, mean of the last minute (None: unknown)."""

    processors: int
    allowed: int | None
    quota: float | None
    used: int
    busy: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; None: unknown. total: of the machine, or the container's limit if that is less."""

    total: int | None
    available: int | None


@dataclass(frozen=True, slots=True)
class Cache:
    """folder: where compiled networks are kept, None: nowhere; size: bytes; files: how many."""

    folder: str | None
    size: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """use: what the folder is for; free: bytes."""

    use: str
    folder: str
    free: int


def threads() -> Threads:
    """Of this process."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Threads(os.cpu_count() or 1, allowed, cgroup_quota(), available_threads(), busy)


def memory() -> Memory:
    """Of this machine or container."""
    total, available = _windows_memory() if platform.system() == "Windows" else (_physical(), _mem_available())
    limit = _container_limit()
    if total is not None and limit is not None:
        total = min(total, limit)
    return Memory(total, available if available is None or total is None else min(available, total))


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _mem_available() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _container_limit() -> int | None:
    for path in _LIMITS:
        try:
            return int(Path(path).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def _windows_memory() -> tuple[int | None, int | None]:
    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = (("length", ctypes.c_uint32), ("load", ctypes.c_uint32), ("sizes", ctypes.c_uint64 * 7))

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - no such name elsewhere
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return int(status.sizes[0]), int(status.sizes[1])


def find_tcmalloc() -> str | None:
    """Where tcmalloc is installed; None where it is not, or on another system than Linux."""
    if platform.system() != "Linux":
        return None
    folders = [Path("/usr/lib"), Path("/usr/lib64"), *sorted(Path("/usr/lib").glob("*-linux-gnu"))]
    return next((str(f / name) for name in TCMALLOC for f in folders if (f / name).exists()), None)


def cache() -> Cache:
    """The folder of compiled networks, which is made if it can be."""
    folder = cache_folder()
    if folder is None:
        return Cache(None)
    sizes = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another program may be clearing up
            sizes += [path.stat().st_size] if path.is_file() else []
    return Cache(str(folder), sum(sizes), len(sizes))


def disks(cache_at: str | None) -> tuple[Disk, ...]:
    """Free space where runir writes."""
    places = [("results here", "."), ("temporary files", tempfile.gettempdir())]
    places += [("cache", cache_at)] if cache_at else []
    found = []
    for use, folder in places:
        with contextlib.suppress(OSError):  # a folder that has gone
            found.append(Disk(use, str(Path(folder).resolve()), shutil.disk_usage(folder).free))
    return tuple(found)
