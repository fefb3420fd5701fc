"""`runir doctor`: what it finds out, what it advises, and that it notices what is broken."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runir
from runir.cli.main import main
from runir.doctor import Report, diagnose, installed, machine, report, speed
from runir.doctor.features import NAMES, Processor, from_cpuinfo, from_sysctl
from runir.doctor.hints import hints
from runir.doctor.installed import Engine, Weight
from runir.doctor.machine import Cache, Disk, Memory, Threads
from runir.doctor.speed import Run, measure
from runir.weights import find_model

ROOT = Path(__file__).parents[2]
CPUINFO = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: {}\npower management:\n\nprocessor\t: 1\nflags\t\t: {}\n"


def features(text: str) -> Processor:
    return Processor("A CPU", dict(zip(NAMES, ({"y": True, "n": False, "?": None}[c] for c in text), strict=True)))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse2 avx", "nnnnn"),
        ("fpu avx avx2 fma", "ynnnn"),
        ("avx2 avx_vnni", "ynnyn"),
        ("avx2 avx512f avx512bw avx512_vnni", "yynyn"),
        ("avx2 avx512f avx512_vnni avx512_bf16", "yyyyn"),
        ("avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8", "yyyyy"),
        ("", "?????"),
    ],
)
def test_features_of_linux(flags: str, expected: str) -> None:
    assert from_cpuinfo(CPUINFO.format(flags, flags), "x86_64") == features(expected)


def test_features_of_arm_and_of_systems_that_do_not_tell() -> None:
    found = from_cpuinfo("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\nCPU part\t: 0xd40\n", "aarch64")
    assert found == replace(features("nnynn"), name="aarch64")
    assert from_cpuinfo("hart : 0\n", "riscv64") == replace(features("?????"), name="riscv64")


def test_features_of_macos() -> None:
    apple = "machdep.cpu.brand_string: Apple M2\nhw.optional.arm.FEAT_BF16: 1\nhw.optional.neon: 1\n"
    assert from_sysctl(apple, "arm64") == Processor("Apple M2", features("nnynn").features)
    intel = "machdep.cpu.brand_string: A CPU\nmachdep.cpu.leaf7_features: SMEP AVX2\nhw.optional.avx2_0: 1\n"
    assert from_sysctl(intel + "hw.optional.avx512f: 0\n", "x86_64") == features("yn?n?")
    assert from_sysctl("", "x86_64") == replace(features("?????"), name="x86_64")


def test_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("50000000\n")
    monkeypatch.setattr(machine, "_LIMITS", (str(tmp_path / "none"), str(tmp_path / "memory.max")))
    assert machine.memory().total == 50_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert (machine.memory().total or 0) > 500_000_000


def test_cache_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNIR_CACHE", str(tmp_path / "c"))
    assert machine.cache() == Cache(str(tmp_path / "c"), 0, 0)
    (tmp_path / "c" / "a.blob").write_bytes(bytes(1234))
    assert machine.cache() == Cache(str(tmp_path / "c"), 1234, 1)
    monkeypatch.setenv("RUNIR_CACHE", "")
    assert machine.cache() == Cache(None)


@pytest.mark.parametrize("file", ["card.toml", "model.onnx", "model.safetensors"])
def test_each_file_of_a_model_is_compared(tmp_path: Path, file: str) -> None:
    model = find_model("run-t.denoise")
    shutil.copytree(model.folder, tmp_path / "run-t.denoise")
    assert installed.weights(tmp_path) == (Weight("run-t.denoise"),)
    data = bytearray((tmp_path / "run-t.denoise" / file).read_bytes())
    data[len(data) // 2] ^= 0x80
    (tmp_path / "run-t.denoise" / file).write_bytes(data)
    [weight] = installed.weights(tmp_path)
    assert file in weight.error
    assert ("export it again" if file == "card.toml" else "export or fine-tune that model again") in weight.error
    (tmp_path / "run-t.denoise" / file).unlink()
    assert [bool(w.error) for w in installed.weights(tmp_path)] == [True]


def test_an_engine_that_works_is_timed() -> None:
    run = measure("openvino", "cpu", "f32", seconds=0)
    assert (run.engine, run.device, run.precision, run.error) == ("openvino", "cpu", "f32", "")
    assert run.model.endswith(".denoise")
    assert run.megapixels_per_second > 0.001


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (lambda noisy: noisy, "results are wrong"),
        (lambda noisy: noisy * np.float32("nan"), "results are wrong"),
        (RuntimeError("driver\nis too old"), "driver is too old"),
        (OSError("libsomething.so: cannot open"), "libsomething.so"),
    ],
)
def test_an_engine_that_does_not_work_is_noticed(
    monkeypatch: pytest.MonkeyPatch, behaviour: Any, expected: str
) -> None:
    class StandIn:
        card = find_model("run-t.denoise").card

        def __init__(self, *_: object, **__: object) -> None:
            if isinstance(behaviour, Exception):
                raise behaviour

        def __call__(self, picture: Any) -> Any:
            return behaviour(picture)

    monkeypatch.setattr(speed, "Restorer", StandIn)
    run = measure("openvino", "cpu", "f32", seconds=0)
    assert expected in run.error
    assert run.megapixels_per_second == 0


@pytest.mark.parametrize(
    ("bf16", "provider", "runs"),
    [(False, "CPU", 1), (True, "CPU", 2), (False, "CUDA", 2), (True, "CUDA", 3)],
)
def test_all_that_is_timed_takes_five_seconds_together(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, provider: str, runs: int
) -> None:
    timed: list[float] = []

    def note(engine: str, device: str, precision: Any, seconds: float) -> Run:
        timed.append(seconds)
        chosen = ("onnxruntime", "cuda") if provider == "CUDA" else ("openvino", "cpu")
        return Run(*(chosen if engine == "auto" else (engine, device)), precision, "m", 1.0)

    monkeypatch.setattr(speed, "measure", note)
    engines = (Engine("openvino", ("CPU",)), Engine("onnxruntime", (f"{provider}ExecutionProvider",)))
    report._runs(engines, bf16, speed.SECONDS)
    assert sum(timed) == pytest.approx(5)
    assert len([seconds for seconds in timed if seconds]) == runs


FINE = Report(
    runir="0", python="3", system="Linux-6", versions={"torch": "2"}, libvips="8", processor=features("yyyyn"),
    threads=Threads(8, 8, None, 8, 0.1), memory=Memory(16 * 10**9, 9 * 10**9), memory_speed=9.0, tcmalloc="/lib/x",
    nvidia_gpu=False, engines=(Engine("openvino", ("CPU",)), Engine("onnxruntime", ("CPUExecutionProvider",))),
    weights=(Weight("a"),), cache=Cache("/c", 10, 1), disks=(Disk("results here", "/d", 10**11),),
    speed=(Run("openvino", "cpu", "f32", "m", 1.0), Run("openvino", "cpu", "bf16", "m", 1.1)),
)  # fmt: skip


def test_a_fine_machine_gets_no_advice() -> None:
    assert list(hints(FINE)) == []
    assert list(hints(replace(FINE, tcmalloc=None, versions={"torch": None}))) == []
    assert list(hints(replace(FINE, tcmalloc=None, system="macOS-15"))) == []
    no_word = Threads(8, None, None, 8, None)
    assert list(hints(replace(FINE, threads=no_word, memory=Memory(None, None), processor=features("?????")))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tcmalloc": None}, "libtcmalloc-minimal4"),
        ({"threads": Threads(8, 8, 2.5, 3, 0.1)}, "quota allows 2.5 of 8 processors"),
        ({"threads": Threads(8, 2, None, 2, 0.1)}, "may use 2 of 8 processors"),
        ({"threads": Threads(8, 8, None, 8, 5.2)}, "about 5.2 processors busy"),
        ({"processor": features("nnnnn")}, "neither AVX2 nor bf16"),
        ({"speed": (FINE.speed[0], replace(FINE.speed[1], megapixels_per_second=1.8))}, "bf16 is 1.8 times as fast"),
        ({"engines": (Engine("openvino", ("CPU", "GPU.0")), FINE.engines[1])}, "--device gpu"),
        ({"engines": (Engine("openvino", ("CPU", "NPU")), FINE.engines[1])}, "--device npu"),
        ({"engines": (FINE.engines[0], Engine("onnxruntime", ("CoreMLExecutionProvider",)))}, "--device coreml"),
        ({"nvidia_gpu": True}, "pip install onnxruntime-gpu"),
        ({"cache": Cache(None)}, "RUNIR_CACHE"),
        ({"cache": Cache("/c", 3 * 10**9, 9)}, "/c may be deleted"),
        ({"memory": Memory(2 * 10**9, 10**8)}, "0.1 GB of memory"),
        ({"disks": (Disk("temporary files", "/t", 10**8),)}, "0.1 GB is free in /t"),
    ],
)
def test_each_hint_where_it_applies(change: dict[str, Any], expected: str) -> None:
    [hint] = hints(replace(FINE, **change))
    assert expected in hint


def test_no_hint_for_a_gpu_that_is_used() -> None:
    used = (FINE.engines[0], Engine("onnxruntime", ("CUDAExecutionProvider", "CPUExecutionProvider")))
    assert list(hints(replace(FINE, nvidia_gpu=True, engines=used))) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runir.cli.doctor.diagnose", partial(diagnose, seconds=0))


@pytest.mark.usefixtures("quick")
def test_json_is_one_object_with_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["problems"], shown["runir"]) == (True, [], runir.__version__)
    assert shown["versions"]["numpy"] == np.__version__
    assert set(shown["processor"]["features"]) == set(NAMES)
    assert {weight["name"] for weight in shown["weights"]} == {m.card.name for m in runir.list_models()}
    assert not any(weight["error"] for weight in shown["weights"])
    assert shown["threads"]["used"] >= 1
    assert [engine["name"] for engine in shown["engines"]] == ["openvino", "onnxruntime", "torch"]
    assert {(run["engine"], run["precision"]) for run in shown["speed"]} >= {
        ("openvino", "f32"),
        ("onnxruntime", "f32"),
    }
    assert all(run["megapixels_per_second"] > 0 for run in shown["speed"])


@pytest.mark.usefixtures("quick")
def test_what_is_broken_is_named_and_exits_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = (Weight("run-t.denoise", "/w/model.onnx: damaged; reinstall runir"), Weight("run-s.denoise"))
    monkeypatch.setattr(installed, "weights", lambda: damaged)
    monkeypatch.setattr(installed, "onnxruntime_providers", lambda: (_ for _ in ()).throw(ImportError("no libfoo.so")))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert "1 of 2 are as their cards say" in shown.out
    assert "broken: 2" in shown.out
    assert shown.err.splitlines() == [
        "runir: /w/model.onnx: damaged; reinstall runir",
        "runir: onnxruntime cannot be loaded (no libfoo.so); install it again",
    ]


@pytest.mark.usefixtures("quick")
def test_without_openvino_the_rest_is_still_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["doctor", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert "openvino cannot be loaded" in shown["problems"][0]
    assert [run["engine"] for run in shown["speed"] if not run["error"]] == ["onnxruntime"]


@pytest.mark.usefixtures("quick")
def test_the_commands_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    commands = [line for block in page.split("```sh\n")[1:] for line in block.split("```")[0].splitlines()]
    assert len(commands) == 2
    for command in commands:
        assert main(command.split("#")[0].split()[1:]) == 0
        assert "run-t.denoise" in capsys.readouterr().out


def test_pytorch_is_not_loaded() -> None:
    code = "import sys; from runir.doctor import diagnose; print(diagnose(0).ok, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
