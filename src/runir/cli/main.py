"""`runir VERB ...`. Exit codes: 0 done, 1 work that failed, 2 wrong usage, 130 interrupted, 141 nobody reads on."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module

from runir._version import __version__
from runir.cli.failures import one_line
from runir.errors import RunirError

VERBS = {
    "restore": "restore a photograph",
    "inspect": "say what is wrong with a photograph",
    "models": "list the shipped models, or show one model's card",
    "evaluate": "score a model on pictures",
    "data": "list, verify and prepare public data sets",
    "train": "train a network from a recipe",
    "export": "turn a training run into a model that ships",
    "benchmark": "compare with other methods on this machine: quality, time, memory",
    "doctor": "say whether runir works here, how fast, and what would make it faster",
}


CLOSED = 141
"""Exit code when the reader of our output has gone, as in `runir inspect a.jpg | head -1`: that of SIGPIPE."""


class _Parser(argparse.ArgumentParser):
    """argparse with one-line errors."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print one line and exit with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser(only: str | None) -> argparse.ArgumentParser:
    parser = _Parser(prog="runir", description="Restores photographs on an ordinary CPU.")
    parser.add_argument("--version", action="version", version=f"runir {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    for verb, summary in VERBS.items():
        sub = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if verb == only:  # each verb's module is loaded only when it is called: start-up stays quick
            import_module(f"runir.cli.{verb}").add_arguments(sub)
    return parser


@contextlib.contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """SIGTERM (`kill`, a shutdown) and SIGHUP (a closed terminal) end a run as Ctrl-C does: nothing half-written.
    Ignored ones (`nohup`) stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # now: at the interpreter's end a closed pipe would be reported as a fault
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


def _run(words: Sequence[str]) -> int:
    verb = next((word for word in words if word in VERBS), None)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are no text
    try:
        with _ended_as_interrupted():
            options = _parser(verb).parse_args(words)
            code: int = import_module(f"runir.cli.{options.verb}").run(options)
    except RunirError as error:
        print(f"runir: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        raise
    except (OSError, MemoryError) as error:
        print(f"runir: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("runir: interrupted; nothing half-written was left", file=sys.stderr)
        return 130
    return code
