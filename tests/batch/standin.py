"""A worker that only turns bytes round: quick, and slow at will. As a script: SOURCE OUTPUT PAUSE [-r]."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runir.batch import Done, Summary, Tick, restore_folder
from runir.errors import RunirError

Item = tuple[Path, bytes]


def nothing(path: Path) -> None:
    """What happens in between, normally."""


@dataclass
class Turner:
    """Item: where the result goes, and the bytes. A picture that begins with BAD cannot be read.

    work: "turn", or anything else for capitals. pause: seconds in each step, twice. before_load gets the picture's
    path, before_save the path that is written.
    """

    pause: float = 0.0
    work: str = "turn"
    endings: Mapping[str, str] = field(default_factory=lambda: {".jpg": ".jpg", ".png": ".png"})
    before_load: Callable[[Path], None] = nothing
    before_save: Callable[[Path], None] = nothing
    loaded: int = 0
    computed: int = 0
    saved: int = 0
    dropped: int = 0

    def cost(self, path: Path) -> int:
        return path.stat().st_size

    def load(self, source: Path, result: Path) -> Item:
        self.before_load(source)
        time.sleep(self.pause)
        data = source.read_bytes()
        if data.startswith(b"BAD"):
            raise RunirError(f"{source}: is damaged; get another")
        self.loaded += 1
        return result, data

    def compute(self, item: Item, tick: Tick) -> Item:
        for part in (1, 2):
            time.sleep(self.pause)
            tick(part, 2)
        self.computed += 1
        path, data = item
        return path, data[::-1] if self.work == "turn" else data.upper()

    def save(self, item: Item) -> Done:
        path, data = item
        self.before_save(path)
        with path.open("xb") as file:  # in two halves, so that a kill can come between them
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(self.pause)
            file.write(data[len(data) // 2 :])
        self.saved += 1
        return Done(len(data))

    def drop(self, item: Item) -> None:
        self.dropped += 1


def fill(folder: Path, count: int) -> list[str]:
    """Make files in a small tree; returns their names."""
    names = [f"{'deep/er/' if k % 3 == 0 else ''}{k:05d}.jpg" for k in range(count)]
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"picture {k} ".encode() * (k % 7 + 1))
    return names


def results(folder: Path) -> dict[str, bytes]:
    """Name -> content of all files that a run is for; nothing else but its own dot files may be there."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert {p.name for p in files if p.name.startswith(".")} <= {".runir-manifest.jsonl", ".runir-lock"}
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files if not p.name.startswith(".")}


def run(tmp_path: Path, worker: Turner | None = None, **options: Any) -> Summary:
    """From tmp_path/in to tmp_path/out, with subfolders."""
    return restore_folder(tmp_path / "in", tmp_path / "out", worker or Turner(), recursive=True, **options)


def counts(summary: Summary) -> tuple[int, int, int, int]:
    """Restored, skipped, failed, left."""
    return summary.restored, summary.skipped, summary.failed, summary.left


def turned(folder: Path) -> dict[str, bytes]:
    """Name -> what its result must hold."""
    return {p.relative_to(folder).as_posix(): p.read_bytes()[::-1] for p in folder.rglob("*.*") if p.is_file()}


if __name__ == "__main__":
    summary = restore_folder(sys.argv[1], sys.argv[2], Turner(float(sys.argv[3])), recursive="-r" in sys.argv)
    print(json.dumps(summary.to_dict()))
    sys.exit(summary.exit_code)
