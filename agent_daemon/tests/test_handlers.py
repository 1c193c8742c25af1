"""What is done about a notice, and about a recommendation."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent.handlers.notice import NoticeHandler
from spotopt_agent.handlers.rebalance import RebalanceHandler
from spotopt_agent.server import Refused, Superseded, Unreachable
from spotopt_agent.signals import NOTICE, REBALANCE, Signal

from .support.fake_server import utc
from .support.http_fake import Answer
from .support.parts import INSTANCE_ID

LATER = Answer(503, {"message": "later"})


def signal(kind: str = NOTICE, *, time: str = "", detected: float = 0) -> Signal:
    return Signal(INSTANCE_ID, kind, time or utc(120), utc(detected), "terminate")


@pytest.fixture
def checked():
    return threading.Event()


@pytest.fixture
def notice(parts, checked):
    parts.session.register()
    return NoticeHandler(
        session=parts.session,
        standing=parts.standing,
        workload=parts.workload,
        check_standing=checked.set,
        stop=parts.stop,
    )


@pytest.fixture
def rebalance(parts):
    parts.session.register()
    return RebalanceHandler(session=parts.session, stop=parts.stop)


def answer(server, **values) -> None:
    server.on_termination = lambda request: {"action_taken": "recorded_only", **values}


def test_the_server_is_told(notice, server, hooks, checked):
    hooks.add_all("quiesce", "sync")
    seen = signal()
    notice.handle(seen)
    [told] = server.seen("POST", "/termination")
    assert told.body == {
        "signal_type": "termination-notice",
        "termination_time": seen.time,
        "instance_id": INSTANCE_ID,
        "detected_at": seen.detected_at,
    }
    # With no quiesce_by there is nothing to quiesce now.
    assert hooks.ran() == []
    assert server.seen("POST", "/termination-imminent") == []
    assert not checked.is_set()


def test_promoted_at_once_it_looks_whether_it_is_fenced(notice, server, checked):
    answer(server, action_taken="promoted_replica", quiesce_by=None)
    notice.handle(signal())
    assert checked.is_set()


@pytest.mark.parametrize("time", ["", "soon", "2025-11-21"])
def test_a_notice_without_a_time_ends_in_two_minutes(notice, server, time):
    seen = Signal(INSTANCE_ID, NOTICE, time, "2025-11-21T12:00:00.000Z", "terminate")
    notice.handle(seen)
    [told] = server.seen("POST", "/termination")
    assert told.body["termination_time"] == "2025-11-21T12:02:00.000Z"


def test_quiesce_then_sync_then_imminent(notice, server, hooks, checked):
    hooks.add_all("quiesce", "sync")
    answer(server, quiesce_by=utc(30))
    notice.handle(signal(time=utc(100)))
    assert hooks.ran() == ["quiesce", "sync"]
    [told] = server.seen("POST", "/termination-imminent")
    assert 95 <= told.body["time_until_termination_seconds"] <= 100
    assert told.body["instance_id"] == INSTANCE_ID
    assert checked.is_set()


def test_hooks_get_no_longer_than_the_server_waits(notice, server, hooks):
    hooks.add("quiesce", "sleep 60")
    hooks.add_all("sync")
    answer(server, quiesce_by=utc(0.5))
    notice.handle(signal())
    assert server.seen("POST", "/termination-imminent")


def test_the_servers_clock_counts_for_quiesce_by(parts, notice, server, hooks):
    parts.standing.clock_offset = -3600.0  # this machine is an hour ahead
    hooks.add("quiesce", "sleep 0.2")
    answer(server, quiesce_by=utc(-3600 + 20))
    notice.handle(signal())
    assert parts.queued()[0]["data"]["exit_code"] == 0


@pytest.mark.parametrize("failing", ["quiesce", "sync"])
def test_a_hook_that_fails_does_not_keep_the_server_waiting(notice, server, hooks, failing):
    hooks.add_all("quiesce", "sync")
    hooks.add(failing, exit_code=1)
    answer(server, quiesce_by=utc(30))
    notice.handle(signal())
    assert len(server.seen("POST", "/termination-imminent")) == 1


def test_a_quiesce_by_that_is_no_time_still_hands_over(notice, server, hooks):
    hooks.add_all("quiesce", "sync")
    answer(server, quiesce_by="soon")
    notice.handle(signal())
    assert server.seen("POST", "/termination-imminent")


def test_it_is_repeated_until_it_is_heard(notice, server):
    server.fail("POST", "/termination", LATER, LATER)
    notice.handle(signal())
    assert len(server.seen("POST", "/termination")) == 3


def test_a_lost_answer_is_asked_for_again(notice, server):
    server.lost += [("POST", "/termination"), ("POST", "/termination")]
    notice.handle(signal())
    assert len(server.seen("POST", "/termination")) == 3


def test_a_no_is_final(notice, server):
    server.fail("POST", "/termination", Answer(400, {"message": "no"}))
    with pytest.raises(Refused):
        notice.handle(signal())


def test_fenced_meanwhile(parts, notice, server):
    server.fail("POST", "/termination", Answer(409, {"message": "", "code": "superseded"}))
    with pytest.raises(Superseded):
        notice.handle(signal())
    assert len(parts.over) == 1


def test_a_stop_cuts_it_short(parts, notice, server):
    server.stop()
    parts.stop.set()
    with pytest.raises(Unreachable):
        notice.handle(signal())


def test_a_recommendation_is_told(rebalance, server):
    seen = signal(REBALANCE)
    rebalance.handle(seen)
    [told] = server.seen("POST", "/create-emergency-replica")
    assert told.body == {
        "signal_type": "rebalance-recommendation",
        "detected_at": seen.detected_at,
        "instance_id": INSTANCE_ID,
    }


def test_a_recommendation_is_repeated_too(rebalance, server):
    server.fail("POST", "/create-emergency-replica", LATER)
    rebalance.handle(signal(REBALANCE))
    assert len(server.seen("POST", "/create-emergency-replica")) == 2


def test_old_news_is_told_once_at_most(rebalance, server):
    server.fail("POST", "/create-emergency-replica", LATER, LATER)
    with pytest.raises(Unreachable):
        rebalance.handle(signal(REBALANCE, detected=-1000))
    assert len(server.seen("POST", "/create-emergency-replica")) == 1
