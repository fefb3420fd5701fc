"""Tests that need a package which is not installed here are left out, and the summary says so."""

from importlib.util import find_spec

import pytest

NEEDS = ("spandrel", "cv2", "bm3d")
"""Markers that are also names of packages."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = [package for package in NEEDS if find_spec(package) is None]
    out = [item for item in items if any(item.get_closest_marker(package) for package in missing)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
        config.stash[LEFT_OUT] = f"{len(out)} tests left out: not installed here: {', '.join(missing)}"


LEFT_OUT = pytest.StashKey[str]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if LEFT_OUT in config.stash:
        terminalreporter.write_line(config.stash[LEFT_OUT])
