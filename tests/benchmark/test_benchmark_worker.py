"""One method in a process of its own: how it is timed, what its memory is, how it fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import runir
from runir.benchmark import Method, Setting, compare_methods
from runir.benchmark.run import Moment, _failure
from runir.benchmark.worker import Job, build_method, convert, time_runs, timed_picture
from runir.degradations import parse_degradation
from runir.evaluation import evaluate, get_protocol
from runir.images import Picture, read_picture, write_picture
from runir.inference.foreign import ForeignModel, described, open_model

DATA = Path(__file__).parents[1] / "data"


def clock(*durations: float) -> Iterator[float]:
    now = 0.0
    for duration in durations:
        yield now
        now += duration
        yield now


def runs(*durations: float) -> list[float]:
    ticks = clock(*durations)
    return time_runs(lambda: None, lambda *_, **__: None, lambda: next(ticks))


def test_the_first_run_does_not_count_unless_it_is_long() -> None:
    assert runs(9.0, *[1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]  # three at least
    assert runs(0.125, *[1.0] * 7) == [1.0] * 7  # seven at most
    assert runs(6.0, *[1.0] * 5) == [1.0] * 5  # as many as fit into 30 s
    assert runs(61.0) == [61.0]


@pytest.mark.parametrize("shape", [(5, 2000, 3), (3, 3, 1), (1200, 1100, 3)])
def test_the_timed_picture_is_the_middle_mirrored(shape: tuple[int, int, int], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32) / np.float32(255)
    write_picture(Picture(pixels), tmp_path / "a.png")
    timed = timed_picture(tmp_path / "a.png", 992)
    assert timed.shape == (992, 992, shape[2])
    top, left = (max(0, (992 - n) // 2) for n in shape[:2])
    part = pixels[max(0, (shape[0] - 992) // 2) :, max(0, (shape[1] - 992) // 2) :][:992, :992]
    np.testing.assert_allclose(timed[top : top + len(part), left : left + part.shape[1]], part, atol=1e-6)
    if top:
        np.testing.assert_array_equal(timed[top - 1], timed[top])  # mirrored at the edge


def test_the_peak_is_what_was_held() -> None:
    code = (
        "import numpy as np; from runir.benchmark.worker import peak_bytes\n"
        "a = peak_bytes(); x = np.ones(80_000_000, np.uint8); del x; print(peak_bytes() - a)"
    )
    held = np.zeros(200_000_000, np.uint8) + 1  # that of another process
    grown = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert 70e6 < grown < 120e6
    assert len(held)


def setting(*files: Path) -> Setting:
    return Setting(files, "awgn:25", "awgn-rgb", 3, 1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small picture in a folder of a name that needs care."""
    path = tmp_path_factory.mktemp("my pictures") / "ä b.png"
    write_picture(Picture(read_picture(DATA / "house.webp").pixels[:64, :80]), path)
    return path


def test_a_method_is_timed_and_scored_as_evaluate_would(small: Path) -> None:
    moments: list[Moment] = []
    broken = Method("broken", "checkpoint", str(small))
    methods = [Method("run-t.denoise", "runir", "run-t.denoise"), broken]
    good, bad = compare_methods(methods, setting(small), moments.append)
    restorer = runir.Restorer("run-t.denoise", threads=1)
    expected = evaluate(restorer, [small], parse_degradation("awgn:25"), get_protocol("awgn-rgb"), seed=3)
    assert good.error == ""
    assert good.psnr == pytest.approx(expected.psnr, abs=1e-3)
    assert good.input_psnr == expected.input_psnr
    assert good.engine == "openvino"
    assert good.told_sigma is None
    assert good.parameters == restorer.card.parameters
    assert len(good.seconds) >= 3
    assert good.median is not None
    assert min(good.seconds) <= good.median <= max(good.seconds)
    assert good.peak_bytes is not None
    assert 50e6 < good.peak_bytes < 2e9
    assert "ä b.png: is a file; a model is a folder" in bad.error
    assert (bad.seconds, bad.psnr) == ((), None)
    assert {"tile", "run", "picture"} <= {key for moment in moments for key in moment.step}
    scoring = [m for m in moments if m.what == "score"]
    assert {m.method for m in scoring} == {good.method}
    assert scoring[0].seconds == pytest.approx(good.median * 512**2 / 1e6)  # a small picture costs a tile


def test_only_events_are_on_standard_output(small: Path) -> None:
    job = Job("score", "runir", "run-t.denoise", 1, "awgn:25", 0, "awgn-rgb", (str(small),))
    done = subprocess.run(
        [sys.executable, "-m", "runir.benchmark.worker"],
        input=job.to_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0] == {"event": "step", "picture": 1, "pictures": 1}
    assert events[-1]["event"] == "scored"


def test_failures_are_one_line() -> None:
    assert _failure("a", 1, "Traceback\n  File\nValueError: no\n") == "a: ValueError: no"
    assert _failure("a", -9, "") == "a: ended by SIGKILL (probably not enough memory)"
    assert _failure("a", 3, "\n") == "a: ended with exit code 3"


class Half(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.5


class Gamma(torch.nn.Module):
    """Nothing that OpenVINO knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.special.bessel_j0(x)
        return out


class Descriptor(SimpleNamespace):
    """What spandrel says of a network."""

    def eval(self) -> "Descriptor":
        return self

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.model(tile)
        return out


def foreign(network: torch.nn.Module, name: str = "Net") -> ForeignModel:
    said = Descriptor(
        model=network, input_channels=3, output_channels=3, purpose="Restoration", scale=1, tags=["a", "b"],
        size_requirements=SimpleNamespace(minimum=0, multiple_of=1), tiling=SimpleNamespace(name="SUPPORTED"),
        architecture=SimpleNamespace(name=name),
    )  # fmt: skip
    return described(said, "net", "net", "")


def test_converted_networks_compute_the_same_without_pytorch(tmp_path: Path) -> None:
    model = foreign(Half())
    assert convert(model, tmp_path)
    job = Job("time", "converted", str(tmp_path), 1, "awgn:25", 0, "awgn-rgb", ())
    restore, about = build_method(job, lambda *_, **__: None)
    picture = np.random.default_rng(0).random((20, 30, 3), np.float32)
    np.testing.assert_allclose(restore(picture), picture / 2, atol=1e-6)
    assert about == {"engine": "openvino", "parameters": 0, "told_sigma": None}
    assert not convert(foreign(Gamma()), tmp_path)
    assert not convert(open_model("run-t.denoise"), tmp_path)


def test_what_a_network_is_told_outlives_its_conversion(tmp_path: Path) -> None:
    assert convert(foreign(Half(), "DRUNet"), tmp_path)
    job = Job("time", "converted", str(tmp_path), 1, "awgn:25", 0, "awgn-rgb", ())
    assert build_method(job, lambda *_, **__: None)[1]["told_sigma"] == 15


@pytest.mark.spandrel
def test_checkpoints_and_random_networks_run(tmp_path: Path, small: Path) -> None:
    from spandrel.architectures.NAFNet import NAFNet

    torch.manual_seed(0)
    network = NAFNet(img_channel=3, width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])
    torch.save(network.state_dict(), tmp_path / "net.pth")
    methods = [Method("net", "checkpoint", str(tmp_path / "net.pth")), Method("NAFNet", "random", "nafnet-w32")]
    net, random = compare_methods(methods, setting(small))
    assert (net.error, random.error) == ("", "")
    restorer = runir.Restorer(str(tmp_path / "net.pth"), threads=1)
    expected = evaluate(restorer, [small], parse_degradation("awgn:25"), get_protocol("awgn-rgb"), seed=3)
    assert net.psnr == pytest.approx(expected.psnr, abs=1e-3)
    assert net.parameters == restorer.card.parameters
    assert random.psnr is None  # random weights have no quality
    assert random.parameters > 29_000_000
    assert net.peak_bytes is not None
    assert random.peak_bytes is not None
    assert random.peak_bytes > net.peak_bytes
