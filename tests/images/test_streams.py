"""Rows in and out: forward reading, overlaps, reduced pictures, turned pictures, files that appear whole."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from runir.errors import RunirError
from runir.images import PictureInfo, create_picture, open_picture, read_picture, to_float, write_picture
from runir.images.reduce import view_starts, views

Raw = NDArray[Any]


def noise(height: int, width: int, channels: int, dtype: Any = np.uint8, seed: int = 0) -> Raw:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def saved(path: Path, samples: Raw) -> Path:
    tifffile.imwrite(path, samples, photometric="rgb", rowsperstrip=9)
    return path


def test_rows_come_in_pieces_and_may_overlap(tmp_path: Path) -> None:
    samples = noise(100, 37, 4, np.uint16)
    with open_picture(saved(tmp_path / "a.tif", samples)) as reader:
        assert (reader.info.height, reader.info.width, reader.info.channels) == (100, 37, 3)
        assert (reader.info.dtype, reader.info.bits, reader.info.alpha) == ("uint16", 16, True)
        for top, bottom in [(0, 10), (4, 30), (5, 12), (30, 31), (31, 90), (60, 100), (99, 100)]:
            pixels, alpha = reader.rows(top, bottom)
            np.testing.assert_array_equal(pixels, samples[top:bottom, :, :3])
            np.testing.assert_array_equal(alpha, samples[top:bottom, :, 3])
        with pytest.raises(ValueError, match="row 3 has gone by"):
            reader.rows(3, 10)
        for top, bottom in [(-1, 4), (99, 101), (50, 50)]:
            with pytest.raises(ValueError, match="of a picture of 100"):
                reader.rows(top, bottom)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
def test_rows_may_be_skipped(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(noise(90, 40, 3)).save(path)
    whole = read_picture(path).pixels
    with open_picture(path) as reader:
        for top, bottom in [(20, 23), (70, 90)]:
            np.testing.assert_allclose(reader.rows(top, bottom)[0] / np.float32(255), whole[top:bottom], atol=1e-6)


@pytest.mark.parametrize(("height", "width", "side"), [(50, 80, 16), (80, 50, 80), (7, 300, 100), (5, 5, 100)])
def test_reduced_is_the_mean_of_squares(tmp_path: Path, height: int, width: int, side: int) -> None:
    samples = noise(height, width, 4, np.uint16)
    with open_picture(saved(tmp_path / "a.tif", samples)) as reader:
        small = reader.reduced(side)
        np.testing.assert_array_equal(reader.rows(0, height)[0], samples[..., :3])  # reading is not disturbed
        with pytest.raises(ValueError, match="side"):
            reader.reduced(0)
    factor = -(-max(height, width) // side)
    rows, columns = height // factor, width // factor
    assert max(small.shape[:2]) <= side
    assert small.dtype == np.float32
    assert small.shape[2] == 3
    inside = samples[: rows * factor, : columns * factor, :3].reshape(rows, factor, columns, factor, 3).mean((1, 3))
    np.testing.assert_allclose(small[:rows, :columns], inside / 65535, atol=1e-5)


def test_reduced_of_a_float_file_is_free_of_nan(tmp_path: Path) -> None:
    samples = np.full((40, 40, 3), 0.5, np.float32)
    samples[3, 3] = np.nan
    samples[30, 30] = 7
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    with open_picture(tmp_path / "a.tif") as reader:
        small = reader.reduced(10)
    assert small.min() >= 0
    assert small.max() <= 1
    assert float(small[5, 5, 0]) == 0.5


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("ending", ["tif", "png"])
def test_views_are_parts_of_the_upright_picture_from_all_over_it(tmp_path: Path, orientation: int, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(64, 96, 3, np.uint8)).save(path, exif=exif)
    with open_picture(path) as reader:
        found = reader.views(16, 2)
        rest = to_float(reader.rows(0, reader.info.height)[0])  # reading is not disturbed
    whole = read_picture(path).pixels
    np.testing.assert_array_equal(rest, whole)
    expected = {part.tobytes() for part in views(whole, 16, 2)}
    assert {np.ascontiguousarray(part).tobytes() for part in found} == expected
    assert len(expected) == 4


def test_views_that_are_transparent_throughout_are_left_out_unless_all_are(tmp_path: Path) -> None:
    samples = np.zeros((40, 80, 4), np.uint8)
    samples[:, 40:] = 200
    Image.fromarray(samples).save(tmp_path / "half.png")
    samples[..., 3] = 0
    Image.fromarray(samples).save(tmp_path / "none.png")
    for name, values in (("half", [200 / 255] * 2), ("none", [0.5] * 4)):
        with open_picture(tmp_path / f"{name}.png") as reader:
            found = reader.views(10, 2)
        assert [float(part.min()) for part in found] == pytest.approx(values)


def test_views_show_no_hidden_colours_and_no_nan(tmp_path: Path) -> None:
    picture = np.full((40, 50, 4), 200, np.uint8)
    picture[::2, :, 3], picture[::2, :, :3] = 0, 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    with open_picture(tmp_path / "a.png") as reader:
        found = reader.views(16, 3)
    assert len(found) == 2 * 3
    assert all(part.shape == (16, 16, 3) and part.min() > 0.7 for part in found)
    samples = np.full((40, 40, 3), np.nan, np.float32)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    with open_picture(tmp_path / "a.tif") as reader:
        assert all(np.isfinite(part).all() for part in reader.views(16, 2))


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 5))
def test_views_are_spread_evenly_and_lie_inside(length: int, side: int, count: int) -> None:
    starts = view_starts(length, side, count)
    assert len(starts) == max(1, min(count, length // side))
    assert starts[0] >= 0
    assert length <= side or starts[-1] + side <= length
    assert abs(starts[0] - (length - min(side, length) - starts[-1])) <= 1  # as far from one end as from the other
    assert all(b - a >= side for a, b in itertools.pairwise(starts))


INFO = PictureInfo(60, 45, 3, "uint16", alpha=True, bits=16, dpi=(300.0, 300.0))


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "avif"])
def test_written_in_pieces_is_written_whole(tmp_path: Path, ending: str) -> None:
    samples = noise(60, 45, 4, np.uint16)
    path = tmp_path / "deep" / f"a.{ending}"
    with create_picture(path, INFO) as writer:
        for top, bottom in [(0, 1), (1, 30), (30, 59), (59, 60)]:
            assert not path.exists()
            writer.write(samples[top:bottom, :, :3], samples[top:bottom, :, 3])
    with open_picture(path) as reader:
        pixels, alpha = reader.rows(0, 60)
    lost = {"webp": 8, "avif": 12}.get(ending, 16)
    levels = 2**lost - 1
    scale = np.iinfo(pixels.dtype).max
    np.testing.assert_allclose(pixels / scale, samples[..., :3] / 65535, atol=0.501 / levels if lost < 16 else 0)
    assert alpha is not None
    np.testing.assert_allclose(alpha / scale, samples[..., 3] / 65535, atol=0.501 / levels if lost < 16 else 0)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp", "avif"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, RunirError])
def test_an_exception_leaves_nothing(tmp_path: Path, ending: str, fault: type[BaseException]) -> None:
    samples = noise(60, 45, 4, np.uint16)

    def half() -> None:
        with create_picture(tmp_path / f"a.{ending}", INFO) as writer:
            writer.write(samples[:30, :, :3], samples[:30, :, 3])
            raise fault

    with pytest.raises(fault):
        half()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp", "avif"])
def test_missing_rows_and_wrong_rows_are_faults_of_the_caller(tmp_path: Path, ending: str) -> None:
    path, samples = tmp_path / f"a.{ending}", noise(60, 45, 4, np.uint16)
    with pytest.raises(ValueError, match="only 59 of 60 rows"), create_picture(path, INFO) as writer:
        writer.write(samples[:59, :, :3], samples[:59, :, 3])
    for pixels, alpha in [
        (samples[..., :3].astype(np.uint8), samples[..., 3]),
        (samples[:, 1:, :3], samples[:, 1:, 3]),
        (samples[..., :3], None),
        (samples[..., :3], samples[1:, :, 3]),
        (np.concatenate([samples, samples])[..., :3], np.concatenate([samples, samples])[..., 3]),
    ]:
        with pytest.raises(ValueError, match=r"rows|alpha"), create_picture(path, INFO) as writer:
            writer.write(pixels, alpha)
    assert list(tmp_path.iterdir()) == []


def test_not_finite_samples_pass_through_float_files_only(tmp_path: Path) -> None:
    raw = np.array([[[0.25], [np.nan], [np.inf], [-np.inf], [-3], [7]]], np.float32)
    info = PictureInfo(1, 6, 1, "float32", bits=32)
    for name in ("a.tif", "a.png"):
        with create_picture(tmp_path / name, info) as writer:
            writer.write(raw)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), raw[..., 0])
    assert np.rint(read_picture(tmp_path / "a.png").pixels.ravel() * 65535).tolist() == [16384, 0, 65535, 0, 0, 65535]


def test_a_file_cut_off_in_the_middle_fails_where_it_ends(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", noise(400, 50, 3))
    data = path.read_bytes()
    whole = read_picture(path)
    write_picture(whole, tmp_path / "a.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "a.jpg").read_bytes()[: len(data) // 4])
    with open_picture(cut) as reader:
        reader.rows(0, 10)
        with pytest.raises(RunirError, match=r"cut\.jpg: the JPEG data are damaged, cut off .*premature end"):
            reader.rows(10, 400)


@pytest.mark.parametrize("factor", [1, 5])
def test_hidden_colours_do_not_count_in_the_reduced_picture(tmp_path: Path, factor: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (50, 60, 4), dtype=np.uint8)
    picture[..., 3] = np.where(rng.random((50, 60)) < 0.5, 0, 200)
    picture[:10, :10, 3] = 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    with open_picture(tmp_path / "a.png") as reader:
        reduced = reader.reduced(60 // factor)
    seen = (picture[..., 3:] > 0).astype(np.float64)
    sums, counts = (
        v.reshape(50 // factor, factor, 60 // factor, factor, -1).sum((1, 3)) for v in (picture[..., :3] * seen, seen)
    )
    some = counts[..., 0] > 0
    np.testing.assert_allclose(reduced[some], (sums / np.maximum(counts, 1) / 255)[some], atol=1e-5)
    assert factor == 1 or not some.all()
    assert reduced[~some].size == 0 or 0.2 < reduced[~some].mean() < 0.8  # like their surroundings


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_of_another_scale_are_refused_with_the_scale(tmp_path: Path, white: int, channels: int) -> None:
    samples = np.random.default_rng(0).uniform(0.02, 0.9, (90, 130, channels)).astype(np.float32)
    samples[3, 4] = np.nan
    kind = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", samples * white, photometric=kind)
    with (
        open_picture(tmp_path / "a.tif") as reader,
        pytest.raises(RunirError, match=rf"a\.tif: .*0 \(black\) to 1 \(white\).*divide them by {white} first"),
    ):
        reader.check_range()


def test_floats_of_no_usual_scale_are_refused_without_a_guess(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(0, 1000, 10800, dtype=np.float32).reshape(90, 120))
    with open_picture(tmp_path / "a.tif") as reader, pytest.raises(RunirError, match="bring them into that range"):
        reader.check_range()


def test_hdr_and_ordinary_floats_are_taken(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.1, 1.1, (90, 130, 3)).astype(np.float32)
    bright = samples.copy()
    bright[:30] *= 400  # a third of the picture is sky and sun
    hidden = np.dstack([samples, np.ones((90, 130), np.float32)])
    hidden[:80] = (255, 255, 255, 0)  # what nobody sees does not count
    for name, picture in (("a", samples), ("b", bright), ("c", hidden)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, picture, photometric="rgb", extrasamples=["unassalpha"] if name == "c" else None)
        with open_picture(path) as reader:
            reader.check_range()
            assert reader.rows(0, 90)[0].shape == (90, 130, 3)  # looking has not used up any row


def test_whole_numbers_need_no_look(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((9, 9, 3), 60000, np.uint16), photometric="rgb")
    with open_picture(tmp_path / "a.tif") as reader:
        reader.check_range()
