"""Named networks. run-t and run-s are for CPUs, run-b and run-l for people with GPUs."""

from __future__ import annotations

from runir.errors import UsageError, nearest
from runir.models.config import LevelConfig, RUNConfig


def _levels(
    widths: tuple[int, int, int], depths: tuple[tuple[int, int], tuple[int, int], int], heads: tuple[int, int]
) -> tuple[LevelConfig, ...]:
    """The paper's placement on three levels: SSA Blocks on top, Conv Blocks in the middle, CSA Blocks below."""
    return (
        LevelConfig("ssa", widths[0], *depths[0], heads=heads[0]),
        LevelConfig("conv", widths[1], *depths[1]),
        LevelConfig("csa", widths[2], depths[2], heads=heads[1]),
    )


PRESETS: dict[str, RUNConfig] = {
    "run-t": RUNConfig(_levels((32, 64, 96), ((0, 1), (1, 1), 2), (1, 4)), stem=2),
    "run-s": RUNConfig(_levels((48, 64, 128), ((1, 1), (3, 3), 4), (1, 4)), stem=2),
    "run-b": RUNConfig(
        (
            LevelConfig("ssa", 32, 2, 2, heads=2),
            LevelConfig("conv", 64, 3, 3),
            LevelConfig("conv", 128, 4, 4),
            LevelConfig("csa", 256, 6, heads=8),
        ),
        stem=1,
        skip="concat",
    ),
    "run-l": RUNConfig(
        (
            LevelConfig("ssa", 64, 3, 3, heads=2),
            LevelConfig("conv", 128, 4, 4),
            LevelConfig("conv", 256, 6, 6),
            LevelConfig("csa", 512, 8, heads=8),
        ),
        stem=1,
        skip="concat",
    ),
}


def preset(name: str) -> RUNConfig:
    """The network of this name. Raises UsageError with the nearest known name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UsageError(f"unknown preset {name!r}; {nearest(name, list(PRESETS))}") from None
