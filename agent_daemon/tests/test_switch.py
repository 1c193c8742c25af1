"""A planned switch, step by step."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent.command_log import CommandLog
from spotopt_agent.commands.switch import Switch
from spotopt_agent.server import Superseded, Unreachable
from spotopt_agent.signals import NOTICE, Signal

from .support.fake_server import utc
from .support.http_fake import Answer
from .support.parts import INSTANCE_ID

LATER = Answer(503, {"message": "later"})
QUIESCED = ["quiesce", "sync"]


@pytest.fixture
def switch(parts, hooks):
    hooks.add_all("promoted", "quiesce", "sync")
    parts.session.register()
    return Switch(
        session=parts.session,
        command_log=CommandLog(parts.store),
        standing=parts.standing,
        workload=parts.workload,
        hook_seconds=5.0,
        stop=parts.stop,
    )


@pytest.fixture
def order(server):
    server.command("switch", target_pool_id="t3.medium.use1-az1", target_mode="on-demand")
    return server.commands[-1]


@pytest.fixture
def ready(server):
    """Replicas are ready as soon as they are asked for."""
    real = server._replica

    def at_once(request, rest):
        answer = real(request, rest)
        if request.method == "POST" and not rest:
            for replica in server.replicas.values():
                replica["status"] = "ready"
        return answer

    server._replica = at_once
    return server


def test_it_goes_through(switch, order, ready, hooks):
    outcome = switch(order, {})
    assert outcome.success
    assert outcome.result["new_instance_id"] == "i-new"
    assert outcome.result["switch_duration_seconds"] >= 0
    assert hooks.ran() == QUIESCED
    [asked] = ready.seen("POST", "/replicas")
    assert asked.body == {
        "replica_type": "switch",
        "pool_id": "t3.medium.use1-az1",
        "mode": "on-demand",
        "command_id": order["command_id"],
    }
    assert ready.seen("DELETE", "") == []


@pytest.mark.parametrize("status", ["failed", "terminating", "terminated"])
def test_a_machine_that_is_gone_changes_nothing(switch, order, server, hooks, status):
    server.replicas["r"] = {"replica_id": "r", "status": status}
    outcome = switch(order, {"replica_id": "r", "began": utc()})
    assert not outcome.success
    assert status in outcome.error
    assert hooks.ran() == []


def test_nothing_is_launched_twice_after_a_restart(switch, order, server):
    server.replicas["r"] = {"replica_id": "r", "status": "ready"}
    outcome = switch(order, {"replica_id": "r", "began": utc(-100)})
    assert outcome.success
    assert server.seen("POST", "/replicas") == []
    assert outcome.result["switch_duration_seconds"] >= 100


def test_a_command_that_expires_while_it_waits(switch, order, server, hooks):
    order["expires_at"] = utc(0.15)
    outcome = switch(order, {})
    assert not outcome.success
    assert "expired" in outcome.error
    assert hooks.ran() == []
    assert len(server.seen("GET", "/replicas")) > 2
    [replica] = server.replicas.values()
    assert replica["status"] == "terminated"  # it is not left behind


def test_the_servers_absence_while_it_waits_is_no_failure(switch, order, ready):
    ready.fail("GET", "/replicas", LATER, LATER, Answer(200, {"replicas": []}))
    assert switch(order, {}).success


def test_a_refused_launch_is_told(switch, order, server, hooks):
    server.fail("POST", "/replicas", Answer(409, {"message": "no pool answered"}))
    outcome = switch(order, {})
    assert "no pool answered" in outcome.error
    assert hooks.ran() == []
    assert server.seen("DELETE", "") == []


def test_a_launch_is_asked_for_until_it_is_heard(switch, order, ready):
    ready.fail("POST", "/replicas", LATER)
    assert switch(order, {}).success


def test_an_answer_without_a_replica_is_told(switch, order, server):
    server.fail("POST", "/replicas", Answer(201, {"status": "success"}))
    assert "no replica" in switch(order, {}).error


@pytest.mark.parametrize("failing", ["quiesce", "sync"])
def test_a_planned_switch_insists_on_its_hooks(switch, order, ready, hooks, failing):
    hooks.add(failing, exit_code=1)
    outcome = switch(order, {})
    assert not outcome.success
    assert failing in outcome.error
    assert ready.seen("POST", "/promote") == []
    assert hooks.ran() == ["quiesce", "sync", "promoted"]
    [replica] = ready.replicas.values()
    assert replica["status"] == "terminated"


def test_a_refused_promotion_resumes_the_workload(switch, order, ready, hooks):
    ready.fail("POST", "/promote", Answer(409, {"message": "lost race"}))
    outcome = switch(order, {})
    assert "lost race" in outcome.error
    assert hooks.ran() == ["quiesce", "sync", "promoted"]


def test_under_notice_a_failed_switch_resumes_nothing(parts, switch, order, ready, hooks):
    # The workload is quiet for the emergency, which goes on.
    parts.standing.see(Signal(INSTANCE_ID, NOTICE, utc(120), utc()))
    ready.fail("POST", "/promote", Answer(409, {"message": "lost race"}))
    assert not switch(order, {}).success
    assert hooks.ran() == QUIESCED


def test_a_lost_answer_to_the_promotion_is_asked_for_again(switch, order, ready):
    ready.lost += [("POST", "/promote"), ("POST", "/promote")]
    assert switch(order, {}).success


def test_whether_it_was_promoted_is_asked_before_the_workload_is_resumed(
    switch, order, ready, hooks
):
    # Done, but every answer is lost until the command has expired; then the replica says it.
    order["expires_at"] = utc(0.3)
    real = ready.answer
    lost: list[object] = []

    def answer(request):
        reply = real(request)
        if request.path.endswith("/promote") and len(lost) < 6:
            lost.append(request)
            return Answer(cut=True)
        return reply

    ready.answer = answer
    outcome = switch(order, {})
    assert outcome.success
    assert len(lost) == 6
    assert hooks.ran() == QUIESCED


def test_what_was_not_promoted_is_resumed(switch, order, ready, hooks):
    order["expires_at"] = utc(0.3)
    ready.fail("POST", "/promote", *[LATER] * 50)
    outcome = switch(order, {})
    assert "not accepted" in outcome.error
    assert hooks.ran() == ["quiesce", "sync", "promoted"]


def test_while_nobody_knows_nothing_is_resumed(parts, switch, order, ready, hooks):
    order["expires_at"] = utc(0.3)
    ready.fail("POST", "/promote", *[LATER] * 50)
    real = ready.answer
    silent = threading.Event()

    def answer(request):
        if request.method == "GET" and hooks.ran():
            silent.set()
            return LATER
        return real(request)

    ready.answer = answer
    failures = []

    def run() -> None:
        try:
            switch(order, {})
        except Unreachable as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert silent.wait(5)
    parts.stop.set()
    thread.join(5)
    assert failures
    assert hooks.ran() == QUIESCED


def test_fenced_before_the_answer(parts, switch, order, ready, hooks):
    ready.fail("POST", "/promote", Answer(409, {"message": "", "code": "superseded"}))
    with pytest.raises(Superseded):
        switch(order, {})
    assert len(parts.over) == 1
    assert hooks.ran() == QUIESCED


def test_a_stop_while_it_waits_leaves_it_to_the_next_process(parts, switch, order, server, hooks):
    parts.stop.set()
    with pytest.raises(Unreachable):
        switch(order, {})
    assert hooks.ran() == []
    assert server.seen("DELETE", "") == []


def test_two_switches_do_not_run_at_once(switch, order, server, hooks):
    server.command("switch", target_pool_id="p", target_mode="spot")
    orders = list(server.commands)
    threads = [threading.Thread(target=switch, args=(each, {})) for each in orders]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: len(server.seen("GET", "/replicas")) > 3)
    assert len(server.replicas) == 1
    for _ in range(2):
        server.wait_for(
            lambda: [r for r in server.replicas.values() if r["status"] == "launching"]
        )[0]["status"] = "failed"
    for thread in threads:
        thread.join(5)
    assert len(server.replicas) == 2


def test_without_parameters_or_expiry_it_still_ends(switch, server):
    server.fail("POST", "/replicas", Answer(400, {"message": "which pool?"}))
    outcome = switch({"command_id": "c"}, {})
    assert "which pool?" in outcome.error
