"""Patch stores: whole pictures come back, an interrupted run goes on, and training reads them as it reads folders."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import trees
from runir.data.blocks import read_source
from runir.data.catalogue import get_data_set
from runir.data.prepare import plan_store, write_store
from runir.data.store import Joined, Store, corners, is_store, open_store
from runir.errors import RunirError, UsageError
from runir.training.folders import load_data, split_folders
from runir.training.recipe import Recipe, load_recipe

Picture = NDArray[np.uint8]


def prepare(
    root: Path, out: Path, name: str = "gopro", part: str = "train", patch: int = 16, overlap: int = 4
) -> Store:
    data_set = get_data_set(name)
    index, items = plan_store(data_set, data_set.part(part), root, patch, overlap)
    write_store(index, items, out)
    return open_store(out)


@given(side=st.integers(1, 400), patch=st.integers(1, 90), data=st.data())
def test_patches_cover_a_side_and_overlap(side: int, patch: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, patch - 1))
    begins = corners(side, patch, overlap)
    assert begins[0] == 0
    assert begins[-1] == max(0, side - patch)
    steps = np.diff(begins)
    assert ((steps > 0) & (steps <= patch - overlap)).all()


def test_pairs_come_back_whole(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    store = prepare(tmp_path, tmp_path / "store")
    data_set = get_data_set("gopro")
    _, items = plan_store(data_set, data_set.part("train"), tmp_path, 16, 4)
    patches = iter(store.pairs().training)
    for item, entry in zip(items, store.index.pictures, strict=True):
        assert entry.name == item.name
        rebuilt = np.zeros((2, entry.height, entry.width, 3), np.uint8)
        for top, left, height, width in store.index.boxes(entry):
            assert (height, width) == (16, 16)
            for side, patch in enumerate(next(patches)):
                rebuilt[side, top : top + height, left : left + width] = patch
        for side, source in enumerate(item.sources):
            np.testing.assert_array_equal(rebuilt[side], read_source(source))
    assert not list(patches)
    assert (tmp_path / "store" / "patches.bin").stat().st_size == store.index.bytes
    assert store.index.licence == data_set.licence


def test_small_pictures_and_blocks_are_kept_whole(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    store = prepare(tmp_path, tmp_path / "store", "sidd", "validation", patch=20, overlap=0)
    pairs = store.pairs().training
    assert len(pairs) == 6
    truth = np.random.default_rng(1).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pairs[4][1], truth[1, 1])


def test_clean_stores(tmp_path: Path) -> None:
    home = trees.kodak24(tmp_path, (40, 30))
    store = prepare(tmp_path, tmp_path / "store", "kodak24", "test", patch=64, overlap=0)
    assert not store.index.paired
    for patch, path in zip(store.clean().training, sorted(home.iterdir()), strict=True):
        np.testing.assert_array_equal(patch, read_source(path))


@pytest.mark.parametrize("extra", [0, 100])
def test_an_interrupted_run_goes_on_and_gives_the_same_store(tmp_path: Path, extra: int) -> None:
    trees.gopro(tmp_path)
    prepare(tmp_path, tmp_path / "whole")
    data_set, out = get_data_set("gopro"), tmp_path / "store"
    index, items = plan_store(data_set, data_set.part("train"), tmp_path, 16, 4)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(index, items, out, watch=stop)
    assert not is_store(out)
    with (out / "patches.bin.part").open("ab") as file:
        file.write(bytes(extra))  # half a picture, as a kill leaves it
    before = (out / "patches.bin.part").stat().st_size
    seen: list[int] = []
    assert write_store(index, items, out, watch=lambda done, total: seen.append(done))
    assert before - extra < seen[0] <= index.bytes
    assert len(seen) < len(items)
    for name in ("patches.bin", "index.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["index.json", "patches.bin"]
    assert not write_store(index, items, out)  # is there already


def test_another_plan_does_not_go_on_with_an_unfinished_store(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    data_set, out = get_data_set("gopro"), tmp_path / "store"
    index, items = plan_store(data_set, data_set.part("train"), tmp_path, 16, 4)
    other, _ = plan_store(data_set, data_set.part("train"), tmp_path, 16, 0)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(index, items, out, watch=stop)
    with pytest.raises(UsageError, match="holds an unfinished store of other pictures or sizes; use --overwrite"):
        write_store(other, items, out)
    write_store(other, items, out, overwrite=True)
    assert open_store(out).index == other
    with pytest.raises(UsageError, match="holds another store; use --overwrite"):
        write_store(index, items, out)
    write_store(index, items, out, overwrite=True)
    assert open_store(out).index == index


def test_what_cannot_be_prepared_is_refused(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    trees.gopro(tmp_path)
    sidd, gopro = get_data_set("sidd"), get_data_set("gopro")
    with pytest.raises(UsageError, match="sidd benchmark: has no public targets"):
        plan_store(sidd, sidd.part("benchmark"), tmp_path, 64, 0)
    with pytest.raises(UsageError, match="overlap less than patch"):
        plan_store(gopro, gopro.part("train"), tmp_path, 64, 64)
    with pytest.raises(UsageError, match="cbsd68 test is not there; runir data verify cbsd68"):
        plan_store(get_data_set("cbsd68"), get_data_set("cbsd68").parts[0], tmp_path, 64, 0)
    trees.write(tmp_path / "GOPRO_Large/train/GOPR0372_07_00/sharp/000048.png", (25, 20))
    with pytest.raises(RunirError, match=r"000048\.png: differs from its partner in size"):
        plan_store(gopro, gopro.part("train"), tmp_path, 64, 0)


def test_a_picture_that_cannot_be_read_leaves_no_store(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    path = home / "train/GOPR0374_11_03/blur/000048.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(RunirError, match=r"GOPR0374_11_03/blur/000048\.png: cannot be read"):
        prepare(tmp_path, tmp_path / "store")
    assert not is_store(tmp_path / "store")
    path.write_bytes(whole)
    assert len(prepare(tmp_path, tmp_path / "store").index.pictures) == 5


def test_damaged_stores_are_named(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    folder = prepare(tmp_path, tmp_path / "store").folder
    shutil.copytree(folder, tmp_path / "short")
    with (tmp_path / "short" / "patches.bin").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(RunirError, match=r"patches\.bin: has 1,000 bytes, not"):
        open_store(tmp_path / "short")
    text = json.loads((folder / "index.json").read_text())
    for wrong in ('{"format": 1}', "no json", json.dumps(text | {"format": "runir patch store 9"})):
        (folder / "index.json").write_text(wrong)
        with pytest.raises(RunirError, match=r"index\.json: is not the index of a patch store"):
            open_store(folder)


def test_patches_travel_to_other_processes_without_their_bytes(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    pairs = prepare(tmp_path, tmp_path / "store").pairs().training
    first = pairs[0][0].copy()
    assert len(pickle.dumps(pairs)) < 5000 < len(pairs) * first.nbytes
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pairs))[0][0], first)  # noqa: S301 - our own bytes


def test_joined_sequences() -> None:
    joined = Joined([[1, 2], [], [3], [4, 5, 6]])
    assert (len(joined), list(joined), joined[1:4]) == (6, [1, 2, 3, 4, 5, 6], [2, 3, 4])
    assert [joined[k] for k in (0, 2, 5, -1)] == [1, 3, 6, 6]
    with pytest.raises(IndexError):
        joined[6]
    assert not list(Joined([]))


# ---- training ------------------------------------------------------------------------------------------------------


def recipe(folder: Path, kind: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(
        'name = "a.denoise"\ntask = "denoise"\n[model]\npreset = "run-t"\n'
        "[schedule]\nsteps = 1\nphases = [{share = 1, batch = 1, patch = 8}]\n"
        f'[data]\nkind = "{kind}"\n[validation]\ncrop = 16\nlevels = ["awgn:25"]\n'
    )
    return load_recipe(path)


def as_folders(store: Store, root: Path) -> Path:
    """input/ and target/ with the store's pairs as pictures, in the same order."""
    for k, pair in enumerate(store.pairs().training):
        for side, patch in zip(("input", "target"), pair, strict=True):
            (root / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(patch).save(root / side / f"{k:03d}.png")
    return root


def test_training_reads_a_store_as_it_reads_a_folder_of_pairs(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    store = prepare(tmp_path, tmp_path / "store")
    folder = as_folders(store, tmp_path / "pairs")
    for kind, places in (("pairs", (store.folder, folder)), ("clean", (folder / "target", folder / "target"))):
        sources = [load_data(recipe(tmp_path, kind), frozenset(), [place])[0] for place in places]
        for seed in range(20):
            ours, theirs = (source.draw(np.random.default_rng(seed), 8) for source in sources)
            np.testing.assert_array_equal(ours, theirs)


def test_training_mixes_clean_stores_and_folders(tmp_path: Path) -> None:
    home = trees.kodak24(tmp_path, (40, 30))
    store = prepare(tmp_path, tmp_path / "store", "kodak24", "test", patch=64, overlap=0)
    both, _ = load_data(recipe(tmp_path, "clean"), frozenset(), [home, store.folder])
    twice, _ = load_data(recipe(tmp_path, "clean"), frozenset(), [home, home])
    for seed in range(20):
        ours, theirs = (source.draw(np.random.default_rng(seed), 8) for source in (both, twice))
        np.testing.assert_array_equal(ours, theirs)


def test_held_out_pictures_of_a_store_are_validated_not_trained_on(tmp_path: Path) -> None:
    trees.kodak24(tmp_path, (40, 30))
    store = prepare(tmp_path, tmp_path / "store", "kodak24", "test", patch=16, overlap=0)
    split = store.clean(frozenset({"kodim03.png"}))
    assert (len(split.training), len(split.held_out)) == (23 * 6, 1)
    _, validation = load_data(recipe(tmp_path, "clean"), frozenset({"kodim03.png"}), [store.folder])
    (checks,) = validation.groups.values()
    np.testing.assert_array_equal(np.rint(checks[0][1] * 255), split.held_out[0])
    trees.gopro(tmp_path)
    pairs = prepare(tmp_path, tmp_path / "pairs").pairs(frozenset({"train/GOPR0374_11_03/blur/000047.png"}))
    assert (len(pairs.training), len(pairs.held_out)) == (4 * 4, 1)


def test_a_store_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    trees.gopro(tmp_path)
    store = prepare(tmp_path, tmp_path / "store").folder
    with pytest.raises(UsageError, match=r'store: is a store of pairs; the recipe needs data\.kind = "pairs"'):
        split_folders("clean", [store])
    assert split_folders("both", [store, trees.kodak24(tmp_path, (30, 30))]) == ([tmp_path / "Kodak24"], [store])
