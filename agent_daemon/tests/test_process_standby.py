"""The agent as a process, as a standby: joins a slot, synchronises, is promoted."""

from __future__ import annotations

import json

import pytest

from .support.fake_server import AGENT_ID


@pytest.fixture
def standby(server):
    server.role = "standby"
    server.replica_id = "replica-1"
    return server


def test_joins_its_parents_slot_and_starts_nothing(agent, standby, hooks):
    hooks.add_all("promoted")
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    standby.wait_for(lambda: len(standby.seen("POST", "/heartbeat")) >= 2)
    registration = standby.seen("POST", "/register")[0].body
    assert registration["is_replica"] is True
    assert registration["parent_agent_id"] == AGENT_ID
    assert hooks.ran() == []


def test_a_promote_command_reaches_it_on_the_open_request(agent, standby, hooks):
    hooks.add_all("promoted", "fenced")
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID, SPOTOPT_INTERVAL_SCALE="10")
    standby.wait_for(lambda: standby.seen("GET", "/pending-commands"))
    assert standby.seen("GET", "/pending-commands")[0].query == {"wait": "25"}

    standby.role = "primary"
    command_id = standby.command("promote")
    outcome = standby.wait_executed(command_id)
    assert outcome["success"] is True
    assert outcome["result"]["exit_code"] == 0
    assert hooks.ran() == ["promoted"]
    standby.wait_for(lambda: "workload_started" in standby.kinds())


def test_a_promotion_whose_command_was_lost_is_seen_in_the_heartbeat(agent, standby, hooks):
    hooks.add_all("promoted")
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    standby.wait_for(lambda: standby.seen("POST", "/heartbeat"))
    standby.role = "primary"
    hooks.wait_ran("promoted")
    # However often it is said: once.
    beats = len(standby.seen("POST", "/heartbeat"))
    standby.wait_for(lambda: len(standby.seen("POST", "/heartbeat")) >= beats + 3)
    assert hooks.ran() == ["promoted"]


def test_a_promoted_machine_is_still_primary_after_a_restart(agent, standby, hooks):
    hooks.add_all("promoted")
    process = agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    standby.wait_for(lambda: standby.seen("GET", "/pending-commands"))
    standby.role = "primary"
    standby.wait_executed(standby.command("promote"))
    process.kill()
    process.start()
    standby.wait_for(lambda: standby.kinds().count("agent_started") == 2)
    assert len(standby.seen("POST", "/register")) == 1  # its token was kept
    assert hooks.ran() == ["promoted"]
    # No request is held open any more.
    assert standby.wait_for(lambda: standby.seen("GET", "/pending-commands")[-1].query == {})


def test_restores_the_snapshot_before_anything_is_started(agent, server, hooks, tmp_path):
    server.snapshot = {"state": {"cursor": 42}}
    hooks.add("restore", f"cat > {tmp_path}/restored")
    hooks.add("promoted", f"test -s {tmp_path}/restored")
    agent()
    hooks.wait_ran("restore", "promoted")
    server.wait_for(lambda: "workload_started" in server.kinds())
    assert json.loads((tmp_path / "restored").read_text()) == {"state": {"cursor": 42}}


def test_synchronises_and_says_so(agent, standby, hooks):
    standby.config["sync_kind"] = "hook"
    hooks.add_all("sync")
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    standby.wait_for(lambda: len(standby.sync_statuses) >= 3)
    first, second, third = standby.sync_statuses[:3]
    assert first == {"sync_status": "syncing"}
    assert second["sync_status"] == third["sync_status"] == "synced"
    assert second["last_sync_timestamp"] < third["last_sync_timestamp"]
    assert standby.seen("POST", "/replicas/replica-1/sync-status")


def test_says_that_it_holds_no_data_without_a_sync_hook(agent, standby):
    standby.config["sync_kind"] = "hook"
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    standby.wait_for(lambda: len(standby.sync_statuses) >= 2)
    assert [told["sync_status"] for told in standby.sync_statuses[:2]] == ["syncing", "failed"]


def test_a_long_sync_does_not_stand_in_the_way_of_promotion(agent, standby, hooks, tmp_path):
    standby.config["sync_kind"] = "hook"
    hooks.add("sync", f"touch {tmp_path}/syncing; sleep 60")
    hooks.add_all("promoted")
    agent(SPOTOPT_PARENT_AGENT_ID=AGENT_ID)
    hooks.wait_ran("sync")
    standby.role = "primary"
    assert standby.wait_executed(standby.command("promote"), seconds=5)["success"] is True
    assert hooks.ran() == ["sync", "promoted"]
