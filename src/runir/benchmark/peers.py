"""Networks of the literature with random weights, for their time and memory: both do not depend on the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from runir.inference.foreign import ForeignModel, from_tensors


@dataclass(frozen=True, slots=True)
class Peer:
    """label: in tables. module and name: of the network's class. sizes: its arguments, as of the paper's network for
    colour denoising. more: packages it needs besides spandrel."""

    label: str
    module: str
    name: str
    sizes: Mapping[str, Any] = field(repr=False)
    more: tuple[str, ...] = ()


def _nafnet(width: int) -> Peer:
    """Chen et al., "Simple Baselines for Image Restoration", ECCV 2022: the layout for SIDD."""
    sizes = {"img_channel": 3, "width": width, "middle_blk_num": 12}
    blocks = {"enc_blk_nums": [2, 2, 4, 8], "dec_blk_nums": [2, 2, 2, 2]}
    return Peer(f"NAFNet, width {width}", "spandrel.architectures.NAFNet", "NAFNet", sizes | blocks)


_SWINIR = Peer(
    "SwinIR",  # Liang et al., ICCV Workshops 2021
    "spandrel.architectures.SwinIR",
    "SwinIR",
    {"img_size": 128, "embed_dim": 180, "depths": [6] * 6, "num_heads": [6] * 6, "window_size": 8, "mlp_ratio": 2.0},
)
_SCUNET = Peer("SCUNet", "spandrel.architectures.SCUNet", "SCUNet", {"in_nc": 3, "dim": 64})  # Zhang et al., MIR 2023
_RESTORMER = Peer(
    "Restormer",  # Zamir et al., CVPR 2022
    "spandrel_extra_arches.architectures.Restormer",
    "Restormer",
    {
        "inp_channels": 3,
        "out_channels": 3,
        "dim": 48,
        "num_blocks": [4, 6, 6, 8],
        "num_refinement_blocks": 4,
        "heads": [1, 2, 4, 8],
        "ffn_expansion_factor": 2.66,
        "bias": False,
        "LayerNorm_type": "BiasFree",
    },
    ("spandrel_extra_arches",),
)
PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "nafnet-w32": _nafnet(32),
        "nafnet-w64": _nafnet(64),
        "swinir": _SWINIR,
        "scunet": _SCUNET,
        "restormer": _RESTORMER,
    }
)


def random_network(name: str) -> ForeignModel:
    """One of PEERS, its weights drawn with a fixed seed. Raises UsageError without spandrel."""
    import torch

    peer = PEERS[name]
    torch.manual_seed(0)
    network = getattr(import_module(peer.module), peer.name)(**peer.sizes)
    return from_tensors(network.state_dict(), name)
