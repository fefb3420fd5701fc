"""Checkpoints that the package spandrel itself reads: small networks with random weights, saved here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runir
from runir.errors import RunirError, UsageError
from runir.inference import foreign
from runir.inference.foreign import read_checkpoint

pytestmark = pytest.mark.spandrel

SIDE = 64


def nafnet(channels: int = 3) -> torch.nn.Module:
    from spandrel.architectures.NAFNet import NAFNet

    network: torch.nn.Module = NAFNet(
        img_channel=channels, width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]
    )
    return network


def swinir(upsampler: str = "", upscale: int = 1) -> torch.nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    network: torch.nn.Module = SwinIR(
        img_size=64, embed_dim=24, depths=[2, 2], num_heads=[2, 2], window_size=8, mlp_ratio=2.0, upsampler=upsampler,
        upscale=upscale,
    )  # fmt: skip
    return network


def scunet() -> torch.nn.Module:
    from spandrel.architectures.SCUNet import SCUNet

    network: torch.nn.Module = SCUNet(in_nc=3, config=[1] * 7, dim=64)
    return network


def restormer() -> torch.nn.Module:
    pytest.importorskip("spandrel_extra_arches")
    from spandrel_extra_arches.architectures.Restormer import Restormer

    network: torch.nn.Module = Restormer(
        inp_channels=3, out_channels=3, dim=8, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 2, 4, 8],
        ffn_expansion_factor=2.66, bias=False, LayerNorm_type="BiasFree", dual_pixel_task=False,
    )  # fmt: skip
    return network


def tensors(build: Callable[[], torch.nn.Module]) -> Mapping[str, torch.Tensor]:
    """Random weights, none of them all zeros: a network that gives back its input would hide faults."""
    torch.manual_seed(0)
    network = build()
    for parameter in network.parameters():
        if parameter.numel() and not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.state_dict()


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "TILE", SIDE)


@pytest.mark.parametrize("build", [nafnet, swinir, scunet, restormer])
def test_a_tile_comes_out_as_spandrel_has_it(build: Callable[[], torch.nn.Module], tmp_path: Path) -> None:
    import spandrel
    from safetensors.torch import save_file

    state = tensors(build)
    torch.save({"params": dict(state)}, tmp_path / "net.pth")  # as BasicSR saves
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "net.safetensors")
    picture = np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32)
    results = [runir.Restorer(str(tmp_path / f"net.{ending}"))(picture) for ending in ("pth", "safetensors")]
    results.append(runir.Restorer(str(tmp_path / "net.pth"), engine="openvino")(picture))
    direct = spandrel.ModelLoader().load_from_file(tmp_path / "net.pth").eval()
    expected = direct(torch.from_numpy(picture.transpose(2, 0, 1)[None])).numpy()[0].transpose(1, 2, 0)
    assert np.abs(expected - picture).mean() > 0.01
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_network_for_gray_takes_colour_channel_by_channel(tmp_path: Path) -> None:
    torch.save(tensors(lambda: nafnet(1)), tmp_path / "gray.pth")
    picture = np.random.default_rng(0).random((SIDE, SIDE, 3), np.float32)
    for engine in ("torch", "openvino"):
        restorer = runir.Restorer(str(tmp_path / "gray.pth"), engine=engine)
        out = restorer(picture)
        for channel in range(3):
            np.testing.assert_allclose(out[..., channel], restorer(picture[..., channel]), atol=1e-5)


def test_enlarging_networks_are_refused(tmp_path: Path) -> None:
    torch.save(tensors(lambda: swinir("pixelshuffle", 2)), tmp_path / "x2.pth")
    with pytest.raises(UsageError, match=r"x2\.pth: SwinIR enlarges 2 times"):
        read_checkpoint(tmp_path / "x2.pth")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


@pytest.mark.parametrize("ending", ["pth", "ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_something_is_refused(
    ending: str, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"trap.{ending}"
    torch.save({"params": dict(tensors(nafnet)), "extra": Trap()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        RunirError, match=r"trap\.\w+: is no plain file of tensors \(.*forbidden.*\.safetensors"
    ) as caught:
        read_checkpoint(path)
    assert caught.value.exit_code == 1
    assert not Path("sprung").exists()
    torch.load(path, weights_only=False)  # the trap works
    assert Path("sprung").exists()


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_damaged_and_unknown_files_are_told(ending: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    good, path = tmp_path / f"good.{ending}", tmp_path / f"net.{ending}"
    state = {"layer.weight": torch.ones(3, 3)}
    torch.save(state, good) if ending == "pth" else save_file(state, good)
    with pytest.raises(UsageError, match="spandrel does not know"):
        read_checkpoint(good)
    for damaged in (good.read_bytes()[:40], b"", b"no checkpoint at all" * 9):
        path.write_bytes(damaged)
        with pytest.raises(RunirError, match=rf"net\.{ending}: ") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)
