"""Which instructions the processor has that matter for networks."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAMES = ("avx2", "avx512", "bf16", "vnni", "amx")
_LINUX = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),  # the last is ARM's
    "vnni": ("avx512_vnni", "avx_vnni"),
    "amx": ("amx_tile",),
}
_X86_ONLY = ("avx2", "avx512", "vnni", "amx")
_ARM = ("arm64", "aarch64")
_PF_AVX2, _PF_AVX512F = 40, 41  # winnt.h


@dataclass(frozen=True, slots=True)
class Processor:
    """name: as the system has it. features: of NAMES, whether it has them; None: unknown."""

    name: str
    features: Mapping[str, bool | None]


def processor() -> Processor:
    """This machine's processor, as well as the system tells."""
    system = platform.system()
    try:
        if system == "Linux":
            return from_cpuinfo(Path("/proc/cpuinfo").read_text("utf-8", "replace"), platform.machine())
        if system == "Darwin":
            command = ["/usr/sbin/sysctl", "machdep.cpu", "hw.optional"]
            told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
            return from_sysctl(told.stdout, platform.machine())
        if system == "Windows":
            return _windows()
    except (OSError, subprocess.SubprocessError):
        pass
    return Processor(platform.processor() or "unknown", dict.fromkeys(NAMES))


def from_cpuinfo(text: str, machine: str) -> Processor:
    """Read Linux's /proc/cpuinfo; machine: as of platform.machine()."""
    fields: dict[str, str] = dict(re.findall(r"^([^\t:]+)\t*: (.*)$", text, re.MULTILINE))
    flags = fields.get("flags", fields.get("Features", "")).split()
    found = {name: bool({*words} & {*flags}) if flags else None for name, words in _LINUX.items()}
    return Processor(fields.get("model name") or machine or "unknown", found)


def from_sysctl(text: str, machine: str) -> Processor:
    """Read macOS's `sysctl machdep.cpu hw.optional`; machine: as of platform.machine()."""
    fields: dict[str, str] = dict(re.findall(r"^([\w.]+): (.*)$", text, re.MULTILINE))

    def said(key: str) -> bool | None:
        return fields[key] == "1" if key in fields else None

    found: dict[str, bool | None] = dict.fromkeys(NAMES)
    if machine in _ARM:
        found |= dict.fromkeys(_X86_ONLY, False) | {"bf16": said("hw.optional.arm.FEAT_BF16")}
    elif fields:
        more = fields.get("machdep.cpu.leaf7_features", "").split()
        found |= {"avx2": said("hw.optional.avx2_0"), "avx512": said("hw.optional.avx512f")}
        found |= {"vnni": "AVX512VNNI" in more if more else None}
    return Processor(fields.get("machdep.cpu.brand_string") or machine or "unknown", found)


def _windows() -> Processor:
    found: dict[str, bool | None] = dict.fromkeys(NAMES)
    has = getattr(ctypes, "windll").kernel32.IsProcessorFeaturePresent  # noqa: B009 - no such name elsewhere
    arm = platform.machine().lower() in _ARM
    found |= {"avx2": not arm and bool(has(_PF_AVX2)), "avx512": not arm and bool(has(_PF_AVX512F))}
    return Processor(platform.processor() or "unknown", found)
