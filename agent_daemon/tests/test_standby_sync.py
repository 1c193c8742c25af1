"""A standby's own synchronisation."""

from __future__ import annotations

import pytest
from spotopt_agent import clock
from spotopt_agent.server import Unreachable
from spotopt_agent.standby_sync import StandbySync

from .support.http_fake import Answer


@pytest.fixture
def sync(parts, server):
    server.role, server.replica_id = "standby", "r-1"
    server.config["sync_kind"] = "hook"
    parts.session.register()
    parts.standing.apply(server.config)
    return StandbySync(
        session=parts.session,
        registrar=parts.registrar,
        standing=parts.standing,
        workload=parts.workload,
        seconds=5.0,
    )


def told(server) -> list[str]:
    return [status["sync_status"] for status in server.sync_statuses]


def test_syncing_then_synced(sync, server, hooks, parts):
    hooks.add_all("sync")
    assert sync.step() == 0.6
    assert told(server) == ["syncing", "synced"]
    status = server.sync_statuses[-1]
    assert clock.parse(status["last_sync_timestamp"]) <= clock.now()
    assert status["lag_seconds"] == 0
    assert parts.queued() == []  # its status is its report


def test_afterwards_only_the_outcome(sync, server, hooks):
    hooks.add_all("sync")
    for _ in range(3):
        sync.step()
    assert told(server) == ["syncing", "synced", "synced", "synced"]


def test_a_failure_says_how_old_the_data_is(sync, server, hooks):
    hooks.add_all("sync")
    sync.step()
    good = server.sync_statuses[-1]["last_sync_timestamp"]
    hooks.add("sync", exit_code=1)
    sync.step()
    assert server.sync_statuses[-1]["sync_status"] == "failed"
    assert server.sync_statuses[-1]["last_sync_timestamp"] == good


def test_before_the_first_success_there_is_no_age(sync, server, hooks):
    hooks.add("sync", exit_code=1)
    sync.step()
    assert server.sync_statuses == [{"sync_status": "syncing"}, {"sync_status": "failed"}]


def test_without_a_hook_it_holds_no_data(sync, server):
    sync.step()
    assert told(server) == ["syncing", "failed"]


def test_with_nothing_to_synchronise_it_says_nothing(parts, sync, server, hooks):
    hooks.add_all("sync")
    parts.standing.apply({"sync_kind": "none"})
    assert sync.step() == 0.6
    assert told(server) == []
    assert hooks.ran() == []


def test_as_a_primary_it_ends(parts, sync, server, hooks):
    hooks.add_all("sync")
    parts.registrar.update(role="primary")
    assert sync.step() is None
    assert hooks.ran() == []


def test_promoted_meanwhile_it_says_nothing_more(parts, sync, server, hooks):
    hooks.add_all("sync")
    real = parts.workload.sync

    def promoted_during(**options):
        finished = real(**options)
        parts.registrar.update(role="primary")
        return finished

    parts.workload.sync = promoted_during
    sync.step()
    assert told(server) == ["syncing"]


def test_a_primary_that_is_asked_to_synchronise_tells_no_replica(parts, sync, server, hooks):
    hooks.add_all("sync")
    parts.registrar.update(role="primary")
    assert sync.once().exit_code == 0
    assert told(server) == []
    assert parts.queued()[0]["kind"] == "hook_finished"


def test_without_a_replica_id_there_is_nobody_to_tell(parts, sync, server, hooks):
    hooks.add_all("sync")
    parts.registrar.update(replica_id=None)
    sync.step()
    assert server.sync_statuses == []
    assert hooks.ran() == ["sync"]


def test_an_absent_server_is_passed_on(sync, server, hooks):
    hooks.add_all("sync")
    server.fail("POST", "/sync-status", Answer(503, {"message": "later"}))
    with pytest.raises(Unreachable):
        sync.step()
