"""Counting failures over a sliding window."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from spotopt.lib import failures
from spotopt.lib.failures import FailureCounter


@pytest.fixture
def counter():
    return FailureCounter(limit=3, window_seconds=60)


def test_within_the_limit_nobody_waits(counter):
    assert [counter.count("a", at=at) for at in (0.0, 1.0, 2.0)] == [0, 0, 0]


def test_beyond_it_until_the_first_falls_out(counter):
    for at in (0.0, 10.0, 20.0):
        counter.count("a", at=at)
    assert counter.count("a", at=30.0) == 30
    assert counter.wait("a", at=59.5) == 1
    assert counter.wait("a", at=60.0) == 0
    assert counter.count("a", at=60.0) == 0
    assert counter.wait("a", at=61.0) == 9


def test_refused_attempts_do_not_prolong_the_wait(counter):
    for at in (0.0, 1.0, 2.0, 30.0, 40.0, 50.0):
        counter.count("a", at=at)
    assert counter.wait("a", at=60.0) == 0


def test_keys_are_apart(counter):
    for _ in range(4):
        counter.count("a", at=0.0)
    assert counter.count("b", at=0.0) == 0


def test_a_success_starts_anew(counter):
    for _ in range(3):
        counter.count("a", at=0.0)
    counter.forget("a")
    assert counter.wait("a", at=0.0) == 0
    counter.forget("never seen")


def test_memory_is_bounded(counter, monkeypatch):
    monkeypatch.setattr(failures, "KEYS", 2)
    for key in ("a", "a", "a", "b", "c"):
        counter.count(key, at=0.0)
    assert counter.wait("a", at=0.0) == 0
    assert len(counter._times) == 2


def test_threads_together_stay_within_the_limit():
    counter = FailureCounter(limit=50, window_seconds=60)
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: counter.count("a", at=0.0), range(400)))
    assert waits.count(0) == 50
