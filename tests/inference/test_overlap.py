"""Threads before and behind the engine: order, bounds, errors, and no thread left."""

import threading
import time
from collections.abc import Iterator

import pytest

from runir.inference.overlap import Behind, ahead


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("runir-")}


def test_items_come_in_order_and_at_most_so_many_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            yield i

    items = ahead(source(), depth=2)
    assert next(items) == 0
    time.sleep(0.3)
    assert len(made) <= 4  # one taken, two waiting, one in hand
    assert list(items) == list(range(1, 20))
    assert threads() == set()


def test_an_error_in_the_thread_is_raised_where_the_item_is_missing() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("torn")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(OSError, match="torn"):
        next(items)
    assert threads() == set()


def test_whoever_stops_early_leaves_no_thread() -> None:
    items = ahead(iter(range(10**9)))
    assert next(items) == 0
    items.close()
    assert threads() == set()


def test_all_is_consumed_in_order_at_a_clean_exit() -> None:
    got: list[int] = []

    def slow(item: int) -> None:
        time.sleep(0.01)
        got.append(item)

    with Behind(slow) as behind:
        for i in range(12):
            behind.put(i)
    assert got == list(range(12))
    assert threads() == set()


def test_an_error_of_the_consumer_reaches_the_one_who_puts() -> None:
    def fail(item: int) -> None:
        raise OSError("full")

    def put(count: int) -> None:
        with Behind(fail) as behind:
            for i in range(count):
                behind.put(i)

    for count in (100, 1):  # of one item it is noticed only at the end
        with pytest.raises(OSError, match="full"):
            put(count)
    assert threads() == set()


def test_after_an_error_of_ones_own_the_rest_is_dropped() -> None:
    got: list[int] = []

    def slow(item: int) -> None:
        time.sleep(0.05)
        got.append(item)

    def put() -> None:
        with Behind(slow, depth=5) as behind:
            for i in range(5):
                behind.put(i)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        put()
    assert len(got) < 5
    assert threads() == set()
