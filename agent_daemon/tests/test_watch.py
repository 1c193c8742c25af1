"""The monitors, and what runs them."""

from __future__ import annotations

import pytest
from spotopt_agent.metadata import Metadata, MetadataError
from spotopt_agent.monitors import rebalance, termination
from spotopt_agent.monitors.watch import Watch
from spotopt_agent.signals import NOTICE, REBALANCE, Signals

WHEN = "2025-11-21T12:02:00Z"


class Watched:
    """A watch, what it handled, and why it called the metadata service broken."""

    def __init__(self, parts, metadata) -> None:
        self.handled: list = []
        self.broken: list[str] = []
        self.watch = Watch(
            monitors=(termination.check, rebalance.check),
            metadata=Metadata(metadata.url),
            instance_id=metadata.instance_id,
            standing=parts.standing,
            signals=Signals(parts.store),
            handle=self.handled.append,
            on_broken=self.broken.append,
        )

    def steps(self, count: int) -> list[float]:
        return [self.watch.step() for _ in range(count)]


@pytest.fixture
def watched(parts, metadata):
    return Watched(parts, metadata)


@pytest.mark.parametrize("action", ["terminate", "stop", "hibernate"])
def test_a_notice(metadata, action):
    metadata.notice(WHEN, action)
    found = termination.check(Metadata(metadata.url), "i-1")
    assert found is not None
    assert found.kind == NOTICE
    assert found.time == WHEN
    assert found.action == action
    assert found.id == f"i-1:termination-notice:{WHEN}"
    assert found.detected_at.endswith("Z")


def test_a_recommendation(metadata):
    metadata.recommend(WHEN)
    found = rebalance.check(Metadata(metadata.url), "i-1")
    assert found is not None
    assert found.kind == REBALANCE
    assert found.time == WHEN


@pytest.mark.parametrize("check", [termination.check, rebalance.check])
def test_none(metadata, check):
    assert check(Metadata(metadata.url), "i-1") is None


@pytest.mark.parametrize("check", [termination.check, rebalance.check])
def test_a_monitor_passes_errors_on(metadata, check):
    metadata.failing = 500
    with pytest.raises(MetadataError):
        check(Metadata(metadata.url), "i-1")


def test_a_signal_without_a_time_is_one(metadata):
    metadata.items["spot/instance-action"] = {"action": "terminate"}
    found = termination.check(Metadata(metadata.url), "i-1")
    assert found is not None
    assert found.time == ""


def test_each_signal_is_handled_once(watched, metadata):
    watched.steps(2)
    metadata.notice(WHEN)
    metadata.recommend(WHEN)
    watched.steps(3)
    assert [signal.kind for signal in watched.handled] == [NOTICE, REBALANCE]


def test_one_token_and_one_connection_serve_all_looks(watched, metadata):
    watched.steps(10)
    assert len(metadata.seen("PUT", "/token")) == 1
    assert metadata.connections == 1


def test_the_interval_is_the_configured_one_scaled(watched, parts):
    assert watched.watch.step() == 0.02
    parts.standing.apply({"metadata_poll_seconds": 10})
    assert watched.watch.step() == 0.1


def test_the_same_error_three_times_in_a_row_is_broken(watched, metadata):
    metadata.failing = 500
    watched.steps(2)
    assert watched.broken == []
    watched.steps(1)
    assert len(watched.broken) == 1
    watched.steps(2)
    assert len(watched.broken) == 1  # counted anew
    watched.steps(1)
    assert len(watched.broken) == 2


def test_a_success_between_them_forgives(watched, metadata):
    for _ in range(3):
        metadata.failing = 500
        watched.steps(2)
        metadata.failing = None
        watched.steps(1)
    assert watched.broken == []


def test_different_errors_are_not_the_same(watched, metadata):
    for status in (500, 502, 500, 502, 500, 502):
        metadata.failing = status
        watched.steps(1)
    assert watched.broken == []


def test_throttled_it_asks_less_and_is_not_broken(watched, metadata):
    metadata.failing = 503
    waits = watched.steps(6)
    assert watched.broken == []
    assert all(wait > 0.025 for wait in waits)
    assert max(waits[3:]) > waits[0]
    metadata.failing = None
    assert watched.watch.step() == 0.02


def test_a_signal_behind_a_broken_item_is_seen_when_it_is_mended(watched, metadata):
    metadata.items["spot/instance-action"] = "half a"
    metadata.recommend(WHEN)
    watched.steps(1)
    metadata.notice(WHEN)
    watched.steps(1)
    assert [signal.kind for signal in watched.handled] == [NOTICE, REBALANCE]
