"""What a folder run must not do: replace what is not its own, write among the originals, stumble over names."""

import os
from pathlib import Path

import pytest

from runir.batch import restore_folder
from runir.batch.manifest import MANIFEST
from runir.errors import RunirError
from standin import Turner, counts, fill, results, run, turned


def test_nothing_foreign_is_replaced(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / names[1]).write_bytes(b"mine")
    (tmp_path / "out" / names[2]).mkdir()
    summary = run(tmp_path)
    assert counts(summary) == (2, 0, 2, 0)
    assert summary.exit_code == 1
    assert [error.split(": ", 1)[1] for _, error in summary.failures] == [
        "exists and is not an unchanged result of this folder; rename it or --overwrite",
        "is a folder; rename it",
    ]
    assert (tmp_path / "out" / names[1]).read_bytes() == b"mine"
    (tmp_path / "out" / names[2]).rmdir()
    assert counts(run(tmp_path, overwrite=True)) == (2, 2, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    # A result that a person has worked on since is theirs.
    (tmp_path / "out" / names[3]).write_bytes(b"retouched")
    (tmp_path / "in" / names[3]).write_bytes(b"another picture")
    assert counts(run(tmp_path)) == (0, 3, 1, 0)
    assert (tmp_path / "out" / names[3]).read_bytes() == b"retouched"


def test_a_picture_is_added_whose_result_takes_the_name_of_another(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"first")
    worker = Turner(endings={".jpg": ".png", ".png": ".png"})
    assert counts(run(tmp_path, worker)) == (1, 0, 0, 0)
    assert results(tmp_path / "out") == {"a.png": b"tsrif"}
    (tmp_path / "in" / "a.png").write_bytes(b"second")
    assert counts(run(tmp_path, worker)) == (2, 0, 0, 0)
    assert results(tmp_path / "out") == {"a.jpg.png": b"tsrif", "a.png": b"dnoces"}
    assert counts(run(tmp_path, worker)) == (0, 2, 0, 0)


def test_another_folder_with_the_same_names_does_not_replace_results(tmp_path: Path) -> None:
    fill(tmp_path / "in", 2)
    run(tmp_path)
    before = results(tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "00001.jpg").write_bytes(b"of another camera")
    summary = restore_folder(tmp_path / "other", tmp_path / "out", Turner())
    assert counts(summary) == (0, 0, 1, 0)
    assert results(tmp_path / "out") == before


def test_an_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    fill(tmp_path / "in", 4)
    (tmp_path / "out").write_bytes(b"in the way")
    with pytest.raises(RunirError, match="this folder cannot be made: a file is in the way"):
        run(tmp_path)
    with pytest.raises(RunirError, match="this folder cannot be made: a file is in the way"):
        restore_folder(tmp_path / "in", tmp_path / "out" / "below", Turner())
    (tmp_path / "out").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_bytes(b"in the way")
    summary = run(tmp_path)
    assert counts(summary) == (2, 0, 2, 0)
    assert all("its folder cannot be made: a file is in the way" in error for _, error in summary.failures)


def test_results_never_land_among_the_originals_or_outside(tmp_path: Path) -> None:
    fill(tmp_path / "in", 1)  # in/deep/er/00000.jpg
    (tmp_path / "in" / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "in" / "deep" / "x.jpg").write_bytes(b"would be in/deep/x.jpg")
    (tmp_path / "in" / "deep" / "x.jpg").write_bytes(b"an original")
    summary = restore_folder(tmp_path / "in", tmp_path, Turner(), recursive=True, overwrite=True)
    assert counts(summary) == (2, 0, 1, 0)
    assert "would be written among the originals" in summary.failures[0][1]
    assert (tmp_path / "in" / "deep" / "x.jpg").read_bytes() == b"an original"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").symlink_to(tmp_path / "in", target_is_directory=True)
    summary = run(tmp_path, overwrite=True)
    assert counts(summary) == (1, 0, 2, 0)
    assert all("a link leads out of the output folder" in error for _, error in summary.failures)


def test_a_link_that_is_overwritten_leaves_the_other_end_alone(tmp_path: Path) -> None:
    names = fill(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / names[1]).symlink_to(tmp_path / "in" / names[1])
    assert counts(run(tmp_path)) == (1, 0, 1, 0)
    assert counts(run(tmp_path, overwrite=True)) == (1, 1, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert not (tmp_path / "out" / names[1]).is_symlink()


def test_unicode_and_long_names(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "été 写真"
    folder.mkdir(parents=True)
    names = ["🌄 сад.jpg", "e\u0301.jpg", "é.jpg", "a\nb.jpg", "x" * 251 + ".jpg", "ü" * 125 + ".png", "'\"\\ %s.jpg"]
    for name in names:
        (folder / name).write_bytes(name.encode())
    undecodable = os.fsdecode(b"\xff\xfe.jpg")
    (folder / undecodable).write_bytes(b"no text")
    assert counts(run(tmp_path)) == (8, 0, 0, 0)
    assert results(tmp_path / "out") == turned(tmp_path / "in")
    assert counts(run(tmp_path)) == (0, 8, 0, 0)
    # One ending more would make it too long: a failure of that picture only.
    (folder / ("x" * 251 + ".png")).write_bytes(b"same name")
    summary = run(tmp_path, Turner(work="to jpg", endings={".jpg": ".jpg", ".png": ".jpg"}), overwrite=True)
    assert counts(summary) == (8, 0, 1, 0)
    assert "File name too long" in summary.failures[0][1]


def test_a_manifest_of_rubbish_is_survived(tmp_path: Path) -> None:
    fill(tmp_path / "in", 3)
    run(tmp_path)
    with (tmp_path / "out" / MANIFEST).open("ab") as file:
        file.write(b'\xff\x00\n[1]\n"ok"\n{}\n{"status": "ok"}\nnull\n{"status": "ok", "output": "00001.j')
    assert counts(run(tmp_path)) == (0, 3, 0, 0)
    (tmp_path / "in" / "new.jpg").write_bytes(b"new")
    assert counts(run(tmp_path)) == (1, 3, 0, 0)
    assert counts(run(tmp_path)) == (0, 4, 0, 0)
