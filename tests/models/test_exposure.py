"""The exposure curve: monotone, the same in PyTorch and NumPy, one for a whole picture, part of what is exported."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from runir.config import to_plain
from runir.errors import RunirError
from runir.images.reduce import thumbnail
from runir.inference import Restorer
from runir.inference.exposure import ExposureCurve, brighten
from runir.models.config import LevelConfig, RUNConfig
from runir.models.export import export
from runir.models.exposure import Exposure
from runir.models.run import RUN
from runir.weights import Model, find_model
from runir.weights.card import write_card
from runir.weights.registry import EXPOSURE

CONFIG = RUNConfig(
    (LevelConfig("ssa", 8, 0, 1), LevelConfig("conv", 8, 1, 1), LevelConfig("csa", 16, 1)), window=4, exposure=True
)


def lively(seed: int = 0) -> Exposure:
    torch.manual_seed(seed)
    exposure = Exposure(3)
    with torch.no_grad():
        exposure.curve.weight.mul_(200)
        exposure.curve.bias.normal_()
    return exposure


def numbers(exposure: Exposure) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in exposure.state_dict().items()}


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 70), (64, 48), (24, 24), (33, 100)])
def test_numpy_computes_what_pytorch_does(size: tuple[int, int]) -> None:
    exposure = lively()
    picture = np.random.default_rng(0).random((*size, 3), np.float32) * 0.2 - 0.02
    with torch.no_grad():
        expected = exposure(torch.from_numpy(picture).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    curve = ExposureCurve(numbers(exposure)).coefficients(picture)
    np.testing.assert_allclose(brighten(picture, curve), expected, atol=2e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_monotone_from_black_to_white(seed: int) -> None:
    a = np.random.default_rng(seed).uniform(-0.99, 0.99, (3, 8)).astype(np.float32)
    ramp = np.repeat(np.linspace(0, 1, 257, dtype=np.float32)[None, :, None], 3, 2)
    out = brighten(ramp, a)
    assert np.all(np.diff(out, axis=1) > 0)
    np.testing.assert_allclose(out[0, [0, -1]], [[0] * 3, [1] * 3], atol=1e-6)


def test_it_starts_by_brightening_and_darker_pictures_can_get_more() -> None:
    torch.manual_seed(0)
    dark = torch.full((1, 3, 32, 32), 0.03)
    assert 0.15 < Exposure(3)(dark).mean() < 0.4
    exposure = lively()
    once, brighter = (exposure.coefficients(exposure.findings(dark * factor)) for factor in (1, 4))
    assert not torch.allclose(once, brighter, atol=1e-3)


def test_a_part_is_brightened_as_its_picture_is() -> None:
    """In training the network sees patches; the thumbnail of the whole picture tells the curve what restoring will."""
    exposure = lively()
    picture = np.random.default_rng(0).random((96, 64, 3), np.float32) * 0.2
    picture[:16] += 0.5
    x = torch.from_numpy(picture).permute(2, 0, 1)[None]
    shown = torch.from_numpy(thumbnail(picture)).permute(2, 0, 1)[None]
    with torch.no_grad():
        whole, part = exposure(x), exposure(x[..., 16:48, :32], shown)
        alone = exposure(x[..., 16:48, :32])
    torch.testing.assert_close(part, whole[..., 16:48, :32], atol=1e-5, rtol=0)
    assert (part - alone).abs().max() > 1e-3


def model(folder: Path) -> tuple[RUN, Model]:
    torch.manual_seed(1)
    network = RUN(CONFIG)
    with torch.no_grad():
        network.exposure.load_state_dict(lively().state_dict())
    onnx, tensors, exposure = export(network, 64, folder)
    from runir.training.package import _sha256

    card = dataclasses.replace(
        find_model("run-t.denoise").card,
        name="tiny.lowlight",
        task="lowlight",
        tile=64,
        overlap=16,
        network=to_plain(CONFIG),
        onnx_sha256=_sha256(onnx),
        safetensors_sha256=_sha256(tensors),
        exposure_sha256=_sha256(exposure),
    )
    write_card(card, folder / "card.toml")
    assert "exposure.look.0.weight" in load_file(str(tensors))
    return network.eval(), Model(card, folder)


def test_a_picture_of_one_tile_comes_out_as_from_the_network(tmp_path: Path) -> None:
    network, shipped = model(tmp_path)
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32) * 0.1
    with torch.no_grad():
        expected = network(torch.from_numpy(picture).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    for engine in ("openvino", "onnxruntime", "torch"):
        np.testing.assert_allclose(Restorer(shipped, engine=engine)(picture), expected, atol=1e-4)


def test_all_tiles_share_one_curve(tmp_path: Path) -> None:
    """Half of the picture is black, half is not: tile by tile they would get different curves."""
    _, shipped = model(tmp_path)
    picture = np.full((64, 640, 3), 0.01, np.float32)
    picture[:, 320:] = 0.2
    seen = []
    restorer = Restorer(shipped)
    engine = restorer._engine

    class Watched:
        name = engine.name

        def __call__(self, tile: np.ndarray, statistics: np.ndarray | None = None) -> np.ndarray:
            seen.append(tile)
            return tile

        def measure(self, tile: np.ndarray) -> None:
            return None

    restorer._engine = Watched()
    out = restorer(picture)
    curve = ExposureCurve.read(tmp_path / EXPOSURE).coefficients(picture)
    np.testing.assert_allclose(out, brighten(picture, curve), atol=1e-5)
    assert len(seen) > 10


def test_a_damaged_curve_is_named(tmp_path: Path) -> None:
    _, shipped = model(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    data = bytearray((tmp_path / "b" / EXPOSURE).read_bytes())
    data[200] ^= 255
    (tmp_path / "b" / EXPOSURE).write_bytes(data)
    for spoiled in (data, None):
        if spoiled is None:
            (tmp_path / "b" / EXPOSURE).unlink()
        with pytest.raises(RunirError, match=EXPOSURE):
            Restorer(Model(shipped.card, tmp_path / "b"))
