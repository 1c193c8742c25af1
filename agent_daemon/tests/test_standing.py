"""What the machine knows of its own situation."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from spotopt_agent import clock, standing
from spotopt_agent.signals import NOTICE, REBALANCE, Signal
from spotopt_agent.standing import Standing

NOW = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)


def signal(kind: str = NOTICE, *, time: str = "", detected: datetime = NOW) -> Signal:
    return Signal("i-1", kind, time, clock.text(detected))


def at(seconds: float) -> str:
    return clock.text(NOW + timedelta(seconds=seconds))


def test_intervals_are_scaled():
    assert Standing(scale=0.5).interval(30) == 15


def test_a_signal_makes_it_watched_and_wakes_the_inbox():
    now = Standing(scale=1)
    now.see(signal(REBALANCE))
    assert now.watched
    assert now.wake_commands.is_set()
    assert now.notice is None
    now.see(signal())
    assert now.notice == signal()


def test_the_servers_clock_is_used_for_the_servers_times():
    now = Standing(scale=1)
    moment = clock.now() + timedelta(seconds=100)
    assert 99 < now.seconds_until(moment) <= 100
    now.note_server_time(clock.text(clock.now() + timedelta(seconds=60)))
    assert 39 < now.seconds_until(moment) < 41


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, False), (1, False), (20, False), (45, True), (-45, True)]
)
def test_a_great_difference_of_clocks_is_told(ahead, told):
    offset = Standing(scale=1).note_server_time(clock.text(clock.now() + timedelta(seconds=ahead)))
    assert (offset is not None) == told
    if told:
        assert abs(offset - ahead) < 1


def test_it_is_told_once():
    now = Standing(scale=1)
    assert now.note_server_time(clock.text(clock.now() + timedelta(seconds=100))) is not None
    assert now.note_server_time(clock.text(clock.now() + timedelta(seconds=101))) is None
    assert now.note_server_time(clock.text(clock.now())) == 0.0  # mended


def test_a_small_difference_is_travel_time():
    now = Standing(scale=1)
    now.note_server_time(clock.text(clock.now() - timedelta(seconds=1)))
    assert now.clock_offset == 0.0


@pytest.mark.parametrize("text", [None, "", "soon", 5])
def test_no_server_time_no_difference(text):
    assert Standing(scale=1).note_server_time(text) is None


def test_a_notices_end_is_its_time_or_two_minutes_on():
    assert standing.termination_time(signal(time=at(90))) == NOW + timedelta(seconds=90)
    assert standing.termination_time(signal(time="")) == NOW + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("seen", "until"),
    [
        (signal(time=at(90)), 90),
        (signal(time=at(3)), 15),
        (signal(time=at(-500)), 15),  # this machine's clock may be the one that is wrong
        (signal(REBALANCE, time=at(0)), 900),
    ],
)
def test_how_long_a_signal_is_reported(seen, until):
    assert standing.report_until(seen, now=NOW) == NOW + timedelta(seconds=until)


@pytest.mark.parametrize(
    ("seen", "stale"),
    [
        (signal(time=at(90)), False),
        (signal(time=at(-30)), False),
        (signal(time=at(-61)), True),
        (signal(REBALANCE, detected=NOW - timedelta(seconds=800)), False),
        (signal(REBALANCE, detected=NOW - timedelta(seconds=901)), True),
    ],
)
def test_when_a_kept_signal_has_lost_its_meaning(seen, stale):
    assert standing.is_stale(seen, now=NOW) is stale
