"""Errors that a person sees: one line each, saying what was wrong, with which file, and what to do."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known name, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


class RunirError(Exception):
    """Work that failed (exit code 1). The message is one line and names the file and the remedy."""

    exit_code = 1


class UsageError(RunirError):
    """A wrong option, name or path (exit code 2)."""

    exit_code = 2
