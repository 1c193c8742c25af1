"""One heartbeat."""

from __future__ import annotations

import pytest
from spotopt_agent import __version__
from spotopt_agent.heartbeat import Heartbeat
from spotopt_agent.server import Refused, Unreachable

from .support.http_fake import Answer
from .support.parts import IDENTITY, INSTANCE_ID


class Told:
    """What the heartbeat set off."""

    def __init__(self) -> None:
        self.promoted = 0
        self.answered = 0


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def beat(parts, told):
    parts.session.register()

    def promoted() -> None:
        told.promoted += 1

    def answered() -> None:
        told.answered += 1

    return Heartbeat(
        session=parts.session,
        identity=IDENTITY,
        standing=parts.standing,
        registrar=parts.registrar,
        workload=parts.workload,
        hooks=parts.hooks,
        events=parts.events,
        on_promoted=promoted,
        on_answer=answered,
    )


def last(server):
    return server.seen("POST", "/heartbeat")[-1].body


def test_what_is_said(beat, server, hooks, told):
    hooks.add_all("promoted", "fenced")
    assert 0 < beat.step() <= 0.3
    body = last(server)
    body.pop("metrics", None)
    assert body == {
        "status": "online",
        "current_mode": "spot",
        "instance_id": INSTANCE_ID,
        "uptime_seconds": 0,
        "interval_seconds": 0.3,
        "hooks": ["promoted", "fenced"],
        "agent_version": __version__,
    }
    assert told.answered == 1


def test_a_whole_interval_is_a_whole_number(parts, beat, server):
    parts.standing.scale = 1.0
    beat.step()
    assert last(server)["interval_seconds"] == 30
    assert isinstance(last(server)["interval_seconds"], int)


def test_the_configured_interval_holds(parts, beat, server):
    parts.standing.apply({"heartbeat_seconds": 10})
    assert beat.step() <= 0.1
    assert last(server)["interval_seconds"] == 0.1


def test_the_state_goes_with_it(parts, beat, server, hooks):
    hooks.add("state", """echo '{"cursor": 1}'""")
    beat.step()
    assert last(server)["state"] == {"cursor": 1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_not_liked_beside_it_does_not_silence_it(beat, server, hooks, status):
    hooks.add("state", "echo '{}'")
    server.fail("POST", "/heartbeat", Answer(status, {"message": "no such state"}))
    beat.step()
    first, second = server.seen("POST", "/heartbeat")
    assert "state" in first.body
    assert "state" not in second.body
    assert "metrics" not in second.body
    assert second.body["instance_id"] == INSTANCE_ID


def test_a_no_to_the_heartbeat_itself_is_passed_on(beat, server, told):
    server.fail("POST", "/heartbeat", Answer(403, {"message": "no"}))
    with pytest.raises(Refused):
        beat.step()
    assert told.answered == 0


def test_an_absent_server_is_passed_on(beat, server, told):
    server.stop()
    with pytest.raises(Unreachable):
        beat.step()
    assert told.answered == 0


def test_waiting_commands_wake_the_inbox(parts, beat, server):
    beat.step()
    assert not parts.standing.wake_commands.is_set()
    server.command("update_config")
    beat.step()
    assert parts.standing.wake_commands.is_set()


def test_a_standby_learns_that_it_is_primary(parts, beat, server, told):
    parts.registrar.update(role="standby")
    server.role = "standby"
    beat.step()
    assert told.promoted == 0
    server.role = "primary"
    beat.step()
    assert told.promoted == 1


def test_a_primary_is_not_told_again(beat, told):
    beat.step()
    beat.step()
    assert told.promoted == 0


def test_clocks_that_differ_are_reported_once(parts, beat, server):
    server.clock_ahead = 100.0
    beat.step()
    beat.step()
    [event] = parts.queued()
    assert event["kind"] == "clock_skew"
    assert abs(event["data"]["seconds"] - 100) < 1
