"""The ways in which this machine's part is over."""

from __future__ import annotations

import threading

import pytest
from spotopt_agent.delivery import Delivery
from spotopt_agent.ending import Ending
from spotopt_agent.statedir import FENCED
from spotopt_agent.stopping import CLEAN, Stop


@pytest.fixture
def stop():
    return Stop()


@pytest.fixture
def ending(parts, stop):
    parts.session.register()
    return Ending(
        statedir=parts.statedir,
        workload=parts.workload,
        outbox=parts.outbox,
        events=parts.events,
        delivery=Delivery(session=parts.session, outbox=parts.outbox),
        stop=stop,
    )


def test_superseded_is_a_mark_a_stop_and_silence(parts, ending, stop, hooks, server):
    hooks.add_all("fenced")
    parts.events.add("agent_started", {})
    ending.superseded()
    assert hooks.ran() == ["fenced"]
    assert parts.statedir.read(FENCED)["reason"] == "superseded"
    assert parts.outbox.count() == 0
    assert stop.event.is_set()
    assert stop.wait() == CLEAN
    assert server.events == []


def test_the_mark_is_there_before_the_hook_runs(parts, ending, hooks, tmp_path):
    mark = parts.statedir.path / FENCED
    hooks.add("fenced", f"cp {mark} {tmp_path}/seen")
    ending.superseded()
    assert (tmp_path / "seen").exists()


def test_heard_by_many_threads_it_is_once(ending, hooks):
    hooks.add("fenced", "sleep 0.1")
    threads = [threading.Thread(target=ending.superseded) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert hooks.ran() == ["fenced"]


def test_a_failing_hook_or_disk_does_not_keep_it_alive(parts, ending, stop, hooks, monkeypatch):
    hooks.add("fenced", exit_code=1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts.statedir, "write", full)
    parts.store.close()
    ending.superseded()
    assert stop.event.is_set()


def test_terminated_delivers_the_rest(parts, ending, stop, server):
    parts.events.add("workload_stopped", {"hook": "fenced"})
    ending.terminated()
    assert server.kinds() == ["workload_stopped", "fenced"]
    assert stop.event.is_set()


def test_terminated_without_a_server_ends_all_the_same(ending, stop, server):
    server.stop()
    ending.terminated()
    assert stop.event.is_set()


def test_released_touches_nothing(parts, ending, stop, hooks):
    hooks.add_all("fenced")
    ending.released()
    assert stop.event.is_set()
    assert hooks.ran() == []
    assert parts.statedir.read(FENCED) is None
