"""Making a patch store of a data set: planned first, written in order, gone on with after an interruption."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runir.data.blocks import read_source, source_size
from runir.data.dataset import DataSet, Found, Item, Part, find_part
from runir.data.store import DATA_FILE, FORMAT, INDEX_FILE, Entry, Index, is_store, read_index
from runir.errors import RunirError, UsageError

UNFINISHED = ".part"
_RESERVE = 1 << 28  # bytes that stay free on the disk


def plan_store(data_set: DataSet, part: Part, root: Path, patch: int, overlap: int) -> tuple[Index, Sequence[Item]]:
    """What the store of a part would hold, and the pictures to make it of; reads only the heads of the files.

    Raises UsageError for sizes that cannot be, a part without targets, or one that is not there; RunirError when the
    two of a pair differ in size or a file cannot be read.
    """
    if not (part.paired or part.clean):
        raise UsageError(f"{data_set.name} {part.name}: has no public targets; nothing to train on")
    found = find_part(data_set, part, root)
    if not found.items:
        remedy = f"runir data verify {data_set.name} --root {root} says what is looked for"
        raise UsageError(f"{root}: {data_set.name} {part.name} is not there; {remedy}")
    index = Index(FORMAT, data_set.name, part.name, data_set.licence, part.paired, patch, overlap, _entries(found))
    return index, found.items


def _entries(found: Found) -> tuple[Entry, ...]:
    with ThreadPoolExecutor(4) as pool:
        return tuple(pool.map(_entry, found.items))


def _entry(item: Item) -> Entry:
    sizes = {source_size(source) for source in item.sources}
    if len(sizes) > 1:
        raise RunirError(f"{item.sources[0]}: differs from its partner in size; replace or remove one of them")
    return Entry(item.name, *sizes.pop())


def write_store(
    index: Index,
    items: Sequence[Item],
    folder: Path,
    *,
    overwrite: bool = False,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Write the store into `folder`, or go on where an interrupted run with the same plan stopped.

    index, items: of `plan_store`. overwrite: replace another store. watch: told the bytes that are written, and of how
    many.

    Returns:
        Whether anything was to be done: False if the same store is there already.

    Raises:
        UsageError: the folder holds another store, or another unfinished one.
        RunirError: not enough space, or a picture cannot be read; what is written stays, and the next run goes on.
    """
    if is_store(folder) and not overwrite:
        if read_index(folder / INDEX_FILE) == index:
            return False
        raise UsageError(f"{folder}: holds another store; use --overwrite or choose another --out")
    begun = _begin(index, folder, overwrite)
    start, skip = _resume_point(index, begun)
    _require_space(folder, index.bytes - start)
    with begun.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        for entry, item in zip(index.pictures[skip:], items[skip:], strict=True):
            for piece in _pieces(index, entry, item):
                file.write(piece)
            watch(file.tell(), index.bytes)
        file.flush()
        os.fsync(file.fileno())
    (folder / INDEX_FILE).unlink(missing_ok=True)  # an older store ends here: never its index over the new file
    begun.replace(folder / DATA_FILE)
    (folder / (INDEX_FILE + UNFINISHED)).replace(folder / INDEX_FILE)
    return True


def _begin(index: Index, folder: Path, overwrite: bool) -> Path:
    """The unfinished file, made if need be, with its plan beside it."""
    plan, begun = folder / (INDEX_FILE + UNFINISHED), folder / (DATA_FILE + UNFINISHED)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file, not a folder; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    if any(not file.name.startswith((INDEX_FILE, DATA_FILE)) for file in folder.iterdir()):
        raise UsageError(f"{folder}: holds other files; choose another --out")
    if begun.exists() and plan.exists() and read_index(plan) != index:
        if not overwrite:
            what = "holds an unfinished store of other pictures or sizes"
            raise UsageError(f"{folder}: {what}; use --overwrite or choose another --out")
        begun.unlink()
    temporary = plan.with_name(plan.name + ".tmp")
    temporary.write_text(index.to_json(), "utf-8")
    temporary.replace(plan)
    begun.touch()
    return begun


def _resume_point(index: Index, begun: Path) -> tuple[int, int]:
    """(bytes, pictures) that are whole in the unfinished file."""
    there, start = begun.stat().st_size, 0
    for count, entry in enumerate(index.pictures):
        size = index.bytes_of(entry)
        if start + size > there:
            return start, count
        start += size
    return start, len(index.pictures)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _RESERVE > free:
        what = f"the store takes {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free"
        raise RunirError(f"{folder}: {what}; free some space or choose another --out")


def _pieces(index: Index, entry: Entry, item: Item) -> Sequence[bytes]:
    pictures = [read_source(source) for source in item.sources]
    for source, picture in zip(item.sources, pictures, strict=True):
        if picture.shape != (entry.height, entry.width, 3):
            raise RunirError(f"{source}: changed while the store was made; run the command again")
    return [
        picture[top : top + height, left : left + width].tobytes()
        for top, left, height, width in index.boxes(entry)
        for picture in pictures
    ]
