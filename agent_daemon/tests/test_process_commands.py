"""The agent as a process: commands."""

from __future__ import annotations

import pytest

from .support.http_fake import Answer


@pytest.fixture
def primary(agent, server, hooks):
    """A primary whose workload runs, with every hook."""
    hooks.add_all("promoted", "quiesce", "sync", "fenced")
    process = agent()
    hooks.wait_ran("promoted")
    server.wait_for(lambda: server.seen("GET", "/pending-commands"))
    return process


def test_a_switch_from_order_to_fencing(primary, server, hooks, metadata):
    command_id = server.command(
        "switch", target_pool_id="t3.medium.use1-az1", target_mode="spot", reason="cost"
    )
    [replica] = server.wait_for(lambda: list(server.replicas.values()))
    assert replica["replica_type"] == "switch"
    assert replica["pool_id"] == "t3.medium.use1-az1"
    assert replica["mode"] == "spot"
    assert replica["command_id"] == command_id
    looks = len(server.seen("GET", "/replicas"))
    server.wait_for(lambda: len(server.seen("GET", "/replicas")) > looks + 2)
    assert hooks.ran() == ["promoted"]  # quiesced only when the other machine is ready

    replica["status"] = "ready"
    outcome = server.wait_executed(command_id)
    server.supersede(metadata.instance_id)
    assert outcome["success"] is True
    assert outcome["result"]["new_instance_id"] == "i-new"
    assert outcome["result"]["switch_duration_seconds"] > 0
    assert primary.wait() == 0
    assert hooks.ran() == ["promoted", "quiesce", "sync", "fenced"]


def test_a_switch_whose_machine_fails_changes_nothing(primary, server, hooks):
    command_id = server.command("switch", target_pool_id="p", target_mode="spot")
    [replica] = server.wait_for(lambda: list(server.replicas.values()))
    replica["status"] = "failed"
    outcome = server.wait_executed(command_id)
    assert outcome["success"] is False
    assert "failed" in outcome["error"]
    assert hooks.ran() == ["promoted"]


def test_a_refused_promotion_starts_the_workload_again(primary, server, hooks):
    server.fail("POST", "/promote", Answer(409, {"message": "lost race", "code": "conflict"}))
    command_id = server.command("switch", target_pool_id="p", target_mode="spot")
    [replica] = server.wait_for(lambda: list(server.replicas.values()))
    replica["status"] = "ready"
    outcome = server.wait_executed(command_id)
    assert outcome["success"] is False
    assert hooks.ran() == ["promoted", "quiesce", "sync", "promoted"]
    server.wait_for(lambda: server.seen("DELETE", replica["replica_id"]))


def test_a_switch_survives_the_agents_death(primary, server, hooks):
    command_id = server.command("switch", target_pool_id="p", target_mode="spot")
    server.wait_for(lambda: server.seen("GET", "/replicas"))
    primary.kill()
    primary.start()
    [replica] = server.replicas.values()
    replica["status"] = "ready"
    assert server.wait_executed(command_id)["success"] is True
    assert len(server.replicas) == 1
    assert len(server.seen("POST", "/replicas")) == 1
    assert hooks.ran() == ["promoted", "quiesce", "sync"]


def test_a_command_is_carried_out_once_and_reported_until_heard(primary, server, hooks):
    server.fail(
        "POST", "/executed", Answer(503, {"message": "later"}), Answer(503, {"message": "later"})
    )
    command_id = server.command("run_sync")
    assert server.wait_executed(command_id)["success"] is True
    assert len(server.seen("POST", f"{command_id}/executed")) == 3
    assert hooks.ran() == ["promoted", "sync"]


def test_run_sync_with_quiesce_hands_over(primary, server, hooks):
    command_id = server.command("run_sync", quiesce=True)
    assert server.wait_executed(command_id)["success"] is True
    assert hooks.ran() == ["promoted", "quiesce", "sync"]
    [told] = server.seen("POST", "/termination-imminent")
    assert told.body["time_until_termination_seconds"] > 0


def test_update_config_is_fetched_and_applied(primary, server):
    server.config["heartbeat_seconds"] = 7
    assert server.wait_executed(server.command("update_config"))["success"] is True
    server.wait_for(lambda: server.seen("POST", "/heartbeat")[-1].body["interval_seconds"] == 0.021)


def test_terminate_stops_the_workload_and_the_agent(primary, server, hooks):
    command_id = server.command("terminate")
    assert server.wait_executed(command_id)["success"] is True
    assert primary.wait() == 0
    assert hooks.ran() == ["promoted", "fenced"]
    assert server.kinds()[-3:] == ["hook_finished", "workload_stopped", "fenced"]
    primary.start()
    assert primary.wait() == 0
    assert hooks.ran()[-1] == "fenced"


def test_an_unknown_command_is_refused_in_words(primary, server):
    outcome = server.wait_executed(server.command("dance"))
    assert outcome["success"] is False
    assert "dance" in outcome["error"]


def test_a_hook_that_fails_fails_the_command(primary, server, hooks):
    hooks.add("sync", exit_code=3)
    outcome = server.wait_executed(server.command("run_sync"))
    assert outcome["success"] is False
    assert outcome["result"]["exit_code"] == 3
