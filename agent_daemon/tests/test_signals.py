"""Signals seen, and which of them have been dealt with."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from spotopt_agent.signals import NOTICE, REBALANCE, Signal, Signals
from spotopt_agent.store import Store

NOW = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)


def signal(kind: str = NOTICE, time: str = "2025-11-21T12:02:00Z") -> Signal:
    return Signal("i-1", kind, time, "2025-11-21T12:00:00Z", "terminate")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "q")
    yield store
    store.close()


def test_the_id_is_instance_kind_and_time():
    assert signal().id == "i-1:termination-notice:2025-11-21T12:02:00Z"


def test_seen_again_it_is_not_new(store):
    signals = Signals(store)
    assert signals.record(signal(), now=NOW)
    assert not signals.record(signal(), now=NOW)


def test_another_kind_or_time_is_new(store):
    signals = Signals(store)
    signals.record(signal(), now=NOW)
    assert signals.record(signal(REBALANCE), now=NOW)
    assert signals.record(signal(time="2025-11-21T13:00:00Z"), now=NOW)


def test_after_a_restart_it_is_not_new_either(store):
    Signals(store).record(signal(), now=NOW)
    assert not Signals(store).record(signal(), now=NOW)


def test_what_is_kept_says_what_was_handled(store):
    signals = Signals(store)
    first, second = signal(REBALANCE, "2025-11-21T11:00:00Z"), signal()
    signals.record(first, now=NOW)
    signals.record(second, now=NOW)
    signals.mark_handled(first, now=NOW)
    assert Signals(store).kept() == [(first, True), (second, False)]


def test_a_disk_that_fails_does_not_hide_a_signal(store):
    store.close()
    signals = Signals(store)
    assert signals.record(signal(), now=NOW)
    assert not signals.record(signal(), now=NOW)  # remembered all the same
    signals.mark_handled(signal(), now=NOW)
