"""Waits between tries."""

from __future__ import annotations

from spotopt_agent.backoff import Backoff


def test_grows_to_its_cap_with_jitter():
    backoff = Backoff(first=1, cap=8)
    for step in (1, 2, 4, 8, 8, 8):
        assert step / 2 <= backoff.next() <= step


def test_jitter_is_not_always_the_same():
    waits = {round(Backoff(first=10).next(), 3) for _ in range(20)}
    assert len(waits) > 10


def test_begins_again_after_a_success():
    backoff = Backoff(first=1, cap=1000)
    for _ in range(6):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1


def test_a_server_that_asks_for_a_wait_gets_at_least_that():
    backoff = Backoff(first=1, cap=4)
    waits = [backoff.next(at_least=20) for _ in range(10)]
    assert all(20 < wait <= 22 for wait in waits)
    assert len({round(wait, 6) for wait in waits}) > 5


def test_never_overflows():
    backoff = Backoff(first=1, cap=30)
    for _ in range(3000):
        assert backoff.next() <= 30
