"""Threads that do one thing again and again."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent import loops
from spotopt_agent.backoff import Backoff
from spotopt_agent.loops import Loop
from spotopt_agent.server import Refused, Superseded, Unreachable


class Steps:
    """A step that does what the list says, one after the other, and then sleeps."""

    def __init__(self, *results: object) -> None:
        self.results = list(results)
        self.taken = 0
        self.moved = threading.Condition()

    def __call__(self):
        with self.moved:
            self.taken += 1
            self.moved.notify_all()
            result = self.results.pop(0) if self.results else 1000.0
        if isinstance(result, Exception):
            raise result
        return result

    def wait(self, count: int) -> None:
        with self.moved:
            assert self.moved.wait_for(lambda: self.taken >= count, 5)


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def start(stop):
    started: list[Loop] = []

    def start(steps, **options) -> Loop:
        loop = Loop("test", steps, stop, backoff=Backoff(first=0.01, cap=0.01), **options)
        loop.start()
        started.append(loop)
        return loop

    yield start
    stop.set()
    for loop in started:
        loop.wake.set()
        loop.join(5)


@pytest.mark.parametrize(
    "failure",
    [
        Unreachable("away"),
        Unreachable("later", retry_after=0.0),
        Refused(403, "", "no"),
        KeyError(),
    ],
)
def test_a_failure_is_followed_by_another_try(start, failure):
    steps = Steps(0, failure, 0, failure)
    start(steps)
    steps.wait(5)


def test_the_end_of_all_ends_it(start):
    steps = Steps(0, Superseded(409, "superseded", ""))
    loop = start(steps)
    loop.join(5)
    assert steps.taken == 2
    assert not loop._thread.is_alive()


def test_none_ends_it(start):
    steps = Steps(0, None)
    loop = start(steps)
    loop.join(5)
    assert steps.taken == 2


def test_waking_cuts_the_wait_short(start):
    steps = Steps()
    loop = start(steps)
    steps.wait(1)
    loop.wake.set()
    steps.wait(2)


def test_waking_during_a_step_is_not_lost(start):
    wake = threading.Event()
    count = []

    def step() -> float:
        count.append(1)
        if len(count) == 1:
            wake.set()
        else:
            done.set()
        return 1000.0

    done = threading.Event()
    start(step, wake=wake)
    assert done.wait(5)


def test_stopped_it_ends(start, stop):
    steps = Steps()
    loop = start(steps)
    steps.wait(1)
    stop.set()
    loop.wake.set()
    loop.join(5)
    assert not loop._thread.is_alive()


def test_one_that_never_started_can_be_joined():
    Loop("test", Steps(), threading.Event()).join(1)


@pytest.mark.parametrize(
    "failure", [Superseded(409, "superseded", ""), Unreachable("away"), KeyError("x")]
)
def test_in_the_background_failures_end_quietly(failure):
    def fail() -> None:
        raise failure

    thread = loops.in_background("test", fail)
    thread.join(5)
    assert not thread.is_alive()
