"""Registering, and what is kept of it."""

from __future__ import annotations

import dataclasses
import json
import stat
import threading

import pytest
from spotopt_agent.registration import Registrar
from spotopt_agent.server import Superseded, Unauthorised, Unreachable
from spotopt_agent.statedir import REGISTRATION, SNAPSHOT

from .support.http_fake import Answer
from .support.parts import IDENTITY, Parts


def again(parts: Parts, **settings) -> Registrar:
    """As a new process over the same folder has it."""
    return Registrar(
        settings=dataclasses.replace(parts.settings, **settings),
        identity=settings.pop("identity", IDENTITY),
        statedir=parts.statedir,
        server=parts.server,
        hooks=["promoted"],
    )


def test_what_is_said(parts, server):
    registrar = again(parts, logical_agent_id="web-1")
    registrar.register()
    [request] = server.requests
    body = request.body
    assert body.pop("agent_version")
    assert body == {
        "instance_id": "i-0aaaaaaaaaaaaaaa1",
        "instance_type": "t3.medium",
        "region": "us-east-1",
        "az": "us-east-1a",
        "az_id": "use1-az4",
        "private_ip": "10.0.0.7",
        "mode": "spot",
        "hooks": ["promoted"],
        "logical_agent_id": "web-1",
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"parent_agent_id": "p"}, {"is_replica": True, "parent_agent_id": "p"}),
        ({"replacing_agent_id": "o"}, {"recovery_mode": True, "replacing_agent_id": "o"}),
        ({}, {}),
    ],
)
def test_standbys_and_replacements_say_so(parts, server, settings, said):
    again(parts, **settings).register()
    keys = ("is_replica", "parent_agent_id", "recovery_mode", "replacing_agent_id", "rejoin")
    body = server.requests[0].body
    assert {key: body[key] for key in keys if key in body} == said


def test_rejoin_says_so(parts, server):
    parts.registrar.register(rejoin=True)
    assert server.requests[0].body["rejoin"] is True


def test_what_is_kept_outlives_the_process(parts, server):
    server.role, server.replica_id = "standby", "r-1"
    parts.registrar.register()
    kept = again(parts).current
    assert kept is not None
    assert kept == parts.registrar.current
    assert kept.agent_id == "agent-1"
    assert kept.role == "standby"
    assert kept.replica_id == "r-1"
    assert kept.token in server.tokens
    mode = (parts.statedir.path / REGISTRATION).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize("kept", ["", "{}", '{"agent_id": "a"}', "[]"])
def test_what_cannot_be_read_is_no_registration(parts, kept):
    (parts.statedir.path / REGISTRATION).write_text(kept)
    assert again(parts).current is None


def test_what_a_later_version_keeps_besides_is_overlooked(parts):
    parts.registrar.register()
    path = parts.statedir.path / REGISTRATION
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    assert again(parts).current == parts.registrar.current


def test_a_change_is_kept(parts):
    parts.registrar.register()
    parts.registrar.update(role="standby", started=True)
    kept = again(parts).current
    assert kept is not None
    assert kept.role == "standby"
    assert kept.started is True


def test_a_change_before_the_first_registration_is_nothing(parts):
    parts.registrar.update(role="primary")
    assert parts.registrar.current is None


def test_a_snapshot_is_kept_until_it_is_used(parts, server):
    server.snapshot = {"state": 1}
    parts.registrar.register()
    assert parts.statedir.read(SNAPSHOT) == {"state": 1}


def test_a_renewal_in_the_same_role_does_not_forget_the_start(parts):
    parts.registrar.register()
    parts.registrar.update(started=True)
    before = parts.registrar.current
    parts.registrar.register(instead_of=before)
    assert parts.registrar.current.token != before.token
    assert parts.registrar.current.started is True


def test_a_renewal_into_another_role_begins_anew(parts, server):
    server.role = "standby"
    parts.registrar.register()
    parts.registrar.update(started=True)
    server.role = "primary"
    parts.registrar.register(instead_of=parts.registrar.current)
    assert parts.registrar.current.started is False


def test_two_threads_renew_once(parts, server):
    parts.registrar.register()
    before = parts.registrar.current
    threads = [
        threading.Thread(target=parts.registrar.register, kwargs={"instead_of": before})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(server.seen("POST", "/register")) == 2


def test_without_a_credential_it_cannot(parts):
    with pytest.raises(Unauthorised, match="SPOTOPT_TOKEN is not set"):
        again(parts, token=None).register()


def test_a_wrong_credential(parts, server):
    server.client_tokens.clear()
    with pytest.raises(Unauthorised):
        parts.registrar.register()
    assert parts.registrar.current is None


def test_superseded_at_the_door(parts, server):
    server.supersede(IDENTITY.instance_id)
    with pytest.raises(Superseded):
        parts.registrar.register()


def test_an_answer_without_a_token_is_none(parts, server):
    server.fail("POST", "/register", Answer(200, {"status": "success", "agent_id": "a"}))
    with pytest.raises(Unreachable, match="agent_token"):
        parts.registrar.register()
    assert parts.registrar.current is None


def test_a_full_disk_stops_no_registration(parts, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parts.statedir, "write", full)
    parts.registrar.register()
    assert parts.registrar.current is not None
