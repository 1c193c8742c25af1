"""Carrying commands out once and reporting them."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent import clock
from spotopt_agent.command_log import CommandLog, Outcome
from spotopt_agent.commands.runner import Runner
from spotopt_agent.server import Superseded, Unreachable

from .support.http_fake import Answer
from .support.parts import INSTANCE_ID

LATER = Answer(503, {"message": "later"})


class Bench:
    """A runner with one action, ``work``, that waits for ``go``."""

    def __init__(self, parts) -> None:
        self.parts = parts
        self.go = threading.Event()
        self.go.set()
        self.calls: list[tuple[dict, dict]] = []
        self.after = threading.Event()
        self.outcome: Outcome | Exception = Outcome(True, {"n": 1})
        self.log = CommandLog(parts.store)
        self.runner = self.again()

    def again(self) -> Runner:
        return Runner(
            session=self.parts.session,
            command_log=self.log,
            standing=self.parts.standing,
            actions={"work": self.work},
            after={"work": self.after.set},
            stop=self.parts.stop,
        )

    def work(self, command, progress) -> Outcome:
        self.calls.append((command, progress))
        assert self.go.wait(5)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def idle(self) -> bool:
        return not self.runner._active


@pytest.fixture
def bench(parts):
    parts.session.register()
    return Bench(parts)


def command(server, kind: str = "work"):
    server.command(kind)
    return server.commands[-1]


def test_done_reported_and_followed_up(bench, server):
    order = command(server)
    bench.runner.take(order)
    assert server.wait_executed(order["command_id"]) == {
        "success": True,
        "result": {"n": 1},
        "error": None,
    }
    assert bench.after.wait(5)
    assert bench.calls == [(order, {})]
    assert bench.parts.standing.wake_commands.wait(5)


def test_given_out_again_while_it_is_done_it_is_done_once(bench, server):
    order = command(server)
    bench.go.clear()
    for _ in range(3):
        bench.runner.take(order)
    bench.go.set()
    server.wait_executed(order["command_id"])
    assert len(bench.calls) == 1


def test_given_out_again_afterwards_it_is_only_reported_again(bench, server):
    order = command(server)
    bench.runner.take(order)
    server.wait_executed(order["command_id"])
    server.wait_for(bench.idle)
    bench.runner.take(order)
    server.wait_for(lambda: len(server.seen("POST", "/executed")) == 2)
    assert len(bench.calls) == 1


def test_reported_until_heard(bench, server):
    order = command(server)
    server.fail("POST", "/executed", LATER, LATER)
    bench.runner.take(order)
    server.wait_executed(order["command_id"])
    assert len(bench.calls) == 1


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_server_that_wants_no_report_gets_none(bench, server, status):
    order = command(server)
    server.fail("POST", "/executed", Answer(status, {"message": "unknown"}))
    bench.runner.take(order)
    server.wait_for(lambda: server.seen("POST", "/executed") and bench.idle())
    assert bench.log.unreported() == []


@pytest.mark.parametrize(
    ("failure", "words"), [(ValueError("odd"), "odd"), (Unreachable("away"), "away")]
)
def test_a_failure_is_reported_as_one(bench, server, failure, words):
    order = command(server)
    bench.outcome = failure
    bench.runner.take(order)
    told = server.wait_executed(order["command_id"])
    assert told["success"] is False
    assert words in told["error"]
    server.wait_for(bench.idle)
    assert not bench.after.is_set()


def test_an_unknown_type_is_reported_as_one(bench, server):
    order = command(server, "juggle")
    bench.runner.take(order)
    assert "juggle" in server.wait_executed(order["command_id"])["error"]


@pytest.mark.parametrize("order", [{}, {"command_id": None}, {"command_id": 7}])
def test_a_command_without_an_id_is_ignored(bench, order):
    bench.runner.take({"command_type": "work", **order})
    assert bench.calls == []


def test_cut_short_by_the_agents_end_it_is_taken_up_again(bench, server, parts):
    order = command(server)
    bench.outcome = Unreachable("stopped")
    bench.log.start(order, now=clock.now())
    bench.log.note_progress(order["command_id"], {"replica_id": "r"})
    parts.stop.set()
    bench.runner.take(order)
    server.wait_for(lambda: bench.calls and bench.idle())
    assert server.seen("POST", "/executed") == []

    parts.stop.clear()
    bench.outcome = Outcome(True)
    bench.again().resume()
    server.wait_executed(order["command_id"])
    assert bench.calls[-1] == (order, {"replica_id": "r"})


def test_done_but_not_reported_it_is_reported_by_the_next_process(bench, server, parts):
    order = command(server)
    server.stop()
    bench.runner.take(order)
    for _ in range(500):
        if bench.log.unreported() and bench.log.unreported()[0].outcome:
            break
        threading.Event().wait(0.01)
    parts.stop.set()
    server.wait_for(bench.idle)

    server.start()
    parts.stop.clear()
    bench.again().resume()
    server.wait_executed(order["command_id"])
    assert len(bench.calls) == 1


def test_fenced_while_it_is_done_nothing_is_reported(bench, server, parts):
    order = command(server)
    bench.outcome = Superseded(409, "superseded", "")
    bench.runner.take(order)
    server.wait_for(lambda: bench.calls and bench.idle())
    assert server.seen("POST", "/executed") == []
    assert bench.log.unreported()[0].outcome is None


def test_fenced_when_it_reports(bench, server, parts):
    order = command(server)
    server.supersede(INSTANCE_ID)
    bench.runner.take(order)
    server.wait_for(lambda: parts.over and bench.idle())
    assert not bench.after.is_set()


def test_commands_do_not_wait_for_each_other(bench, server):
    first, second = command(server), command(server, "juggle")
    bench.go.clear()
    bench.runner.take(first)
    bench.runner.take(second)
    server.wait_executed(second["command_id"])
    bench.go.set()
    server.wait_executed(first["command_id"])
