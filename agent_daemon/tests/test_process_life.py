"""The agent as a process: starts, ends, absences, and what outlives them."""

from __future__ import annotations

import json
import time

import pytest

from .support.fake_metadata import FakeMetadata
from .support.fake_server import CLIENT_TOKEN, utc
from .support.http_fake import Answer


def test_ends_at_once_on_sigterm(agent, server):
    process = agent(SPOTOPT_INTERVAL_SCALE="1")
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    assert process.terminate() == 0  # waits for no longer than a few seconds


def test_a_start_that_sigterm_cut_short_is_done_by_the_next(agent, server, hooks, tmp_path):
    hooks.add("promoted", f"test -e {tmp_path}/second || sleep 60")
    process = agent()
    hooks.wait_ran("promoted")
    assert process.terminate() == 0
    (tmp_path / "second").touch()
    process.start()
    server.wait_for(lambda: "workload_started" in server.kinds())
    assert hooks.ran() == ["promoted", "promoted"]


def test_ends_on_sigterm_while_the_metadata_service_is_away(agent, metadata):
    metadata.stop()
    process = agent()
    while not process.log.exists() or "not known yet" not in process.log.read_text():
        time.sleep(0.02)
    assert process.terminate() == 0


def test_events_queued_while_the_server_is_away_arrive_once_after_kill_9(agent, metadata, server):
    process = agent()
    server.wait_for(lambda: "agent_started" in server.kinds())
    server.stop()
    times = [utc(-5 + n) for n in range(5)]
    for n, when in enumerate(times):
        metadata.recommend(when)
        metadata.wait_for(lambda n=n: process.log.read_text().count('"signal seen"') == n + 1)
    process.kill()
    metadata.items.pop("events/recommendations/rebalance")

    server.lost.append(("POST", "/events"))  # and the first answer is lost on top of that
    server.start()
    process.start()
    server.wait_for(lambda: server.kinds().count("agent_started") == 2)
    seen = [event for event in server.events if event["kind"] == "notice_seen"]
    assert [event["data"]["time"] for event in seen] == times
    assert len({event["event_id"] for event in server.events}) == len(server.events)
    assert len(server.seen("POST", "/events")) > len(server.batches) - 1


def test_a_server_that_is_away_at_the_start_is_waited_for(agent, server, hooks):
    hooks.add_all("promoted")
    server.stop()
    process = agent()
    while not process.log.exists() or "did not take it" not in process.log.read_text():
        time.sleep(0.02)
    server.start()
    hooks.wait_ran("promoted")


def test_a_notice_before_registration_is_told_after_it(agent, metadata, server):
    server.fail("POST", "/register", Answer(503, {"message": "later"}))
    metadata.notice(utc(120))
    agent()
    server.wait_for(lambda: server.seen("POST", "/termination"))


def test_a_second_address_is_tried(agent, server):
    agent(SPOTOPT_SERVER_URL=f"http://127.0.0.1:9,{server.url}")
    server.wait_for(lambda: len(server.seen("POST", "/heartbeat")) >= 2)


def test_a_clone_speaks_with_nothing_of_its_original(agent, environment, metadata, server):
    process = agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    server.stop()
    metadata.recommend(utc())
    metadata.wait_for(lambda: '"signal seen"' in process.log.read_text())
    process.kill()
    server.start()
    before = len(server.requests)
    old_tokens = set(server.tokens)

    other = FakeMetadata("i-0bbbbbbbbbbbbbbb2")
    try:
        agent(AWS_EC2_METADATA_SERVICE_ENDPOINT=other.url)
        server.wait_for(
            lambda: any(event["event_id"].startswith("i-0bbb") for event in server.events)
        )
    finally:
        other.stop()
    spoken = [request.headers["authorization"] for request in server.requests[before:]]
    assert spoken[0] == f"Bearer {CLIENT_TOKEN}"
    assert not {f"Bearer {token}" for token in old_tokens} & set(spoken)
    assert "notice_seen" not in server.kinds()


def test_a_refused_token_is_renewed(agent, server):
    process = agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    server.tokens.clear()
    server.wait_for(lambda: len(server.seen("POST", "/register")) == 2)
    beats = len(server.seen("POST", "/heartbeat"))
    server.wait_for(lambda: len(server.seen("POST", "/heartbeat")) > beats + 2)
    assert process.terminate() == 0


def test_the_same_metadata_error_three_times_ends_it_on_purpose(agent, metadata, server):
    process = agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    metadata.failing = 500
    assert process.wait() == 3


def test_without_any_identity_it_ends_on_purpose(agent, metadata):
    metadata.failing = 500
    assert agent().wait() == 3


def test_a_metadata_outage_does_not_stop_the_report_of_a_notice(agent, metadata, server):
    process = agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    server.stop()
    metadata.notice(utc(120))
    metadata.wait_for(lambda: "no answer yet" in process.log.read_text())
    metadata.failing = 500
    metadata.wait_for(lambda: "a signal is being dealt with" in process.log.read_text())
    server.start()
    server.wait_for(lambda: server.seen("POST", "/termination"))


def test_released_it_leaves_the_workload_alone_until_it_rejoins(agent, metadata, server, hooks):
    hooks.add_all("promoted", "fenced")
    process = agent()
    hooks.wait_ran("promoted")
    server.released.add(metadata.instance_id)
    assert process.wait() == 0
    process.start()
    assert process.wait() == 0
    assert hooks.ran() == ["promoted"]

    assert process.command("rejoin").returncode == 0
    process.start()
    beats = len(server.seen("POST", "/heartbeat"))
    server.wait_for(lambda: len(server.seen("POST", "/heartbeat")) > beats + 2)


def test_status_tells_what_is_known(agent, server, metadata):
    process = agent()
    server.wait_for(lambda: len(server.seen("POST", "/heartbeat")) >= 2)
    server.wait_for(lambda: "agent_started" in server.kinds())
    told = process.command("status", "--json")
    assert told.returncode == 0
    [state] = json.loads(told.stdout)
    assert state["running"] is True
    assert state["instance_id"] == metadata.instance_id
    assert state["role"] == "primary"
    assert state["last_heartbeat"]

    process.terminate()
    told = process.command("status")
    assert told.returncode == 3
    assert "agent-1" in told.stdout


def test_there_is_one_agent_for_one_instance(agent, server):
    agent()
    server.wait_for(lambda: server.seen("POST", "/heartbeat"))
    second = agent()
    assert second.wait() == 1
    assert "another agent runs" in second.log.read_text()


@pytest.mark.parametrize("name", ["SPOTOPT_SERVER_URL", "SPOTOPT_INTERVAL_SCALE"])
def test_a_bad_setting_is_named(agent, name):
    process = agent(**{name: "nonsense"})
    assert process.wait() == 2
    assert name in process.log.read_text()


def test_the_log_is_json_without_secrets(agent, server):
    process = agent()
    server.wait_for(lambda: "agent_started" in server.kinds())
    process.terminate()
    lines = process.lines()
    assert {"registered", "stopping"} <= {line["message"] for line in lines}
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    text = process.log.read_text()
    assert CLIENT_TOKEN not in text
    assert not any(token in text for token in server.tokens)


def test_version(agent):
    process = agent()
    assert json.loads(process.command("version", "--json").stdout)["version"]
