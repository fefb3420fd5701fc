"""How this room says what is wrong: one line with the file, the fault and the remedy."""

import os

from runir.errors import RunirError

NEW_COPY = "get an undamaged copy of the file"


class UnfitError(RunirError):
    """A file or picture that cannot be taken: what is wrong, and what to do. The path is put in front later."""

    def __init__(self, what: str, remedy: str = NEW_COPY) -> None:
        """Keep the two halves of the message apart until the path is known."""
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


def line(path: str | os.PathLike[str], what: str, remedy: str) -> str:
    """Return "PATH: what; remedy" on one line, whatever characters the path holds."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fspath(path))
    return f"{shown}: {what}; {remedy}"


def reason(fault: BaseException) -> str:
    """Return a short one-line text for an exception: the system's own words when it has some."""
    text = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    if isinstance(fault, LookupError):
        text = f"unknown value {text}"  # the bare key says nothing
    text = " ".join(text.split()) or type(fault).__name__
    return text if len(text) <= 120 else text[:117] + "..."
