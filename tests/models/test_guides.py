"""Guides: pictures that a network is shown beside the degraded one."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from runir.config import to_plain
from runir.deconvolution import GUIDES, GuideMaker, estimate_kernel
from runir.degradations.kernels import convolve, draw_path
from runir.errors import UsageError
from runir.evaluation import psnr
from runir.images import read_picture
from runir.images.reduce import CLEAREST, PART, PARTS
from runir.inference import Restorer
from runir.inference.file import FileOptions, restore_file
from runir.inference.part import Region
from runir.inference.restorer import Held
from runir.inference.shown import CONTEXT
from runir.inference.tiles import plan_tiles
from runir.models.complexity import macs_per_pixel
from runir.models.config import LevelConfig, RUNConfig
from runir.models.export import export
from runir.models.run import RUN
from runir.weights import Model, find_model

Array = NDArray[np.float32]
CONFIG = RUNConfig(
    (LevelConfig("ssa", 8, 0, 1), LevelConfig("conv", 8, 1, 1), LevelConfig("csa", 16, 1)),
    window=4,
    guides=len(GUIDES),
)
PICTURE = read_picture(Path(__file__).parents[1] / "data" / "house.webp").pixels


def lively(config: RUNConfig = CONFIG) -> RUN:
    """A network that changes pictures visibly."""
    torch.manual_seed(0)
    network = RUN(config).eval()
    with torch.no_grad():
        network.head.weight.mul_(10)
    return network


def exported(network: RUN, folder: Path, tile: int = 128, views: int = 0) -> Model:
    onnx, tensors = export(network, tile, folder)
    card = dataclasses.replace(
        find_model("run-t.denoise").card,
        network=to_plain(network.config),
        tile=tile,
        overlap=32,
        views=views,
        residual_limit=10.0,
        onnx_sha256=hashlib.sha256(onnx.read_bytes()).hexdigest(),
        safetensors_sha256=hashlib.sha256(tensors.read_bytes()).hexdigest(),
    )
    return Model(card, folder)


def test_the_picture_comes_first_and_the_change_is_added_to_it() -> None:
    network = lively()
    x = torch.rand(2, 9, 21, 18)
    out = network(x)
    assert out.shape == (2, 3, 21, 18)
    with torch.no_grad():
        network.head.weight.zero_()
        torch.testing.assert_close(network(x), x[:, :3])
    x[:, 8] += 0.5
    assert not torch.equal(lively()(x), out)


def test_guides_cost_only_the_first_layer() -> None:
    plain = dataclasses.replace(CONFIG, guides=0)
    more = 3 * 2 * 4 * 9 * 8 / 4  # channels x unshuffled x kernel x width, at a quarter of the positions
    assert macs_per_pixel(RUN(CONFIG), 64) - macs_per_pixel(RUN(plain), 64) == pytest.approx(more)


@pytest.mark.parametrize("more", [{"guides": -1}, {"guides": 3}, {"guides": 1, "exposure": True}])
def test_impossible_guides_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="guides"):
        dataclasses.replace(CONFIG, **more)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_the_restorer_finds_the_kernel_and_shows_its_guides(engine: str, tmp_path: Path) -> None:
    network = lively()
    model = exported(network, tmp_path)
    blurred = convolve(PICTURE, draw_path(np.array([[0.0, 0.0], [3.0, 6.0]])))[:120, :118]
    restored = Restorer(model, engine=engine)(blurred)
    tile = model.card.tile
    corner = plan_tiles(120, 118, tile, model.card.overlap)
    rows, columns = corner.rows[0], corner.columns[0]
    sides = (-rows + CONTEXT, tile - 120 + rows + CONTEXT), (-columns + CONTEXT, tile - 118 + columns + CONTEXT)
    seen = np.pad(blurred, (*sides, (0, 0)), mode="reflect")
    shown = np.concatenate((seen, GuideMaker(estimate_kernel([blurred]))(seen)), axis=2)[
        CONTEXT:-CONTEXT, CONTEXT:-CONTEXT
    ]
    with torch.no_grad():
        expected = network(torch.from_numpy(shown).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    expected = expected[-rows : 120 - rows, -columns : 118 - columns]
    np.testing.assert_allclose(restored, expected, atol=1e-3)


class Guide:
    """An engine that gives one channel of what it is shown."""

    name = "openvino"

    def __init__(self, first: int) -> None:
        self.first = first

    def __call__(self, tile: Array, statistics: Array | None = None) -> Array:
        return tile[:, self.first : self.first + 3].copy()

    def measure(self, tile: Array) -> None:
        return None


def test_turned_tiles_have_turned_guides(tmp_path: Path) -> None:
    restorer = Restorer(exported(lively(), tmp_path))
    restorer._engine = Guide(3)
    blurred = convolve(PICTURE, draw_path(np.array([[0.0, 0.0], [3.0, 6.0]])))
    np.testing.assert_allclose(restorer(blurred), restorer(blurred, tta=True), atol=1e-6)


@pytest.mark.parametrize("first", [3, 6])
def test_tiles_have_the_guides_of_the_whole_picture_but_for_little(first: int, tmp_path: Path) -> None:
    restorer = Restorer(exported(lively(), tmp_path))
    restorer._engine = Guide(first)
    blurred = convolve(PICTURE, draw_path(np.array([[0.0, 0.0], [3.0, 6.0]])))
    kernel = estimate_kernel([blurred])
    whole = GuideMaker(kernel)(blurred)[..., first - 3 : first]
    difference = np.abs(restorer(blurred) - whole)[CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]
    assert difference.mean() < 0.01
    assert restorer.tile_count(*blurred.shape[:2]) > 1


def test_a_note_says_when_no_shake_was_found(tmp_path: Path) -> None:
    restorer = Restorer(exported(lively(), tmp_path))
    blurred = convolve(PICTURE, draw_path(np.array([[0.0, 0.0], [3.0, 6.0]])))
    for picture, expected in ((np.full((128, 128, 3), 0.5, np.float32), 1), (blurred, 0)):
        notes: list[str] = []
        restorer(picture, notes=notes)
        assert [note.startswith("no path of a shake") for note in notes] == [True] * expected


def test_a_region_gets_the_kernel_of_the_whole_picture(tmp_path: Path) -> None:
    restorer = Restorer(exported(lively(), tmp_path))
    blurred = np.tile(convolve(PICTURE, draw_path(np.array([[0.0, 0.0], [3.0, 6.0]]))), (3, 3, 1))
    file = tmp_path / "blurred.png"
    Image.fromarray(np.rint(blurred.clip(0, 1) * 255).astype(np.uint8)).save(file)
    outs = [tmp_path / "whole.png", tmp_path / "part.png"]
    restore_file([restorer], file, outs[0])
    restore_file([restorer], file, outs[1], FileOptions(region=Region(300, 280, 96, 64)))
    whole, part = (read_picture(out).pixels for out in outs)
    assert psnr(part * 255, whole[280:344, 300:396] * 255) > 40


def test_a_kernel_is_looked_for_once_in_what_earlier_models_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Array]] = []

    def watched(parts: list[Array], **_: Any) -> Array:
        seen.append(parts)
        return estimate_kernel(parts)

    monkeypatch.setattr("runir.deconvolution.estimate_kernel", watched)
    guided = exported(lively(), tmp_path)
    shared = exported(lively(), tmp_path / "shared", views=2)
    first, second, third = Restorer("run-t.denoise"), Restorer(guided), Restorer(shared)
    noisy = PICTURE + np.random.default_rng(0).normal(0, 0.1, PICTURE.shape).astype(np.float32)
    file = tmp_path / "noisy.png"
    Image.fromarray(np.rint(noisy.clip(0, 1) * 255).astype(np.uint8)).save(file)
    restore_file([first, second, third], file, tmp_path / "out.png")
    assert len(seen) == 2  # one for each guided model, none for each view
    ((part,), _) = seen
    assert psnr(part * 255, PICTURE * 255) > psnr(noisy * 255, PICTURE * 255) + 5


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 700, 3), (700, 2, 1), (129, 128, 3)])
def test_any_size_comes_back(shape: tuple[int, int, int], tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random(shape).astype(np.float32)
    picture.flat[0] = 1e6
    out = Restorer(exported(lively(), tmp_path))(picture)
    assert out.shape == shape
    assert np.isfinite(out).all()


def test_a_gray_picture_has_gray_guides(tmp_path: Path) -> None:
    restorer = Restorer(exported(lively(), tmp_path))
    gray = PICTURE[..., :1].copy()
    assert restorer(gray).shape == gray.shape
    shown, _ = restorer.prepared(gray)
    np.testing.assert_array_equal(shown[..., ::3], shown[..., 2::3])


def test_large_pictures_are_judged_by_their_clearest_parts() -> None:
    height, width = 2 * PART + 100, 3 * PART + 20
    picture = np.full((height, width, 3), 0.5, np.float32)
    picture[-PART - 40 : -40, 8 : 8 + PART] = np.tile(PICTURE, (3, 3, 1))[:PART, :PART]
    blurred = convolve(picture, draw_path(np.array([[0.0, 0.0], [0.0, 9.0]])))
    kernel = estimate_kernel(Held(blurred).clearest(PART, PARTS, CLEAREST))
    places = np.arange(len(kernel)) - len(kernel) // 2
    across, down = (float(kernel.sum(axis=axis) @ places**2) for axis in (0, 1))
    assert across > 4  # 8 for nine pixels
    assert down < across / 3
