"""Networks of others through the Restorer; a stand-in takes the place of the package spandrel."""

import sys
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import runir
from runir.cli.main import main
from runir.errors import RunirError, UsageError
from runir.images import read_picture
from runir.inference.foreign import open_model, read_checkpoint, told_sigma
from runir.weights.registry import HOME

DATA = Path(__file__).parents[1] / "data"


class Half(torch.nn.Module):
    """Halves every channel on its own and adds a tenth."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + 0.1


class Descriptor:
    """What spandrel says of a network."""

    def __init__(self, model: torch.nn.Module | None = None, channels: tuple[int, int] = (3, 3), **said: Any) -> None:
        self.model = model or Half()
        self.input_channels, self.output_channels = channels
        self.purpose, self.scale, self.tags = "Restoration", 1, ["8w"]
        self.size_requirements = SimpleNamespace(minimum=0, multiple_of=1)
        self.tiling = SimpleNamespace(name="SUPPORTED")
        self.architecture = SimpleNamespace(name="HalfNet")
        self.calls: list[tuple[int, ...]] = []
        for name, value in said.items():
            setattr(self, name, value)

    def eval(self) -> "Descriptor":
        return self

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(tile.shape))
        out: torch.Tensor = self.model(tile).clamp(0, 1)
        return out


class UnsupportedModelError(Exception):
    pass


Install = Callable[[Any], Path]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Puts a spandrel in place that reads the given descriptor, or raises the given error; gives a checkpoint."""

    def put(found: Any) -> Path:
        def load(path: str) -> Any:
            assert Path(path).is_file()
            if isinstance(found, Exception):
                raise found
            return found

        module = ModuleType("spandrel")
        module.__dict__.update(
            ModelLoader=lambda: SimpleNamespace(load_from_file=load), UnsupportedModelError=UnsupportedModelError
        )
        monkeypatch.setitem(sys.modules, "spandrel", module)
        path = tmp_path / "half.pth"
        path.write_bytes(b"numbers")
        return path

    return put


def picture(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize("engine", ["auto", "torch", "openvino"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_restores_through_tiles(install: Install, engine: str, channels: int) -> None:
    restorer = runir.Restorer(str(install(Descriptor(channels=(channels, channels)))), engine=engine)
    before = picture(30, 600, 3)
    assert restorer.tile_count(30, 600) == 2
    np.testing.assert_allclose(restorer(before), before * 0.5 + 0.1, atol=2e-6)
    assert restorer.engine == ("openvino" if engine == "openvino" else "torch")
    np.testing.assert_allclose(restorer(before, strength=0.5), before * 0.75 + 0.05, atol=2e-6)


def test_gray_networks_see_one_channel_at_a_time_and_gray_pictures_once(install: Install) -> None:
    descriptor = Descriptor(channels=(1, 1))
    restorer = runir.Restorer(str(install(descriptor)))
    descriptor.calls.clear()
    restorer(picture(20, 20, 3))
    assert descriptor.calls == [(1, 1, 512, 512)] * 3
    descriptor.calls.clear()
    gray = picture(20, 20)
    np.testing.assert_allclose(restorer(gray), gray * 0.5 + 0.1, atol=2e-6)
    assert descriptor.calls == [(1, 1, 512, 512)]


@pytest.mark.parametrize(("minimum", "multiple", "tile"), [(0, 1, 512), (0, 24, 528), (600, 1, 600), (600, 16, 608)])
def test_tiles_fit_the_network(install: Install, minimum: int, multiple: int, tile: int) -> None:
    needs = SimpleNamespace(minimum=minimum, multiple_of=multiple)
    assert read_checkpoint(install(Descriptor(size_requirements=needs))).card.tile == tile


def test_the_card_says_what_is_known(install: Install) -> None:
    path = install(Descriptor(tiling=SimpleNamespace(name="DISCOURAGED"), channels=(1, 1)))
    card = read_checkpoint(path).card
    assert (card.name, card.task, card.parameters) == ("half", "restoration", 1)
    assert "HalfNet (8w)" in card.description
    assert "channel by channel" in card.description
    assert "tiles may show" in card.description
    assert card.macs_per_pixel == 0  # not counted
    assert "told" not in card.description
    path.write_bytes(b"other numbers")
    assert read_checkpoint(path).card.onnx_sha256 != card.onnx_sha256  # a folder's run is done again


@pytest.mark.parametrize(("architecture", "tags"), [("DRUNet", ["4nb"]), ("DnCNN", ["FDnCNN", "64nc", "20nb"])])
def test_networks_that_are_told_the_noise_say_so(install: Install, architecture: str, tags: list[str]) -> None:
    card = read_checkpoint(install(Descriptor(architecture=SimpleNamespace(name=architecture), tags=tags))).card
    assert "told noise of sigma 15, whatever the picture has" in card.description
    assert told_sigma(card.network) == 15
    blind = read_checkpoint(install(Descriptor(architecture=SimpleNamespace(name="DnCNN"), tags=["64nc"]))).card
    assert "told" not in blind.description
    assert told_sigma(open_model("run-t.denoise").card.network) is None


class Broken(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("sizes do not match")


class Smaller(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., 1:]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"scale": 4}, "enlarges 4 times"),
        ({"purpose": "Inpainting"}, "is for Inpainting"),
        ({"purpose": "FaceSR"}, "is for FaceSR"),
        ({"channels": (4, 3)}, "takes 4 channels and gives 3"),
        ({"channels": (1, 3)}, "takes 1 channels and gives 3"),
        ({"tiling": SimpleNamespace(name="INTERNAL")}, "wants the whole picture"),
        ({"model": Broken()}, r"does not run \(sizes do not match\)"),
        ({"model": Smaller()}, r"gives \(1, 3, 64, 63\)"),
    ],
)
def test_what_is_no_restorer_is_refused(install: Install, said: dict[str, Any], words: str) -> None:
    path = install(Descriptor(**said))
    with pytest.raises(UsageError, match=rf"half\.pth: HalfNet {words}.*; give a network that restores") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (UnpicklingError("Global 'os.system' is forbidden"), RunirError, "os.system.*may hold a program.*safetensors"),
        (EOFError(), RunirError, "cannot be read"),
        (RuntimeError("PytorchStreamReader failed\nfinding it"), RunirError, "cannot be read .*download it again"),
        (UnsupportedModelError(), UsageError, "spandrel does not know.*give its folder.*spandrel_extra_arches"),
    ],
)
def test_bad_files_are_told_in_one_line(install: Install, fault: Exception, kind: type, words: str) -> None:
    path = install(fault)
    with pytest.raises(kind, match=rf"half\.pth: .*{words}") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is kind


def test_without_spandrel_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    (tmp_path / "a.pth").touch()
    with pytest.raises(UsageError, match=r"pip install 'runir\[spandrel\]'"):
        open_model(str(tmp_path / "a.pth"))


def test_names_paths_and_programs_are_told_apart(install: Install, tmp_path: Path) -> None:
    install(Descriptor())
    assert open_model("run-t.denoise").card.name == "run-t.denoise"
    assert open_model(str(HOME / "run-t.denoise")).card.name == "run-t.denoise"
    with pytest.raises(UsageError, match=r"gone\.safetensors: no such file"):
        open_model(str(tmp_path / "gone.safetensors"))
    with pytest.raises(UsageError, match=r"net\.pt: may hold a program"):
        open_model("net.pt")


def test_engines_that_cannot_are_refused(install: Install) -> None:
    path = str(install(Descriptor()))
    with pytest.raises(UsageError, match="run with torch or openvino"):
        runir.Restorer(path, engine="onnxruntime")
    with pytest.raises(UsageError, match="use --engine openvino for bf16"):
        runir.Restorer(path, precision="bf16")


class Chosen(torch.nn.Module):
    """Cannot be traced into anything that OpenVINO knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.special.bessel_j0(x)
        return out


def test_networks_that_openvino_cannot_convert_are_told(install: Install) -> None:
    path = str(install(Descriptor(Chosen())))
    with pytest.raises(UsageError, match=r"half: OpenVINO cannot convert this network.*--engine torch"):
        runir.Restorer(path, engine="openvino")


def test_a_very_wrong_network_leaves_the_picture(install: Install) -> None:
    notes: list[str] = []
    dark = np.full((16, 16, 3), -1, np.float32)  # a mean change of 2
    bright = torch.nn.Threshold(10, 1)  # all white
    out = runir.Restorer(str(install(Descriptor(bright))))(dark, notes=notes)
    np.testing.assert_array_equal(out, dark)
    assert notes == ["1 of 1 tiles kept as they were: the network's result was not plausible"]


def test_the_commands_take_a_checkpoint(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(install(Descriptor()))
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / "house.webp"
    source.write_bytes((DATA / "house.webp").read_bytes())
    half = read_picture(source).pixels * 0.5 + 0.1
    assert main(["restore", str(source), "-o", str(tmp_path / "out.png"), "--model", model]) == 0
    np.testing.assert_allclose(read_picture(tmp_path / "out.png").pixels, half, atol=0.51 / 255)
    assert main(["restore", str(folder), "-o", str(tmp_path / "out"), "--model", model, "--format", "png"]) == 0
    np.testing.assert_allclose(read_picture(tmp_path / "out/house.png").pixels, half, atol=0.51 / 255)
    assert main(["evaluate", "--model", model, "--clean", str(folder), "--degrade", "awgn:25"]) == 0
    assert "protocol awgn-rgb" in capsys.readouterr().out
    assert main(["models", "show", model]) == 0
    assert "HalfNet" in capsys.readouterr().out
