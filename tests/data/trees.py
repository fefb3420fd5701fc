"""Small trees in the official layouts of the public data sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from runir.data.catalogue import get_data_set
from runir.data.dataset import DataSet


def write(path: Path, size: tuple[int, int] = (24, 20), seed: int = 0) -> Path:
    """A picture (width, height) of smooth noise, of its own for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def write_pair(degraded: Path, target: Path, size: tuple[int, int] = (24, 20), seed: int = 0) -> None:
    write(degraded, size, 10_000 + seed)
    write(target, size, seed)


def gopro(root: Path, size: tuple[int, int] = (24, 20)) -> Path:
    """Two training scenes with three and two frames, one test scene with two; blur_gamma too, as in the archive."""
    home = root / "GOPRO_Large"
    scenes = {"train/GOPR0372_07_00": 3, "train/GOPR0374_11_03": 2, "test/GOPR0384_11_00": 2}
    for k, (scene, frames) in enumerate(scenes.items()):
        for frame in range(frames):
            name = f"{47 + frame:06d}.png"
            write_pair(home / scene / "blur" / name, home / scene / "sharp" / name, size, 10 * k + frame)
            write(home / scene / "blur_gamma" / name, size, 999)
    return home


def small_gopro() -> DataSet:
    """GoPro as `gopro` writes it: its counts, and pictures of 24 x 20."""
    groups = ({"GOPR0372_07_00": 3, "GOPR0374_11_03": 2}, {"GOPR0384_11_00": 2})
    official = get_data_set("gopro")
    parts = tuple(
        replace(part, count=sum(here.values()), groups=here, sizes=((24, 20),))
        for part, here in zip(official.parts, groups, strict=True)
    )
    return replace(official, parts=parts)


def sidd(root: Path) -> Path:
    """Two scenes with two pairs of different sizes, and blocks: 2 x 3 of 16 x 16."""
    home = root / "SIDD_Medium_Srgb"
    for number, scene in (("0001", "0001_001_S6_00100_00060_3200_L"), ("0200", "0200_010_GP_01600_03200_5500_N")):
        for shot in ("010", "011"):
            here = home / "Data" / scene
            size, seed = (30 + int(number) % 7, 22), int(number) + int(shot)
            write_pair(here / f"{number}_NOISY_SRGB_{shot}.PNG", here / f"{number}_GT_SRGB_{shot}.PNG", size, seed)
    for seed, name in enumerate(("ValidationNoisyBlocksSrgb", "ValidationGtBlocksSrgb", "BenchmarkNoisyBlocksSrgb")):
        blocks = np.random.default_rng(seed).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
        scipy.io.savemat(root / f"{name}.mat", {name: blocks}, do_compression=True)
    return home


def rain13k(root: Path) -> Path:
    home = root / "Rain13K"
    for folder, count in (("train/Rain13K", 3), ("test/Rain100H", 2), ("test/Rain100L", 2), ("test/Test100", 1)):
        for k in range(1, count + 1):
            write_pair(home / folder / "input" / f"{k}.jpg", home / folder / "target" / f"{k}.png", (32, 30), k)
    return home


def lol(root: Path) -> None:
    """LOL-v1 with its 15 official test names, LOL-v2 as in its archive; one picture is in both."""
    for k, name in enumerate((1, 22, 23, 55, 79, 111, 146, 179, 493, 547, 665, 669, 748, 778, 780)):
        here = root / "LOLdataset" / "eval15"
        write_pair(here / "low" / f"{name}.png", here / "high" / f"{name}.png", (60, 40), k)
    write_pair(root / "LOLdataset/our485/low/2.png", root / "LOLdataset/our485/high/2.png", (60, 40), 100)
    real = root / "LOL-v2" / "Real_captured"
    for k, (part, number) in enumerate((("Train", "00001"), ("Test", "00690"))):
        low, normal = real / part / "Low" / f"low{number}.png", real / part / "Normal" / f"normal{number}.png"
        write_pair(low, normal, (60, 40), 3 if part == "Train" else 200 + k)
    synthetic = root / "LOL-v2" / "Synthetic" / "Test"
    write_pair(synthetic / "Low" / "r00816405t.png", synthetic / "Normal" / "r00816405t.png", (38, 38), 300)


def kodak24(root: Path, size: tuple[int, int] = (500, 500)) -> Path:
    for k in range(1, 25):
        write(root / "Kodak24" / f"kodim{k:02d}.png", size, k)
    return root / "Kodak24"
