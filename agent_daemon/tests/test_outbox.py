"""The queue: order, bounds, and ids."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from spotopt_agent.outbox import EVENT, PRICE, TRIM_EVERY, Events, Outbox
from spotopt_agent.store import Store

NOW = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "q")
    yield store
    store.close()


@pytest.fixture
def outbox(store):
    return Outbox(store)


def fill(outbox: Outbox, kind: str, count: int, *, start: int = 0, now: datetime = NOW) -> None:
    for n in range(start, start + count):
        outbox.add(kind, f"{kind}-{n}", {"n": n}, now=now)


def numbers(outbox: Outbox, kind: str, limit: int = 1000) -> list[int]:
    return [entry.body["n"] for entry in outbox.head(kind, limit)]


def test_oldest_first_and_kinds_apart(outbox):
    fill(outbox, EVENT, 3)
    fill(outbox, PRICE, 2)
    assert numbers(outbox, EVENT) == [0, 1, 2]
    assert numbers(outbox, EVENT, 2) == [0, 1]
    assert numbers(outbox, PRICE) == [0, 1]
    assert outbox.count() == 5


def test_the_same_id_is_queued_once(outbox):
    fill(outbox, EVENT, 2)
    fill(outbox, EVENT, 3)
    assert numbers(outbox, EVENT) == [0, 1, 2]


def test_what_was_delivered_is_gone_and_no_more(outbox):
    fill(outbox, EVENT, 4)
    outbox.remove(outbox.head(EVENT, 2))
    assert numbers(outbox, EVENT) == [2, 3]


def test_order_holds_after_removal_and_reopening(store, outbox):
    fill(outbox, EVENT, 3)
    outbox.remove(outbox.head(EVENT, 3))
    again = Outbox(store)
    fill(again, EVENT, 2, start=3)
    assert numbers(again, EVENT) == [3, 4]
    sequence = [entry.seq for entry in again.head(EVENT, 9)]
    assert sequence == [4, 5]  # numbers are never used twice


def test_clear(outbox):
    fill(outbox, EVENT, 2)
    fill(outbox, PRICE, 2)
    outbox.clear()
    assert outbox.count() == 0


def test_adding_wakes_the_delivery(outbox):
    assert not outbox.added.is_set()
    fill(outbox, EVENT, 1)
    assert outbox.added.is_set()


@pytest.mark.parametrize(("kind", "days"), [(EVENT, 7), (PRICE, 90)])
def test_each_kind_has_its_age(outbox, kind, days):
    fill(outbox, kind, 1, now=NOW - timedelta(days=days, seconds=1))
    fill(outbox, kind, 1, start=1, now=NOW - timedelta(days=days) + timedelta(seconds=1))
    assert outbox.trim(now=NOW) == 1
    assert numbers(outbox, kind) == [1]


def test_too_many_rows_cost_the_oldest_prices_first(store):
    outbox = Outbox(store, max_rows=5)
    fill(outbox, EVENT, 3)
    fill(outbox, PRICE, 4)
    assert outbox.trim(now=NOW) == 2
    assert numbers(outbox, EVENT) == [0, 1, 2]
    assert numbers(outbox, PRICE) == [2, 3]


def test_then_the_oldest_events(store):
    outbox = Outbox(store, max_rows=5)
    fill(outbox, PRICE, 2)
    fill(outbox, EVENT, 7)
    outbox.trim(now=NOW)
    assert numbers(outbox, EVENT) == [2, 3, 4, 5, 6]
    assert numbers(outbox, PRICE) == []


def test_too_many_bytes_cost_the_oldest(store):
    outbox = Outbox(store, max_bytes=1000)
    for n in range(5):
        outbox.add(EVENT, str(n), {"n": n, "text": "x" * 300}, now=NOW)
    outbox.trim(now=NOW)
    assert numbers(outbox, EVENT) == [2, 3, 4]


def test_nothing_is_dropped_within_bounds(outbox):
    fill(outbox, EVENT, 10)
    assert outbox.trim(now=NOW) == 0


def test_bounds_hold_while_adding(store):
    outbox = Outbox(store, max_rows=10)
    fill(outbox, PRICE, TRIM_EVERY * 3)
    assert outbox.count() == 10
    assert numbers(outbox, PRICE)[-1] == TRIM_EVERY * 3 - 1


def test_events_get_their_id_where_they_are_born(outbox):
    events = Events(outbox, "i-1")
    events.add("hook_finished", {"hook": "sync"})
    events.add("hook_finished", {"hook": "sync"})
    first, second = (entry.body for entry in outbox.head(EVENT, 9))
    assert first["kind"] == "hook_finished"
    assert first["data"] == {"hook": "sync"}
    assert first["at"].endswith("Z")
    assert first["event_id"].startswith("i-1:hook_finished:")
    assert first["event_id"] != second["event_id"]
    assert len(first["event_id"]) <= 128


def test_an_event_with_an_id_of_its_own_is_queued_once(outbox):
    events = Events(outbox, "i-1")
    for _ in range(3):
        events.add("notice_seen", {}, event_id="i-1:termination-notice:T")
    assert outbox.count() == 1


def test_a_disk_that_fails_costs_the_event_and_nothing_else(store, outbox):
    store.close()
    Events(outbox, "i-1").add("agent_started", {})
