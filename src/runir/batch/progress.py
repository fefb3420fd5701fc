"""A run as a person watches it: a bar on a terminal, a line now and then elsewhere, an estimate before a long job."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from runir.batch.state import State
from runir.batch.text import columns, cut, duration, pictures, printable

LONG_SECONDS = 5.0
"""A job that takes longer is announced with an estimate."""
_MEASURED_SECONDS = 1.0
_BAR_SECONDS, _LINE_SECONDS = 0.1, 10.0
_CELLS, _SHORTEST_NAME = 20, 8


class Progress:
    """A Watch. On a terminal it redraws one line; elsewhere it writes a line every ten seconds."""

    def __init__(self, stream: TextIO, *, terminal: bool | None = None) -> None:
        """terminal: whether `stream` is one; None: ask it."""
        self._stream = stream
        self._terminal = stream.isatty() if terminal is None else terminal
        self._every = _BAR_SECONDS if self._terminal else _LINE_SECONDS
        self._last = time.perf_counter() - (_BAR_SECONDS if self._terminal else 0)
        self._drawn = 0
        self._announced = False

    def __call__(self, state: State) -> None:
        """Show what is new, if it is time."""
        if state.ended:
            self._clear()
            return
        self._announce(state)
        now = time.perf_counter()
        if now - self._last < self._every:
            return
        self._last = now
        if self._terminal:
            self._draw(state)
        else:
            print(status_line(state), file=self._stream, flush=True)

    def _announce(self, state: State) -> None:
        """The estimate, once, as soon as a second of work tells how fast it goes."""
        left = state.seconds_left
        if self._announced or left is None or state.seconds < _MEASURED_SECONDS:
            return
        self._announced = True
        if state.seconds + left > LONG_SECONDS:
            self._clear()
            total = duration(state.seconds + left)
            text = f"{pictures(state.total - state.skipped)} to restore, about {total} by the speed of the first"
            print(text, file=self._stream, flush=True)

    def _draw(self, state: State) -> None:
        filled = min(_CELLS, int(_CELLS * (state.done + state.part) / max(1, state.total)))
        bar = "[" + "#" * filled + "-" * (_CELLS - filled) + "] "
        # One column stays free: a full line would wrap on some terminals.
        room = shutil.get_terminal_size().columns - 1
        text = cut(bar + status_line(state, room - len(bar)), room)
        width = columns(text)
        print("\r" + text + " " * max(0, self._drawn - width), end="", file=self._stream, flush=True)
        self._drawn = width

    def _clear(self) -> None:
        if self._drawn:
            print("\r" + " " * self._drawn + "\r", end="", file=self._stream, flush=True)
            self._drawn = 0


def status_line(state: State, room: int = 10_000) -> str:
    """12/340, 1 failed, 3.2 Mpx/s, about 4 min left, trip/IMG_0012.jpg 43%; the name cut to fit into `room` columns."""
    parts = [f"{state.done}/{state.total}"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.pixels:
        parts.append(f"{state.rate:.2g} Mpx/s" if state.rate < 10 else f"{state.rate:.0f} Mpx/s")
    left = state.seconds_left
    if left is not None:
        parts.append(f"about {duration(left)} left")
    text = ", ".join(parts)
    part = f" {state.part:.0%}"
    free = room - len(text) - len(part) - 2
    if not state.current or free < _SHORTEST_NAME:
        return text
    return f"{text}, {cut(printable(state.current), free)}{part}"
