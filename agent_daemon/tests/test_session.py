"""Calls in the agent's name."""

from __future__ import annotations

import math
import threading

import pytest
from spotopt_agent.server import Over, Refused, Superseded, Unauthorised, Unreachable

from .support.http_fake import Answer
from .support.parts import INSTANCE_ID, Parts

LATER = Answer(503, {"message": "later"})


@pytest.fixture
def session(parts):
    parts.session.register()
    return parts.session


def urgent(parts: Parts, *, remaining=lambda: math.inf, **options):
    return parts.session.urgent(
        "POST", "termination", {"x": 1}, timeout=5, remaining=remaining, stop=parts.stop, **options
    )


def test_calls_go_below_the_agents_id(session, server):
    assert session.call("GET", "config")["role"] == "primary"
    assert server.requests[-1].path == "/api/agents/agent-1/config"


def test_before_registration_nobody_is_reached(parts, server):
    with pytest.raises(Unreachable, match="not registered"):
        parts.session.call("GET", "config")
    assert server.requests == []


def test_registering_twice_is_once(session, server):
    session.register()
    assert len(server.requests) == 1


def test_what_register_answered_is_passed_on(session, parts):
    assert parts.answers[0]["config"]["heartbeat_seconds"] == 30


def test_a_refused_token_is_renewed_and_the_call_repeated(session, server, parts):
    server.tokens.clear()
    assert session.call("GET", "config")["role"] == "primary"
    assert [request.path.rsplit("/", 1)[1] for request in server.requests] == [
        "register",
        "config",
        "register",
        "config",
    ]
    assert len(parts.answers) == 2


def test_a_token_refused_twice_is_an_error(session, server):
    no = Answer(401, {"message": "no"})
    server.fail("GET", "/config", no, no)
    with pytest.raises(Unauthorised):
        session.call("GET", "config")
    assert len(server.seen("POST", "/register")) == 2


def test_a_no_is_passed_on(session, server, parts):
    server.fail("GET", "/config", Answer(403, {"message": "no"}))
    with pytest.raises(Refused):
        session.call("GET", "config")
    assert parts.over == []


def test_superseded_it_says_so_once_and_sends_nothing_more(session, server, parts):
    server.supersede(INSTANCE_ID)
    for _ in range(3):
        with pytest.raises(Superseded):
            session.call("GET", "config")
    assert len(parts.over) == 1
    assert len(server.seen("GET", "/config")) == 1


def test_superseded_at_registration_counts_too(parts, server):
    server.supersede(INSTANCE_ID)
    with pytest.raises(Superseded):
        parts.session.register()
    assert len(parts.over) == 1


def test_superseded_at_renewal_counts_too(session, server, parts):
    server.tokens.clear()
    server.supersede(INSTANCE_ID)
    with pytest.raises(Superseded):
        session.call("GET", "config")
    assert len(parts.over) == 1


def test_ended_it_sends_nothing(session, server, parts):
    session.end()
    with pytest.raises(Over):
        session.call("GET", "config")
    assert parts.over == []
    assert server.seen("GET", "/config") == []


def test_what_is_urgent_is_repeated(session, server, parts):
    server.fail("POST", "/termination", LATER, LATER)
    assert urgent(parts)["action_taken"] == "recorded_only"
    assert len(server.seen("POST", "/termination")) == 3


def test_what_is_urgent_waits_for_registration(parts, server):
    done = threading.Event()

    def tell() -> None:
        urgent(parts)
        done.set()

    threading.Thread(target=tell, daemon=True).start()
    assert not done.wait(0.05)
    parts.session.register()
    assert done.wait(5)


def test_an_urgent_no_is_final(session, server, parts):
    server.fail("POST", "/termination", Answer(400, {"message": "bad"}))
    with pytest.raises(Refused, match="bad"):
        urgent(parts)
    assert len(server.seen("POST", "/termination")) == 1


def test_when_its_time_is_up_it_is_given_up(session, server, parts):
    server.fail("POST", "/termination", LATER, LATER, LATER)
    left = iter([10.0, 0.0])
    with pytest.raises(Unreachable, match="later"):
        urgent(parts, remaining=lambda: next(left))
    assert len(server.seen("POST", "/termination")) == 2


def test_a_stop_ends_it(session, server, parts):
    server.stop()
    parts.stop.set()
    with pytest.raises(Unreachable):
        urgent(parts)


def test_an_urgent_call_waits_no_longer_than_its_cap_for_retry_after(session, server, parts):
    server.fail("POST", "/termination", Answer(503, {"message": "later"}, {"Retry-After": "120"}))
    assert urgent(parts, cap=0.05)["status"] == "success"
