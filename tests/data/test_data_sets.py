"""The catalogue, and finding its parts in trees of the official layouts."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import trees
from runir.data.blocks import Block, read_source, shape_of
from runir.data.catalogue import DATA_SETS, OVERLAPS, get_data_set
from runir.data.dataset import Found, find_part
from runir.data.layout import Layout, match
from runir.errors import RunirError, UsageError
from runir.evaluation import PROTOCOLS
from runir.evaluation.pairs import read_pixels


def find(name: str, part: str, root: Path) -> Found:
    data_set = get_data_set(name)
    return find_part(data_set, data_set.part(part), root)


def names(found: Found) -> list[str]:
    return [item.name for item in found.items]


# ---- catalogue -----------------------------------------------------------------------------------------------------

PUBLISHED = {
    ("gopro", "train"): 2103,
    ("gopro", "test"): 1111,
    ("sidd", "train"): 320,
    ("sidd", "validation"): 1280,
    ("lol-v1", "train"): 485,
    ("lol-v1", "test"): 15,
    ("lol-v2-real", "train"): 689,
    ("lol-v2-synthetic", "train"): 900,
    ("rain13k", "test100"): 98,
    ("rain13k", "test1200"): 1200,
    ("rain13k", "test2800"): 2800,
    ("cbsd68", "test"): 68,
    ("kodak24", "test"): 24,
    ("mcmaster", "test"): 18,
    ("urban100", "test"): 100,
    ("div2k", "train"): 800,
    ("div2k", "validation"): 100,
}


@pytest.mark.parametrize(("name", "part"), PUBLISHED)
def test_counts_are_those_of_the_papers(name: str, part: str) -> None:
    assert get_data_set(name).part(part).count == PUBLISHED[name, part]


def test_every_data_set_is_whole() -> None:
    for name, data_set in DATA_SETS.items():
        assert data_set.name == name == name.lower()
        assert data_set.page.startswith("https://")
        assert data_set.licence
        assert data_set.folders
        for part in data_set.parts:
            assert part.layouts
            assert part.protocol is None or part.protocol in PROTOCOLS
            assert not part.groups or part.count == sum(part.groups.values())
            assert not part.names or part.count == len(set(part.names))
    for overlap in OVERLAPS:
        for name, part_name in (overlap.one, overlap.other):
            get_data_set(name).part(part_name)


def test_lol_v2_real_is_numbered_through() -> None:
    data_set = get_data_set("lol-v2-real")
    assert [(part.names[0], part.names[-1]) for part in data_set.parts] == [("00001", "00689"), ("00690", "00789")]


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown data set 'goprp'; did you mean 'gopro'\?"):
        get_data_set("goprp")
    with pytest.raises(UsageError, match=r"gopro has no part 'tset'; did you mean 'test'\?"):
        get_data_set("gopro").part("tset")
    assert get_data_set("GoPro") is get_data_set("gopro")
    with pytest.raises(UsageError, match="choose with --part: rain100h, rain100l, test100, test1200, test2800"):
        get_data_set("rain13k").default("test")


# ---- layouts -------------------------------------------------------------------------------------------------------


def test_gopro_pairs_blur_with_sharp_of_the_same_scene(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    found = find("gopro", "train", tmp_path)
    assert found.place == home
    assert names(found)[0] == "train/GOPR0372_07_00/blur/000047.png"
    assert len(found.items) == 5
    for item in found.items:
        assert isinstance(item.degraded, Path)
        assert item.target == Path(str(item.degraded).replace("/blur/", "/sharp/"))
    assert Counter(key["scene"] for key in found.keys) == {"gopr0372_07_00": 3, "gopr0374_11_03": 2}
    assert len(find("gopro", "test", tmp_path).items) == 2
    assert names(find("gopro", "train", home)) == names(found)  # --root may be the data set itself


def test_what_has_no_partner_is_told(tmp_path: Path) -> None:
    home = trees.gopro(tmp_path)
    (home / "train/GOPR0372_07_00/sharp/000048.png").unlink()
    alone = trees.write(home / "train/GOPR0374_11_03/sharp/000099.png")
    found = find("gopro", "train", tmp_path)
    assert len(found.items) == 4
    assert set(found.lonely) == {home / "train/GOPR0372_07_00/blur/000048.png", alone}


def test_sidd_pairs_noisy_with_ground_truth(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    found = find("sidd", "train", tmp_path)
    assert len(found.items) == 4
    for item in found.items:
        assert str(item.target) == str(item.degraded).replace("NOISY", "GT")


def test_sidd_blocks_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    trees.sidd(tmp_path)
    found = find("sidd", "validation", tmp_path)
    assert names(found)[:4] == [
        f"ValidationNoisyBlocksSrgb.mat/{k}" for k in ("0001_01", "0001_02", "0001_03", "0002_01")
    ]
    assert len(found.items) == 6
    noisy, truth = (np.random.default_rng(k).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8) for k in (0, 1))
    assert found.items[5].degraded is not None
    assert found.items[5].target is not None
    np.testing.assert_array_equal(read_source(found.items[5].degraded), noisy[1, 2])
    np.testing.assert_array_equal(read_source(found.items[5].target), truth[1, 2])
    benchmark = find("sidd", "benchmark", tmp_path)
    assert (len(benchmark.items), benchmark.items[0].target) == (6, None)


def test_matlab_files_that_are_no_blocks_are_named(tmp_path: Path) -> None:
    file = tmp_path / "ValidationGtBlocksSrgb.mat"
    file.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(RunirError, match=r"ValidationGtBlocksSrgb\.mat: "):
        read_source(Block(file, (0, 0)))
    other = tmp_path / "Other.mat"
    scipy.io.savemat(other, {"Other": np.zeros((3, 4), np.uint8)})
    with pytest.raises(RunirError, match=r"Other\.mat: holds no uint8 array 'Other' of 5 axes"):
        shape_of(other)
    new = tmp_path / "New.mat"
    new.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(RunirError, match=r"New\.mat: is a MATLAB file of version 7\.3; save it with -v7"):
        shape_of(new)


def test_a_matlab_file_is_read_once_by_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.sidd(tmp_path)
    loads: list[Path] = []
    load = scipy.io.loadmat

    def slow(file: Path, **how: object) -> object:
        loads.append(file)
        time.sleep(0.05)
        return load(file, **how)

    monkeypatch.setattr(scipy.io, "loadmat", slow)
    whole, broken = tmp_path / "ValidationNoisyBlocksSrgb.mat", tmp_path / "ValidationGtBlocksSrgb.mat"
    broken.write_bytes(broken.read_bytes()[:-200])  # its head is whole

    def read(file: Path) -> bool:
        try:
            return read_source(Block(file, (0, 0))).shape == (16, 16, 3)
        except RunirError:
            return False

    for file, readable in ((whole, True), (broken, False)):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, [file] * 4)) == [readable] * 4
        assert loads.count(file) == 1


def test_rain_pairs_are_matched_by_name_whatever_the_ending(tmp_path: Path) -> None:
    home = trees.rain13k(tmp_path)
    assert names(find("rain13k", "train", tmp_path)) == [f"train/Rain13K/input/{k}.jpg" for k in (1, 2, 3)]
    found = find("rain13k", "rain100h", tmp_path)
    assert [item.target for item in found.items] == [home / f"test/Rain100H/target/{k}.png" for k in (1, 2)]
    assert not find("rain13k", "test2800", tmp_path).items


def test_lol_v2_is_found_with_and_without_prefixes(tmp_path: Path) -> None:
    trees.lol(tmp_path)
    real = find("lol-v2-real", "test", tmp_path)
    assert [Path(str(item.target)).name for item in real.items] == ["normal00690.png"]
    assert not real.lonely
    assert len(find("lol-v2-synthetic", "test", tmp_path).items) == 1
    renamed = tmp_path / "LOLv2" / "Real_captured" / "Test"
    for name in ("00690.png", "00691.png"):
        trees.write_pair(renamed / "Low" / name, renamed / "Normal" / name)
    assert len(find("lol-v2-real", "test", tmp_path).items) == 2


def test_folders_of_clean_pictures_need_the_name_of_the_set(tmp_path: Path) -> None:
    trees.kodak24(tmp_path / "data", (50, 50))
    assert len(find("kodak24", "test", tmp_path / "data").items) == 24
    assert len(find("kodak24", "test", tmp_path / "data" / "Kodak24").items) == 24
    (tmp_path / "data" / "Kodak24").rename(tmp_path / "data" / "photos")
    assert not find("kodak24", "test", tmp_path / "data" / "photos").items


def test_names_are_the_same_in_upper_and_lower_case(tmp_path: Path) -> None:
    for k, name in enumerate(("0801.PNG", "0802.png")):
        trees.write(tmp_path / "div2k" / "div2k_valid_hr" / name, seed=k)
    assert len(find("div2k", "validation", tmp_path).items) == 2


def test_fields_must_agree_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for path in ("a/in/1.png", "b/in/2.png", "a/out/1.png", "b/out/1.png", "a/in/notes.txt", "a/in/.hidden.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = match(tmp_path, Layout("{scene}/in/{frame}.*", "{scene}/out/{frame}.png"))
    assert list(found.pairs) == [(("scene", "a"), ("frame", "1"))]
    assert found.lonely == [tmp_path / "b/in/2.png", tmp_path / "b/out/1.png"]


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder; give --root"):
        find("gopro", "train", tmp_path / "nowhere")


def test_levels_are_those_that_evaluation_reads(tmp_path: Path) -> None:
    path = trees.write(tmp_path / "a.png")
    np.testing.assert_array_equal(read_source(path), np.rint(read_pixels(path) * 255))


def test_trees_that_others_use_too_need_the_name_of_the_set(tmp_path: Path) -> None:
    for k, path in enumerate(("train/input/1.png", "train/target/1.png", "HR/a.png", "data/images/train/a.jpg")):
        trees.write(tmp_path / "mine" / path, seed=k)
    for name in ("rain13k", "urban100", "bsds500"):
        assert not find(name, get_data_set(name).parts[0].name, tmp_path / "mine").items
    (tmp_path / "mine").rename(tmp_path / "Urban100")
    assert len(find("urban100", "test", tmp_path / "Urban100").items) == 1
