"""What the short commands do."""

from __future__ import annotations

import pytest
from spotopt_agent.commands.actions import Actions
from spotopt_agent.handlers.notice import NoticeHandler
from spotopt_agent.hooks import Finished
from spotopt_agent.signals import NOTICE, Signal

from .support.fake_server import utc
from .support.parts import IDENTITY, INSTANCE_ID


@pytest.fixture
def synced():
    return []


@pytest.fixture
def actions(parts, server, synced):
    server.role = "standby"
    parts.session.register()

    def sync() -> Finished | None:
        return synced.pop(0) if synced else None

    return Actions(
        session=parts.session,
        identity=IDENTITY,
        standing=parts.standing,
        workload=parts.workload,
        notice=NoticeHandler(
            session=parts.session,
            standing=parts.standing,
            workload=parts.workload,
            check_standing=lambda: None,
            stop=parts.stop,
        ),
        sync=sync,
        hook_seconds=5.0,
    )


def test_promote(parts, actions, hooks):
    hooks.add_all("promoted")
    outcome = actions.promote({}, {})
    assert outcome.success
    assert outcome.result["exit_code"] == 0
    assert parts.registrar.current.role == "primary"


def test_promote_without_a_hook(parts, actions):
    assert actions.promote({}, {}).success
    assert parts.registrar.current.role == "primary"


def test_promote_with_a_hook_that_fails(parts, actions, hooks):
    hooks.add("promoted", exit_code=9)
    outcome = actions.promote({}, {})
    assert not outcome.success
    assert "promoted hook ended with exit code 9" in outcome.error
    assert parts.registrar.current.role == "primary"  # the server has decided that


def test_update_config(parts, actions, server):
    server.config["heartbeat_seconds"] = 11
    assert actions.update_config({}, {}).success
    assert parts.standing.config.heartbeat_seconds == 11


def test_run_sync_is_the_standbys_own(actions, synced):
    synced.append(Finished("sync", 0, 1.5))
    assert actions.run_sync({}, {}).result == {"exit_code": 0, "seconds": 1.5}
    synced.append(Finished("sync", 4, 1.5))
    assert not actions.run_sync({"parameters": {"quiesce": False}}, {}).success
    assert actions.run_sync({"parameters": None}, {}).success  # no hook, no data to copy


def test_run_sync_with_quiesce_without_a_notice(actions, server, hooks):
    hooks.add_all("quiesce", "sync")
    assert actions.run_sync({"parameters": {"quiesce": True}}, {}).success
    assert hooks.ran() == ["quiesce", "sync"]
    [told] = server.seen("POST", "/termination-imminent")
    assert 110 <= told.body["time_until_termination_seconds"] <= 120


def test_run_sync_with_quiesce_and_the_time_that_the_server_knows(actions, server):
    when = utc(60)
    actions.run_sync({"parameters": {"quiesce": True, "termination_time": when}}, {})
    [told] = server.seen("POST", "/termination-imminent")
    assert told.body["termination_time"] == when


def test_run_sync_with_quiesce_under_notice(parts, actions, server):
    notice = Signal(INSTANCE_ID, NOTICE, utc(90), utc())
    parts.standing.see(notice)
    actions.run_sync({"parameters": {"quiesce": True}}, {})
    [told] = server.seen("POST", "/termination-imminent")
    assert told.body["termination_time"] == notice.time


def test_run_sync_with_quiesce_tells_what_went_wrong_and_goes_on(actions, server, hooks):
    hooks.add("quiesce", exit_code=1)
    outcome = actions.run_sync({"parameters": {"quiesce": True}}, {})
    assert not outcome.success
    assert server.seen("POST", "/termination-imminent")


def test_quiescing_is_bounded_by_the_configuration(parts, actions, server, hooks):
    parts.standing.apply({"quiesce_seconds": 0.3})
    hooks.add("quiesce", "sleep 60")
    assert not actions.run_sync({"parameters": {"quiesce": True}}, {}).success
    assert server.seen("POST", "/termination-imminent")


def test_terminate(actions, hooks):
    hooks.add_all("fenced", "promoted")
    assert actions.terminate({}, {}).success
    actions.promote({}, {})
    assert hooks.ran() == ["fenced"]
