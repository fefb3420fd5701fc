"""Which pictures a folder holds, and where each result goes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from runir.batch.manifest import MANIFEST
from runir.errors import UsageError
from runir.images.messages import line, reason


@dataclass(frozen=True, slots=True)
class Job:
    """One picture. name, output: paths below the two folders, with forward slashes; size: bytes when listed."""

    source: Path
    name: str
    output: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """jobs: in the order in which they are done. unread: (name, error line) of folders that could not be listed.
    notes: what was left out, in words."""

    jobs: tuple[Job, ...]
    unread: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    files: list[tuple[Path, str, int]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    links: int = 0
    results: int = 0
    made: int = 0
    deeper: int = 0


def make_plan(source: Path, output: Path, endings: Mapping[str, str], *, recursive: bool = False) -> Plan:
    """List the pictures of `source`, sorted by name, a folder's own before those of its subfolders.

    A picture is what has one of the `endings` (lower case -> ending of the result). Hidden files and folders, the
    output folder, folders that hold the results of an earlier run, NAME.restored.EXT and NAME.preview.EXT beside a
    NAME.*, and links to folders are left out. A result keeps
    its picture's name; where another ending would give two results one name, the old ending stays in: a.png.webp.

    Raises UsageError: source is no folder, is the output folder, or holds no picture; two results with one name.
    """
    if not source.is_dir():
        raise UsageError(line(source, "no such folder", "check the name"))
    if output.exists() and output.samefile(source):
        raise UsageError(line(output, "is the folder that is read", "choose another one with -o"))
    found = _search(source, output, endings, recursive)
    if not found.files and not found.unread:
        remedy = "use --recursive for its subfolders" if found.deeper else f"endings that count: {' '.join(endings)}"
        raise UsageError(line(source, "holds no pictures", remedy))
    outputs = _outputs([name for _, name, _ in found.files], endings)
    jobs = tuple(Job(path, name, out, size) for (path, name, size), out in zip(found.files, outputs, strict=True))
    counts = (
        (found.links, "linked folders were not followed"),
        (found.results, "folders of earlier results left out"),
        (found.made, "results of single pictures left out (NAME.restored.EXT beside NAME.EXT)"),
        (0 if recursive else found.deeper, "subfolders left out: --recursive takes them too"),
    )
    return Plan(jobs, tuple(found.unread), tuple(f"{count} {what}" for count, what in counts if count))


def _search(source: Path, output: Path, endings: Mapping[str, str], recursive: bool) -> _Found:
    found = _Found()
    seen = {_identity(output)} if output.exists() else set()
    stack = [(source, PurePosixPath())]
    while stack:  # not by recursion: a tree may be deeper than Python's stack
        folder, below = stack.pop()
        try:
            if (identity := _identity(folder)) in seen:  # our own output, or a mount that leads back up
                continue
            seen.add(identity)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda e: e.name)
        except OSError as fault:
            what = f"cannot be listed ({reason(fault)})"
            found.unread.append((str(below), line(folder, what, "check the disk and the permissions")))
            continue
        if folder != source and any(e.name == MANIFEST for e in entries):
            found.results += 1
            continue
        folders = []
        names = {os.path.splitext(e.name)[0] for e in entries}  # noqa: PTH122 - names, not paths
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append((Path(entry.path), below / entry.name))
            elif _leads_to_folder(entry):
                found.links += recursive
            elif made_from(entry.name) in names:
                found.made += 1
            elif os.path.splitext(entry.name)[1].lower() in endings:  # noqa: PTH122 - a name, not a path
                found.files.append((Path(entry.path), str(below / entry.name), _size(entry)))
        found.deeper += len(folders)
        if recursive:
            stack += reversed(folders)
    return found


def made_from(name: str) -> str | None:
    """The stem of the picture that a file is a result of, by its name; None for any other name."""
    stem, mark = os.path.splitext(os.path.splitext(name)[0])  # noqa: PTH122 - names, not paths
    return stem if mark in (".restored", ".preview") else None


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0  # a link that leads nowhere; reading it will say so


def _outputs(names: list[str], endings: Mapping[str, str]) -> list[str]:
    simple = [_renamed(name, endings, keep=False) for name in names]
    shared = {name for name, count in Counter(simple).items() if count > 1}
    outputs = [
        _renamed(name, endings, keep=True) if out in shared else out for name, out in zip(names, simple, strict=True)
    ]
    for out, count in Counter(outputs).items():
        if count > 1:
            raise UsageError(line(out, "would be the result of two pictures", "rename one, or leave out --format"))
    return outputs


def _renamed(name: str, endings: Mapping[str, str], *, keep: bool) -> str:
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - a name with forward slashes, on any system
    wanted = endings[ending.lower()]
    if ending.lower() == wanted:
        return name
    return f"{name if keep else stem}{wanted}"
