"""What is printed for work that failed: one line."""

from __future__ import annotations

from runir.errors import RunirError

Failure = (RunirError, OSError, MemoryError)
"""What may go wrong with a picture, or with the machine."""


def one_line(error: RunirError | OSError | MemoryError) -> str:
    """What was wrong, with which file, and what to do."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; check the disk and the permissions"
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or use fewer --jobs"
    return str(error)
