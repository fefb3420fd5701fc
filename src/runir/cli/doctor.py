"""runir doctor [--json]."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from runir.doctor import Report, diagnose
from runir.doctor.hints import GIGABYTE
from runir.doctor.installed import Engine
from runir.doctor.machine import Cache, Threads

FEATURES = {"avx2": "AVX2", "avx512": "AVX-512", "bf16": "bf16", "vnni": "VNNI", "amx": "AMX"}
ANSWERS = {True: "yes", False: "no", None: "unknown"}
EXTRAS = {"pi-heif": "heic", "rawpy": "raw", "onnxruntime": "onnxruntime", "torch": "train"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare this verb's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(options: argparse.Namespace) -> int:
    """Look, print, and return 1 if something is broken."""
    report = diagnose()
    if options.json:
        print(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        for title, text in _lines(report):
            print(f"{title:<11}{text}")
        for problem in report.problems:
            print(f"runir: {problem}", file=sys.stderr)
    return 0 if report.ok else 1


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    yield "runir", f"{report.runir}, Python {report.python}, {report.system}"
    installed = [f"{name} {text}" for name, text in report.versions.items() if text]
    yield "packages", ", ".join([*installed, f"libvips {report.libvips or 'does not load'}"])
    if missing := [f"runir[{EXTRAS[name]}]" for name, text in report.versions.items() if not text and name in EXTRAS]:
        yield "", f"not installed, and not needed for most: {', '.join(missing)}"
    found = ", ".join(f"{FEATURES[name]} {ANSWERS[has]}" for name, has in report.processor.features.items())
    yield "processor", f"{report.processor.name}: {found}"
    yield "threads", _threads(report.threads)
    sizes = [(report.memory.total, "in all"), (report.memory.available, "free")]
    yield (
        "memory",
        ", ".join([f"{_gigabytes(size)} {what}" for size, what in sizes] + [f"copies {report.memory_speed} GB/s"]),
    )
    yield "allocator", f"tcmalloc for training: {report.tcmalloc or 'not found'}"
    yield "engines", "; ".join(_engine(engine) for engine in report.engines)
    whole = sum(not weight.error for weight in report.weights)
    yield "weights", f"{whole} of {len(report.weights)} are as their cards say"
    yield "cache", _cache(report.cache)
    yield "disk", ", ".join(f"{_gigabytes(disk.free)} free for {disk.use} ({disk.folder})" for disk in report.disks)
    for run in report.speed:
        if not run.error:
            where = f"{run.engine} on {run.device} in {run.precision}"
            yield "speed", f"{run.megapixels_per_second:.2f} megapixels per second: {run.model}, {where}"
    for hint in report.hints:
        yield "hint", hint
    yield "result", "all works" if report.ok else f"broken: {len(report.problems)}"


def _threads(threads: Threads) -> str:
    allowed = "no affinity here" if threads.allowed is None else f"{threads.allowed} by affinity"
    quota = "no quota" if threads.quota is None else f"quota of {threads.quota:g}"
    return f"{threads.used} will be used of {threads.processors} processors ({allowed}, {quota})"


def _engine(engine: Engine) -> str:
    if engine.error:
        return f"{engine.name}: does not load"
    return f"{engine.name}: {', '.join(engine.devices) or 'not installed'}"


def _cache(cache: Cache) -> str:
    return "none" if cache.folder is None else f"{cache.folder}, {cache.size / 1e6:.1f} MB in {cache.files} files"


def _gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / GIGABYTE:.1f} GB"
