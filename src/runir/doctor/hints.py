"""What would make it faster on this machine: each hint only where it applies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runir.doctor.report import Report

WORTH = 1.15  # times as fast: less is not worth another precision
GIGABYTE = 10**9
LITTLE_MEMORY, LITTLE_DISK, LARGE_CACHE = GIGABYTE, GIGABYTE, 2 * GIGABYTE


def hints(report: Report) -> Iterator[str]:
    """One line each, what is there and what to do."""
    yield from _processors(report)
    yield from _devices(report)
    yield from _room(report)
    torch = report.versions.get("torch") is not None
    if torch and report.system.startswith("Linux") and report.tcmalloc is None:
        yield "training is much faster with tcmalloc: install libtcmalloc-minimal4 (Debian) or gperftools"


def _processors(report: Report) -> Iterator[str]:
    t, features = report.threads, report.processor.features
    allowed = t.allowed or t.processors
    if t.used < allowed:
        yield f"the container's quota allows {t.quota:g} of {allowed} processors: raise it (docker run --cpus)"
    if allowed < t.processors:
        yield f"this process may use {allowed} of {t.processors} processors: see taskset, or the batch system's request"
    if t.busy is not None and t.busy > max(0.5, t.used / 4):
        yield f"other programs kept about {t.busy:.1f} processors busy: the speed above is less than this machine has"
    if features.get("avx2") is False and features.get("bf16") is False:
        yield "the processor has neither AVX2 nor bf16: another machine is several times as fast"
    f32, bf16 = (_speed(report, precision) for precision in ("f32", "bf16"))
    if f32 and bf16 > WORTH * f32:
        yield f"--precision bf16 is {bf16 / f32:.1f} times as fast here; its results differ by rounding"


def _speed(report: Report, precision: str) -> float:
    on_cpu = (run for run in report.speed if (run.engine, run.device) == ("openvino", "cpu"))
    return next((run.megapixels_per_second for run in on_cpu if run.precision == precision), 0.0)


def _devices(report: Report) -> Iterator[str]:
    devices = {engine.name: engine.devices for engine in report.engines}
    for kind in ("GPU", "NPU"):
        if any(name.split(".")[0] == kind for name in devices["openvino"]):
            yield f"OpenVINO sees an Intel {kind}: compare with --device {kind.lower()}"
    if report.nvidia_gpu and "CUDAExecutionProvider" not in devices["onnxruntime"]:
        yield "an NVIDIA GPU is here: pip install onnxruntime-gpu (in place of onnxruntime), it is then used by itself"
    if "CoreMLExecutionProvider" in devices["onnxruntime"]:
        yield "ONNX Runtime has CoreML: compare with --device coreml"


def _room(report: Report) -> Iterator[str]:
    if report.cache.folder is None:
        yield "networks are compiled anew at every start: let RUNIR_CACHE name a folder that only you may write to"
    elif report.cache.size > LARGE_CACHE:
        yield f"the cache holds {report.cache.size / GIGABYTE:.1f} GB: {report.cache.folder} may be deleted at any time"
    if report.memory.available is not None and report.memory.available < LITTLE_MEMORY:
        yield f"only {report.memory.available / GIGABYTE:.1f} GB of memory is free: close other programs"
    for disk in report.disks:
        if disk.free < LITTLE_DISK:
            yield f"only {disk.free / GIGABYTE:.1f} GB is free in {disk.folder} ({disk.use})"
