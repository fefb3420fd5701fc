"""Errors that a person sees: one line each, saying what was wrong, with which file, and what to do."""


class RunirError(Exception):
    """Work that failed (exit code 1). The message is one line and names the file and the remedy."""

    exit_code = 1


class UsageError(RunirError):
    """A wrong option, name or path (exit code 2)."""

    exit_code = 2
