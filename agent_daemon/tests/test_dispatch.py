"""From a stored signal to its handler."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from spotopt_agent import clock
from spotopt_agent.handlers.dispatch import Dispatch
from spotopt_agent.server import Superseded, Unreachable
from spotopt_agent.signals import NOTICE, REBALANCE, Signal, Signals

from .support.fake_server import utc


class Recorder:
    """A handler that waits for ``go`` and then does what it is told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.handled: list[Signal] = []
        self.failure: Exception | None = None

    def handle(self, signal: Signal) -> None:
        assert self.go.wait(5)
        self.handled.append(signal)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def make(parts, recorder):
    """Dispatches over the same store, as successive processes have them."""

    def make() -> Dispatch:
        return Dispatch(
            handlers={NOTICE: recorder, REBALANCE: recorder},
            signals=Signals(parts.store),
            standing=parts.standing,
            events=parts.events,
            stop=parts.stop,
        )

    return make


def signal(kind: str = NOTICE, *, ends: float = 120, detected: float = 0) -> Signal:
    return Signal("i-1", kind, utc(ends), utc(detected), "terminate")


def start(dispatch: Dispatch, seen: Signal) -> None:
    assert dispatch.signals.record(seen, now=clock.now())
    dispatch.start(seen)


def wait(condition) -> None:
    deadline = threading.Event()
    for _ in range(500):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError


def handled(dispatch: Dispatch) -> list[bool]:
    return [done for _, done in dispatch.signals.kept()]


def test_it_is_handled_announced_and_marked(parts, make, recorder):
    dispatch, seen = make(), signal()
    start(dispatch, seen)
    wait(lambda: handled(dispatch) == [True])
    assert recorder.handled == [seen]
    assert parts.standing.notice == seen
    [event] = parts.queued()
    assert event["kind"] == "notice_seen"
    assert event["event_id"] == seen.id
    assert event["data"] == {"kind": NOTICE, "time": seen.time}


def test_two_signals_do_not_wait_for_each_other(make, recorder):
    dispatch = make()
    recorder.go.clear()
    start(dispatch, signal())
    start(dispatch, signal(REBALANCE))
    assert dispatch.under_way()
    recorder.go.set()
    wait(lambda: len(recorder.handled) == 2)


def test_what_could_not_be_told_is_given_up_when_its_handler_gives_up(make, recorder):
    dispatch = make()
    recorder.failure = Unreachable("away")
    start(dispatch, signal())
    wait(lambda: handled(dispatch) == [True])


def test_what_the_agents_end_cut_short_is_taken_up_by_the_next(parts, make, recorder):
    dispatch, seen = make(), signal()
    recorder.failure = Unreachable("away")
    parts.stop.set()
    start(dispatch, seen)
    wait(lambda: recorder.handled)
    wait(lambda: not dispatch._busy)
    assert handled(dispatch) == [False]

    recorder.failure = None
    parts.stop.clear()
    again = make()
    again.resume()
    wait(lambda: handled(again) == [True])
    assert recorder.handled == [seen, seen]
    assert len(parts.queued()) == 1  # announced once


def test_fenced_meanwhile_it_is_not_marked(make, recorder):
    dispatch = make()
    recorder.failure = Superseded(409, "superseded", "")
    start(dispatch, signal())
    wait(lambda: recorder.handled and not dispatch._busy)
    assert handled(dispatch) == [False]


def test_what_was_handled_is_not_handled_again_but_still_watched(parts, make, recorder):
    dispatch, seen = make(), signal()
    dispatch.signals.record(seen, now=clock.now())
    dispatch.signals.mark_handled(seen, now=clock.now())
    make().resume()
    assert recorder.handled == []
    assert parts.standing.watched
    assert parts.standing.notice == seen


@pytest.mark.parametrize("done", [True, False])
def test_a_signal_of_long_ago_is_left_alone(parts, make, recorder, done):
    # The machine was stopped for it, and started again.
    dispatch, seen = make(), signal(ends=-3600, detected=-3720)
    dispatch.signals.record(seen, now=clock.now() - timedelta(hours=1))
    if done:
        dispatch.signals.mark_handled(seen, now=clock.now())
    make().resume()
    assert recorder.handled == []
    assert not parts.standing.watched
    assert handled(dispatch) == [True]


def test_under_way_until_the_notices_time(parts, make, recorder):
    dispatch = make()
    assert not dispatch.under_way()
    start(dispatch, signal(ends=120))
    wait(lambda: handled(dispatch) == [True])
    assert dispatch.under_way()
    parts.standing.notice = signal(ends=-1)
    assert not dispatch.under_way()


def test_a_recommendation_is_under_way_only_while_it_is_handled(make, recorder):
    dispatch = make()
    recorder.go.clear()
    start(dispatch, signal(REBALANCE))
    assert dispatch.under_way()
    recorder.go.set()
    wait(lambda: not dispatch.under_way())
