"""The clean pictures that come with runir: enough for a look at time, too few for a PSNR to quote."""

from __future__ import annotations

from pathlib import Path

from runir.errors import UsageError

NAMES = ("flowers.webp", "hippo.webp", "house.webp")
HOMES = (Path(__file__).parent / "pictures", Path(__file__).parents[3] / "tests" / "data")
"""In an installed package, and in the source tree, whose build copies them into the package."""


def shipped_pictures() -> tuple[Path, ...]:
    """Three pictures of 240 x 240 pixels. Raises UsageError where they are not to be found."""
    for home in HOMES:
        if all((home / name).is_file() for name in NAMES):
            return tuple(home / name for name in NAMES)
    raise UsageError("the pictures that come with runir are not here; give clean pictures with --data DIR")
