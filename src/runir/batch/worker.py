"""What is done to one picture, as the folder run sees it: load, compute, save."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

Item = TypeVar("Item")

Tick = Callable[[int, int], None]
"""Called with (parts done, parts in all) of one picture. It may raise, to give up the picture: let that pass."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was written. pixels: width times height; notes: what a person should be told about this picture."""

    pixels: int
    notes: tuple[str, ...] = ()


class Worker(Protocol[Item]):
    """Does the work. The methods are called from several threads at once, each with another picture.

    A small picture can be read in `load` and written in `save`; one worked off in strips can be read and written in
    `compute`. Whatever they raise counts as the failure of that one picture; a RunirError's line is shown as it is.
    """

    @property
    def work(self) -> str:
        """Everything but the input that decides the result: model, checksum, options. Equal text, equal results."""

    @property
    def endings(self) -> Mapping[str, str]:
        """Lower-case file name ending of a picture (".jpg") -> ending of its result."""

    def cost(self, path: Path) -> int:
        """Pixels that this picture will hold in memory, told quickly (from its header)."""

    def load(self, source: Path, result: Path) -> Item:
        """Read a picture, or open it. `result` does not exist yet; it may be written now, later, or piece by piece."""

    def compute(self, item: Item, tick: Tick) -> Item:
        """Restore it, calling `tick` often: that is where an interrupted run gives up."""

    def save(self, item: Item) -> Done:
        """See that the file that `load` was told is written whole and flushed to disk."""

    def drop(self, item: Item) -> None:
        """Let go of a picture that `load` gave and `save` has not finished. What was written of it is removed later."""
