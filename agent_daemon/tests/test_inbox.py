"""Fetching commands."""

from __future__ import annotations

import pytest
from spotopt_agent.commands import inbox as inboxes
from spotopt_agent.commands.inbox import Inbox
from spotopt_agent.server import Superseded
from spotopt_agent.signals import NOTICE, Signal

from .support.fake_server import utc
from .support.http_fake import Answer
from .support.parts import INSTANCE_ID


@pytest.fixture
def taken():
    return []


@pytest.fixture
def inbox(parts, taken):
    parts.session.register()
    return Inbox(
        session=parts.session,
        registrar=parts.registrar,
        standing=parts.standing,
        take=taken.append,
    )


def query(server):
    return server.seen("GET", "/pending-commands")[-1].query


def test_a_primary_asks_and_goes(inbox, server, taken):
    assert inbox.step() == inboxes.IDLE_SECONDS
    assert query(server) == {}
    assert taken == []


def test_a_primary_takes_what_there_is(inbox, server, taken):
    ids = [server.command("run_sync"), server.command("update_config")]
    assert inbox.step() == inboxes.IDLE_SECONDS
    assert [command["command_id"] for command in taken] == ids


def test_a_standby_holds_its_request_open(parts, inbox, server, taken, monkeypatch):
    monkeypatch.setattr(inboxes, "HELD_SECONDS", 1.1)
    parts.registrar.update(role="standby")
    assert inbox.step() == 0.0
    assert query(server) == {"wait": "1.1"}


def test_so_does_a_primary_under_notice(parts, inbox, server):
    parts.standing.see(Signal(INSTANCE_ID, NOTICE, utc(120), utc()))
    server.command("promote")
    inbox.step()
    assert query(server) == {"wait": "25"}


def test_a_server_that_holds_nothing_open_is_not_asked_all_the_time(parts, inbox, server):
    server.holds = False
    parts.registrar.update(role="standby")
    assert 0.5 <= inbox.step() <= 1.5


def test_while_commands_are_carried_out_it_pauses(parts, inbox, server, taken):
    parts.registrar.update(role="standby")
    server.command("promote")
    assert inbox.step() == inboxes.PENDING_SECONDS
    assert len(taken) == 1


def test_fencing_ends_a_request_that_is_held_open(parts, inbox, server):
    parts.registrar.update(role="standby")
    server.supersede(INSTANCE_ID)
    with pytest.raises(Superseded):
        inbox.step()
    assert len(parts.over) == 1


@pytest.mark.parametrize("commands", [None, "x", {}])
def test_an_answer_without_a_list_is_none(inbox, server, taken, commands):
    server.fail("GET", "/pending-commands", Answer(200, {"commands": commands}))
    inbox.step()
    assert taken == []
