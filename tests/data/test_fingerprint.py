"""Fingerprints find the same picture again, and no other one."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import trees
from runir.data.blocks import Block
from runir.data.fingerprint import SAME, fingerprint, fingerprints, shared

PHOTOS = sorted(Path(__file__).parent.glob("*.webp"))


def changed(path: Path, folder: Path, kind: str) -> Path:
    with Image.open(path) as image:
        picture = image.convert("RGB")
    if kind == "jpeg":
        picture.save(folder / "a.jpg", quality=40)
        return folder / "a.jpg"
    if kind == "half":
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
    elif kind == "darker":
        picture = picture.point([v // 2 for v in range(256)] * 3)
    elif kind == "noisy":
        noise = np.random.default_rng(0).normal(0, 15, (picture.height, picture.width, 3))
        picture = Image.fromarray(np.rint(np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))
    picture.save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.parametrize("kind", ["copy", "jpeg", "half", "darker", "noisy"])
def test_a_picture_is_found_again(kind: str, tmp_path: Path) -> None:
    copies = fingerprints([changed(PHOTOS[1], tmp_path, kind)]).rows
    found = shared(copies, fingerprints(PHOTOS).rows)
    assert [(s.one, s.other) for s in found] == [(0, 1)]
    assert found[0].correlation > SAME


def test_other_pictures_are_not_taken_for_the_same() -> None:
    table = fingerprints(PHOTOS).rows
    others = table @ table.T - np.eye(len(table))
    assert others.max() < 0.6
    assert not shared(table[:1], table[1:])


def test_fingerprints_are_unit_vectors_and_flat_pictures_match_nothing(tmp_path: Path) -> None:
    table = fingerprints(PHOTOS).rows
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, atol=1e-5)
    Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / "flat.png")
    flat = fingerprints([tmp_path / "flat.png"]).rows
    assert not shared(flat, flat)
    assert not shared(table, table[:0])


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows, failed = fingerprints([PHOTOS[0], tmp_path / "broken.png", PHOTOS[1]])
    assert [line.partition(": ")[0] for line in failed] == [str(tmp_path / "broken.png")]
    assert [bool(row.any()) for row in rows] == [True, False, True]
    assert [s.one for s in shared(rows, fingerprints(PHOTOS).rows)] == [0, 2]


def test_blocks_have_fingerprints_too(tmp_path: Path) -> None:
    with Image.open(trees.write(tmp_path / "a.png", (64, 64), 5)) as image:
        blocks = np.asarray(image)[None, None]
    scipy.io.savemat(tmp_path / "Blocks.mat", {"Blocks": blocks})
    one, other = fingerprint(tmp_path / "a.png"), fingerprint(Block(tmp_path / "Blocks.mat", (0, 0)))
    np.testing.assert_array_equal(one, other)
