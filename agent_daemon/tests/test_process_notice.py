"""The agent as a process: from a notice in the metadata service to a fenced machine."""

from __future__ import annotations

from typing import Any

from .support.fake_server import utc


def test_registers_starts_the_workload_and_beats(agent, server, hooks):
    hooks.add_all("promoted")
    agent()
    server.wait_for(lambda: len(server.seen("POST", "/heartbeat")) >= 3)
    hooks.wait_ran("promoted")
    server.wait_for(lambda: "workload_started" in server.kinds())

    registration = server.seen("POST", "/register")[0].body
    assert registration["instance_id"] == "i-0aaaaaaaaaaaaaaa1"
    assert registration["mode"] == "spot"
    assert registration["az_id"] == "use1-az4"
    assert registration["hooks"] == ["promoted"]
    assert "is_replica" not in registration
    beat = server.seen("POST", "/heartbeat")[-1].body
    assert beat["status"] == "online"
    assert beat["interval_seconds"] == 0.09
    assert set(beat["metrics"]) == {
        "cpu_utilization",
        "memory_utilization",
        "network_in_mbps",
        "network_out_mbps",
    }


def test_a_notice_is_told_and_the_fenced_machine_stops_for_good(agent, metadata, server, hooks):
    hooks.add_all("promoted", "fenced")

    def promote(_request: Any) -> dict[str, Any]:
        server.supersede(metadata.instance_id)
        return {
            "action_taken": "promoted_replica",
            "replica_id": "replica-1",
            "new_primary_instance_id": "i-new",
            "quiesce_by": None,
        }

    server.on_termination = promote
    process = agent()
    hooks.wait_ran("promoted")
    ends = utc(120)
    metadata.notice(ends)

    assert process.wait() == 0
    assert hooks.ran() == ["promoted", "fenced"]
    [told] = server.seen("POST", "/termination")
    assert told.body["signal_type"] == "termination-notice"
    assert told.body["termination_time"] == ends
    assert told.body["instance_id"] == metadata.instance_id

    # Started again, it stops the workload again and speaks with nobody.
    before = len(server.requests)
    process.start()
    assert process.wait() == 0
    assert hooks.ran() == ["promoted", "fenced", "fenced"]
    assert len(server.requests) == before


def test_with_quiesce_by_it_hands_over_before_it_says_imminent(agent, metadata, server, hooks):
    hooks.add_all("promoted", "quiesce", "sync", "fenced")
    server.on_termination = lambda request: {
        "action_taken": "promoted_replica",
        "quiesce_by": utc(20),
    }
    seen_at_imminent: list[str] = []

    def imminent(_request: Any) -> dict[str, Any]:
        seen_at_imminent.extend(hooks.ran())
        server.supersede(metadata.instance_id)
        return {"failover_initiated": True, "new_primary_instance_id": "i-new"}

    server.on_imminent = imminent
    process = agent()
    hooks.wait_ran("promoted")
    metadata.notice(utc(120))

    assert process.wait() == 0
    assert seen_at_imminent == ["promoted", "quiesce", "sync"]
    assert hooks.ran()[-1] == "fenced"
    [told] = server.seen("POST", "/termination-imminent")
    assert 100 <= told.body["time_until_termination_seconds"] <= 120


def test_under_notice_it_holds_a_request_open(agent, metadata, server, hooks):
    hooks.add_all("fenced")
    process = agent()
    server.wait_for(lambda: server.seen("GET", "/pending-commands"))
    assert "wait" not in server.seen("GET", "/pending-commands")[0].query

    metadata.recommend(utc())
    server.wait_for(lambda: server.seen("POST", "/create-emergency-replica"))
    server.wait_for(lambda: server.seen("GET", "/pending-commands")[-1].query.get("wait") == "25")
    server.supersede(metadata.instance_id)

    assert process.wait() == 0
    hooks.wait_ran("fenced")


def test_a_signal_is_told_once_however_long_it_stands(agent, metadata, server):
    metadata.notice(utc(120))
    process = agent()
    server.wait_for(lambda: "notice_seen" in server.kinds())
    server.wait_for(lambda: '"the server knows"' in process.log.read_text())
    polls = len(metadata.requests)
    metadata.wait_for(lambda: len(metadata.requests) > polls + 10)
    assert len(server.seen("POST", "/termination")) == 1

    process.terminate()
    process.start()
    server.wait_for(lambda: server.kinds().count("agent_started") == 2)
    polls = len(metadata.requests)
    metadata.wait_for(lambda: len(metadata.requests) > polls + 10)
    assert len(server.seen("POST", "/termination")) == 1
    assert server.kinds().count("notice_seen") == 1


def test_a_notice_that_was_not_told_is_taken_up_after_a_restart(agent, metadata, server):
    process = agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    server.stop()
    metadata.notice(utc(120))
    process_log = process.log
    metadata.wait_for(lambda: "no answer yet" in process_log.read_text())
    process.kill()
    metadata.items.pop("spot/instance-action")

    server.start()
    process.start()
    server.wait_for(lambda: server.seen("POST", "/termination"))
