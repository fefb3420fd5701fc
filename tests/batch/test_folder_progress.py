"""What a person sees of a run: the bar, lines elsewhere, the estimate, names that cannot steer the terminal."""

import io
import shutil
from os import terminal_size
from pathlib import Path

import pytest

from runir.batch import State
from runir.batch.pipeline import Jobs
from runir.batch.plan import Job
from runir.batch.progress import Progress, status_line
from runir.batch.text import columns, cut, duration, printable
from runir.errors import UsageError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((60, 24)))
    return clock


def job(name: str, size: int = 1_000_000) -> Job:
    return Job(Path(name), name, name, size)


def test_the_time_left_follows_the_bytes_worked_off(clock: Clock) -> None:
    state = State(4, 4_000_000)
    assert state.seconds_left is None
    state.through(job("old.jpg"), "skipped")
    assert state.seconds_left is None  # what is skipped tells nothing of the speed
    state.working(job("a.jpg"), 0, 10)
    clock.now += 2
    state.working(job("a.jpg"), 5, 10)
    assert state.seconds_left == pytest.approx(2 + 8)  # the other half, and two more pictures of 4 s
    clock.now += 2
    state.through(job("a.jpg"), "restored", 12_000_000)
    assert state.seconds_left == pytest.approx(8)
    assert state.rate == pytest.approx(3)
    state.through(job("b.jpg"), "failed")
    assert state.seconds_left == pytest.approx(4)
    assert status_line(state) == "3/4, 1 failed, 3 Mpx/s, about 4 s left"


def test_a_bar_on_a_terminal(clock: Clock) -> None:
    stream = io.StringIO()
    show = Progress(stream, terminal=True)
    state = State(10, 10_000_000)
    name = "a very long name of a folder/IMG_0001.jpg"
    state.working(job(name), 0, 4)
    show(state)
    clock.now += 0.01
    show(state)  # too soon
    clock.now += 0.5
    state.working(job(name), 2, 4)
    show(state)
    first, second = stream.getvalue().split("\r")[1:]
    assert first == "[--------------------] 0/10, a very long ...IMG_0001.jpg 0%"
    assert second == "[#-------------------] 0/10, about 10 s left, a v...jpg 50%"
    assert len(first) == len(second) == 59
    state.ended = True
    show(state)
    assert stream.getvalue().endswith("\r" + " " * 59 + "\r")


def test_lines_where_there_is_no_terminal(clock: Clock) -> None:
    stream = io.StringIO()
    show = Progress(stream)
    state = State(100, 100_000_000)
    for number in range(61):
        show(state)
        clock.now += 0.5
        state.working(job(f"{number}.jpg"), 0, 1)
        state.through(job(f"{number}.jpg"), "restored", 1_000_000)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "100 pictures to restore, about 33 s by the speed of the first"
    assert [line.split(",")[0] for line in lines[1:]] == ["20/100", "40/100", "60/100"]
    assert "\r" not in stream.getvalue()


def test_a_short_job_is_not_announced(clock: Clock) -> None:
    stream = io.StringIO()
    show = Progress(stream)
    state = State(2, 2_000_000)
    for number in range(2):
        state.working(job(f"{number}.jpg"), 0, 1)
        clock.now += 2
        state.through(job(f"{number}.jpg"), "restored", 1_000_000)
        show(state)
    assert stream.getvalue() == ""


def test_names_cannot_steer_the_terminal() -> None:
    state = State(1, 1)
    state.working(job("a\x1b[2J\nb.jpg"), 0, 1)
    assert status_line(state) == r"0/1, a\x1b[2J\nb.jpg 0%"
    assert printable("写真 é\udcff") == r"写真 é\udcff"


def test_wide_characters_count_twice() -> None:
    assert columns("写真.jpg") == 8
    assert columns("e\u0301") == 1
    assert cut("写真" * 20, 21).count("写真") >= 3
    for width in range(3, 40):
        assert columns(cut("写真 und mehr " * 5, width)) <= width


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (99, "99 s"), (130, "2 min"), (5_900, "98 min"), (12_000, "3 h 20 min")]
)
def test_times_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_jobs() -> None:
    assert Jobs.parse("4:1:2") == Jobs(4, 1, 2)
    for wrong in ("", "1", "1:1", "0:1:1", "1:1:1:1", "a:1:1", "1:-1:1", "1:1:65", "1:1:²"):
        with pytest.raises(UsageError, match="three numbers from 1 to 64 are needed"):
            Jobs.parse(wrong)
