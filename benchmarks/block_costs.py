"""What a block costs on this CPU: OpenVINO, nanoseconds per position of its own level, f32 and bf16.

    python benchmarks/block_costs.py [--threads 2] [--rounds 15]

Each figure is the slope between networks with 2 and with 6 equal blocks on the positions of a 512 x 512 tile, so that
the edges of the network drop out; rounds alternate between all networks, medians count. The rows named "written as
usual" are what ours are compared with in docs/design-notes.md: window attention that projects before it cuts into
windows, and a channel LayerNorm in front of a 1x1 convolution.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from network_speed import as_onnx, measure
from runir.models.blocks import ChannelAttention, ConvBlock, CSABlock, SSABlock, WindowAttention

FEW, MANY = 2, 6
LEVELS = ((48, 256), (64, 128), (128, 64))  # run-s: channels, positions per side on a 512 x 512 tile


class UsualWindowAttention(nn.Module):
    """Window attention as most code has it: one 1x1 convolution for q, k and v, then the cut into windows."""

    def __init__(self, width: int, heads: int = 1, window: int = 8) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv, self.project = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        s, d = self.window, c // self.heads
        cut = [
            part.reshape(b, self.heads, d, h // s, s, w // s, s).permute(0, 3, 5, 1, 4, 6, 2).reshape(-1, s * s, d)
            for part in self.qkv(x).chunk(3, 1)
        ]
        mixed = ((cut[0] @ cut[1].transpose(-1, -2)) * d**-0.5).softmax(-1) @ cut[2]
        merged = mixed.view(b, h // s, w // s, self.heads, s, s, d).permute(0, 3, 6, 1, 4, 2, 5)
        out: Tensor = x + self.project(merged.reshape(b, c, h, w))
        return out


class NormedPointwise(nn.Module):
    """A LayerNorm over the channels, then a 1x1 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.pointwise = nn.LayerNorm(width), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        return out


class Chain(nn.Module):
    """A picture to `width` channels, `count` equal blocks, and back."""

    def __init__(self, block: Callable[[], nn.Module], width: int, count: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, width, 1), nn.Conv2d(width, 3, 1)
        self.blocks = nn.Sequential(*(block() for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.blocks(F.relu(self.first(x))))
        return out


def blocks(width: int) -> dict[str, Callable[[], nn.Module]]:
    return {
        "1x1 convolution": lambda: nn.Conv2d(width, width, 1),
        "channel LayerNorm + 1x1 (written as usual)": lambda: NormedPointwise(width),
        "window attention, 1 head": lambda: WindowAttention(width, 1, 8),
        "window attention, 2 heads": lambda: WindowAttention(width, 2, 8),
        "window attention (written as usual)": lambda: UsualWindowAttention(width),
        "channel attention, 4 heads": lambda: ChannelAttention(width, 4),
        "Conv Block": lambda: ConvBlock(width),
        "SSA Block, 1 head": lambda: SSABlock(width, 1, 8),
        "CSA Block, 4 heads": lambda: CSABlock(width, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.manual_seed(0)
    table: dict[str, list[str]] = {name: [] for name in blocks(48)}
    for width, side in LEVELS:
        sources = {
            f"{name}/{count}": (as_onnx(Chain(block, width, count), side), side)
            for name, block in blocks(width).items()
            for count in (FEW, MANY)
        }
        times = {p: measure(sources, options.threads, p, options.rounds) for p in ("f32", "bf16")}
        for name, cells in table.items():
            slopes = [(t[f"{name}/{MANY}"] - t[f"{name}/{FEW}"]) / (MANY - FEW) * 1e3 for t in times.values()]
            cells.append(f"{slopes[0]:.0f} / {slopes[1]:.0f}")
    print(f"{os.cpu_count()} cores, {options.threads} threads, OpenVINO f32 / bf16, ns per position of its own level\n")
    print("| block | " + " | ".join(f"{w} channels, {s} x {s}" for w, s in LEVELS) + " |")
    print("|---|" + "---|" * len(LEVELS))
    for name, cells in table.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
