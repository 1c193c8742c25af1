"""The first things the agent does."""

from __future__ import annotations

import pytest
from spotopt_agent import starting
from spotopt_agent.backoff import Backoff
from spotopt_agent.settings import Settings
from spotopt_agent.statedir import StateDir
from spotopt_agent.stopping import FAILED, METADATA_BROKEN, Stop

from .support.parts import IDENTITY


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(starting, "Backoff", lambda **_: Backoff(first=0.01, cap=0.01))


@pytest.fixture
def stop():
    return Stop()


@pytest.fixture
def settle(tmp_path, metadata, stop):
    """Settles in; the lock is given back at the end."""
    machines = []

    def settle():
        settings = Settings(
            server_urls=("http://127.0.0.1:9",),
            state_dir=tmp_path / "state",
            hooks_dir=tmp_path / "hooks",
            metadata_endpoint=metadata.url,
        )
        machine = starting.settle_in(settings, stop)
        if machine is not None:
            machines.append(machine)
        return machine

    yield settle
    for machine in machines:
        machine.statedir.close()


def test_identity_and_its_folder(settle, tmp_path):
    machine = settle()
    assert machine.identity == IDENTITY
    assert machine.statedir.path == tmp_path / "state" / IDENTITY.instance_id


def test_the_folders_of_other_machines_go(settle, tmp_path):
    other = StateDir(tmp_path / "state", "i-other")
    other.close()
    settle()
    assert not other.path.exists()


def test_a_service_that_comes_up_late_is_waited_for(settle, metadata):
    metadata.failing = 500
    real = metadata.answer
    seen = []

    def answer(request):
        seen.append(request)
        if len(seen) == 2:
            metadata.failing = None
        return real(request)

    metadata.answer = answer
    assert settle().identity == IDENTITY


def test_three_failures_end_it_on_purpose(settle, metadata, stop):
    metadata.failing = 500
    assert settle() is None
    assert stop.wait() == METADATA_BROKEN
    assert len(metadata.seen("PUT", "/token")) == 3


def test_throttling_is_waited_out(settle, metadata):
    metadata.failing = 503
    real = metadata.answer
    seen = []

    def answer(request):
        seen.append(request)
        if len(seen) == 6:
            metadata.failing = None
        return real(request)

    metadata.answer = answer
    assert settle().identity == IDENTITY


def test_a_stop_ends_the_wait(settle, metadata, stop):
    metadata.failing = 503
    stop.request()
    assert settle() is None
    assert stop.wait() == 0


def test_a_second_agent_is_told(settle, stop):
    settle()
    assert settle() is None
    assert stop.wait() == FAILED


def test_an_odd_instance_id_is_no_folder(settle, metadata, stop):
    metadata.document["instanceId"] = "../../etc"
    assert settle() is None
    assert stop.wait() == FAILED
