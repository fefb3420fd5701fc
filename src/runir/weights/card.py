"""Model cards: what a weight is, what it was trained on, and what it scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runir.config import build, dump_toml, read_toml, to_plain
from runir.errors import RunirError, UsageError

UNSTATED = "unstated"  # a text that nobody gave


@dataclass(frozen=True, slots=True)
class Score:
    """One measured row. protocol: see runir.evaluation; degradation: a spec such as "awgn:25", or "" for given
    pairs; input_psnr: of the degraded pictures; baseline: name and PSNR (dB) of another method, and its source;
    note: what a reader of the score must know."""

    data: str
    protocol: str
    degradation: str
    psnr: float
    ssim: float
    input_psnr: float
    input_ssim: float
    n: int
    seed: int = 0
    baseline: str = ""
    baseline_psnr: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """name: `preset.task`. tile: side in pixels of the square the ONNX file takes; overlap: pixels that neighbouring
    tiles share. macs_per_pixel: multiply-accumulates on one tile, over its pixels. sha256: of the two files.
    residual_limit: mean absolute change of a tile above which it is kept as it was: training knows none that large.
    tiled_psnr: dB between a picture restored in tiles and whole, the smallest of benchmarks/tiles_vs_whole.py.
    views: parts of a picture, in each direction, whose statistics for channel attention all its tiles share; 0: every
    tile goes by its own. exposure_sha256: of the exposure curve's file, if the model has one.
    steps, gigapixels: of the run that made the weights, up to them; training before its starting weights does not
    count. 0: not known.
    sample_gain: PSNR gain (dB) on the sample picture that ships with runir, degraded as `sample_degradation`, seed 0.
    """

    name: str
    task: str
    description: str
    licence: str
    date: str
    recipe: str
    training_data: str
    parameters: int
    macs_per_pixel: int
    tile: int
    overlap: int
    onnx_sha256: str
    safetensors_sha256: str
    network: dict[str, Any]
    training: str = ""
    steps: int = 0
    gigapixels: float = 0.0
    sample_degradation: str = ""
    sample_gain: float = 0.0
    residual_limit: float = 0.5
    tiled_psnr: float = 0.0
    views: int = 0
    exposure_sha256: str = ""
    scores: tuple[Score, ...] = ()


def read_card(path: Path) -> ModelCard:
    """Read and check a card. Raises RunirError naming the file when a field is missing, unknown or of a wrong type."""
    try:
        return build(ModelCard, read_toml(path))
    except UsageError as error:
        raise RunirError(f"{path}: not a valid model card: {error}; reinstall runir, or export it again") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card as TOML."""
    path.write_text(dump_toml(to_plain(card)), "utf-8")
