"""The log of commands."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from spotopt_agent.command_log import KEEP_SECONDS, CommandLog, Outcome
from spotopt_agent.store import Store

NOW = datetime(2025, 11, 21, 12, tzinfo=timezone.utc)
COMMAND = {"command_id": "c-1", "command_type": "switch", "parameters": {"x": 1}}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "q")
    yield store
    store.close()


@pytest.fixture
def log(store):
    return CommandLog(store)


def test_a_new_command_has_no_past(log):
    known = log.start(COMMAND, now=NOW)
    assert known.command == COMMAND
    assert known.progress == {}
    assert known.outcome is None
    assert known.reported is False


def test_what_was_done_is_known_after_a_restart(store, log):
    log.start(COMMAND, now=NOW)
    log.note_progress("c-1", {"replica_id": "r"})
    assert CommandLog(store).start(COMMAND, now=NOW).progress == {"replica_id": "r"}
    log.finish("c-1", Outcome(True, {"new_instance_id": "i"}))
    assert CommandLog(store).start(COMMAND, now=NOW).outcome == Outcome(
        True, {"new_instance_id": "i"}, None
    )


def test_what_was_not_reported_is_taken_up_in_order(log):
    for n in range(3):
        log.start({"command_id": f"c-{n}"}, now=NOW + timedelta(seconds=n))
    log.finish("c-1", Outcome(False, error="no"))
    log.finish("c-2", Outcome(True))
    log.mark_reported("c-2")
    known = log.unreported()
    assert [item.command["command_id"] for item in known] == ["c-0", "c-1"]
    assert known[0].outcome is None
    assert known[1].outcome == Outcome(False, {}, "no")


def test_old_ones_are_forgotten(log):
    log.start(COMMAND, now=NOW)
    log.start({"command_id": "c-2"}, now=NOW + timedelta(seconds=KEEP_SECONDS + 1))
    assert [item.command["command_id"] for item in log.unreported()] == ["c-2"]


def test_as_the_server_takes_it():
    assert Outcome(True).body() == {"success": True, "result": {}, "error": None}
    assert Outcome(False, {"a": 1}, "no").body() == {
        "success": False,
        "result": {"a": 1},
        "error": "no",
    }


def test_a_disk_that_fails_does_not_stop_a_command(store, log):
    store.close()
    known = log.start(COMMAND, now=NOW)
    assert known.command == COMMAND
    log.note_progress("c-1", {})
    log.finish("c-1", Outcome(True))
    log.mark_reported("c-1")
