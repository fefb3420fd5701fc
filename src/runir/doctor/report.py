"""All that is found out, in one object."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from runir._version import __version__
from runir.doctor import features, installed, machine, speed
from runir.doctor.hints import hints
from runir.errors import RunirError
from runir.inference.devices import PROVIDERS, UNASKED


@dataclass(frozen=True, slots=True)
class Report:
    """What `runir doctor` says. problems: what is broken, one line each; hints: what would make it faster.

    versions: None where a package is not installed. memory_speed: GB/s. tcmalloc: its file, used for training. system:
    as of platform.platform(). The rest: see each type.
    """

    runir: str
    python: str
    system: str
    versions: Mapping[str, str | None]
    libvips: str | None
    processor: features.Processor
    threads: machine.Threads
    memory: machine.Memory
    memory_speed: float
    tcmalloc: str | None
    nvidia_gpu: bool
    engines: tuple[installed.Engine, ...]
    weights: tuple[installed.Weight, ...]
    cache: machine.Cache
    disks: tuple[machine.Disk, ...]
    speed: tuple[speed.Run, ...]
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"ok": self.ok} | asdict(self)


def diagnose(seconds: float = speed.SECONDS) -> Report:
    """Look at everything, and let the engines work for `seconds`, all together. Raises nothing for what is broken: see
    `problems`."""
    threads = machine.threads()  # first: what is busy now is not us
    libvips, problems = None, []
    try:
        libvips = installed.libvips()
    except RunirError as fault:
        problems.append(str(fault))
    weights, engines = installed.weights(), installed.engines()
    processor, bf16 = _with_bf16(features.processor(), engines)
    cache = machine.cache()
    runs = _runs(engines, bf16, seconds)
    problems += [weight.error for weight in weights if weight.error]
    problems += [f"{engine.error}; install it again" for engine in engines if engine.error]
    for run in runs:
        if run.error and run.error not in problems:
            where = f"{run.engine} does not work on device {run.device} in {run.precision} ({run.error})"
            problems.append(f"engine {where}; use another engine, device or precision")
    report = Report(
        runir=__version__, python=platform.python_version(), system=platform.platform(),
        versions=installed.versions(), libvips=libvips, processor=processor, threads=threads,
        memory=machine.memory(), memory_speed=speed.memory_speed(), tcmalloc=machine.find_tcmalloc(),
        nvidia_gpu=installed.nvidia_gpu(), engines=engines, weights=weights,
        cache=cache, disks=machine.disks(cache.folder), speed=runs, problems=tuple(problems),
    )  # fmt: skip
    return replace(report, hints=tuple(hints(report)))


def _with_bf16(processor: features.Processor, engines: tuple[installed.Engine, ...]) -> tuple[features.Processor, bool]:
    """The processor, with OpenVINO's word on bf16 where the system has none; and whether OpenVINO computes in bf16."""
    on_cpu = "CPU" in engines[0].devices
    used = on_cpu and installed.bf16_in_openvino()
    if processor.features["bf16"] is None and on_cpu:
        processor = replace(processor, features={**processor.features, "bf16": used})
    return processor, used


def _runs(engines: tuple[installed.Engine, ...], bf16: bool, seconds: float) -> tuple[speed.Run, ...]:
    """What is chosen by itself, the CPU in each precision it has, and ONNX Runtime, which others may ask for."""
    there = {engine.name for engine in engines if engine.devices}
    bf16 = bf16 and "openvino" in there
    accelerated = any(PROVIDERS[device] in engine.devices for engine in engines for device in UNASKED)
    each = seconds / (1 + (accelerated and "openvino" in there) + bf16)
    runs = [speed.measure("auto", "auto", "f32", each)]
    if "openvino" in there and (runs[0].engine, runs[0].device) != ("openvino", "cpu") and not runs[0].error:
        runs.append(speed.measure("openvino", "cpu", "f32", each))
    if bf16:
        runs.append(speed.measure("openvino", "cpu", "bf16", each))
    if "onnxruntime" in there and runs[0].engine != "onnxruntime":
        runs.append(speed.measure("onnxruntime", "cpu", "f32", seconds=0))
    return tuple(runs)
