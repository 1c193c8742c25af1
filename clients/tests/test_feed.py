"""Recording and hinting: what is kept, who is hinted to, and that hinting breaks nothing."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction

from clients import bridge, feed, installation
from clients.models import FeedEvent, Installation
from spotopt.tests import cast

NOW = cast.NOON


@pytest.fixture
def heard(transactional_db):
    """What another session of PostgreSQL hears, as a function."""
    with psycopg.connect(**bridge.parameters(), autocommit=True) as ear:
        for channel in (feed.CHANNEL, feed.GUARD_CHANNEL):
            ear.execute(f"LISTEN {channel}")

        def all_of_it():
            feed.publish(client_id=None, kind="end")
            notices: list[tuple[str, dict[str, Any]]] = []
            for notice in ear.notifies(timeout=5):
                message = json.loads(notice.payload) if notice.payload else {}
                if message.get("hint", {}).get("kind") == "end":
                    return notices
                notices.append((notice.channel, message))
            raise AssertionError("the end was not heard")

        yield all_of_it


def hints(notices):
    return [message["hint"] for channel, message in notices if channel == feed.CHANNEL]


def test_an_event_is_kept_and_hinted_at(heard, client_acme):
    agent = uuid4()
    event = feed.record(
        client_id=client_acme.pk,
        agent_id=agent,
        event_type="agent_registered",
        message="Agent web-1 registered",
        severity="info",
        now=NOW,
    )
    kept = FeedEvent.objects.get()
    assert (kept.client, kept.agent_id, kept.created_at) == (client_acme, agent, NOW)
    assert (kept.event_type, kept.message, kept.severity) == (
        "agent_registered",
        "Agent web-1 registered",
        "info",
    )
    assert hints(heard()) == [
        {
            "kind": "activity",
            "id": str(event.pk),
            "client_id": str(client_acme.pk),
            "agent_id": str(agent),
        }
    ]


def test_a_hint_holds_no_content(heard, client_acme):
    feed.record(
        client_id=client_acme.pk, event_type="e", message="secret words", severity="info", now=NOW
    )
    assert "secret" not in json.dumps(heard())


def test_long_texts_are_cut(db):
    event = feed.record(
        client_id=None, event_type="e" * 99, message="m" * 999, severity="info", now=NOW
    )
    assert len(event.message) == 500
    assert event.message.endswith("…")
    assert len(event.event_type) == 40


def test_an_unknown_severity_is_a_bug(db):
    with pytest.raises(ValueError, match="loud"):
        feed.record(client_id=None, event_type="e", message="m", severity="loud", now=NOW)


def test_a_hint_leaves_with_the_transaction(heard, client_acme):
    with transaction.atomic():
        feed.publish(client_id=client_acme.pk, kind="replica", id="undone")
        transaction.set_rollback(True)
    with transaction.atomic():
        feed.publish(client_id=client_acme.pk, kind="replica", id="done")
    assert [hint["id"] for hint in hints(heard())] == ["done"]


def test_a_machine_and_the_guard_are_woken(heard):
    instance = uuid4()
    feed.wake_machine(instance)
    feed.wake_guard()
    assert heard() == [
        (feed.CHANNEL, {"type": "machine.wake", "instance": str(instance)}),
        (feed.GUARD_CHANNEL, {}),
    ]


def test_what_is_too_long_is_dropped_and_the_transaction_goes_on(heard, client_acme):
    with transaction.atomic():
        feed.publish(client_id=client_acme.pk, kind="k", id="x" * 8000)
        client_acme.name = "Changed"
        client_acme.save()
    client_acme.refresh_from_db()
    assert client_acme.name == "Changed"
    assert heard() == []


def test_the_longest_that_fits_is_sent(heard):
    overhead = len(
        json.dumps({"type": "feed.hint", "hint": {"kind": "k", "id": ""}}, separators=(",", ":"))
    )
    feed.publish(client_id=None, kind="k", id="x" * (feed.PAYLOAD_LIMIT - overhead))
    assert len(hints(heard())) == 1


def test_a_lost_hint_is_not_the_callers_trouble(db, monkeypatch):
    def gone():
        raise psycopg.OperationalError("gone")

    def django_gone():
        with connection.wrap_database_errors:
            gone()

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", django_gone)
        feed.publish(client_id=None, kind="k")
        feed.wake_guard()


def test_a_broken_transaction_is_not_the_feeds_trouble(transactional_db):
    with transaction.atomic():
        transaction.set_rollback(True)
        feed.publish(client_id=None, kind="k")


def test_groups():
    assert feed.groups_of({"type": "machine.wake", "instance": "x"}) == ["machine.x"]
    assert feed.groups_of({"type": "feed.hint", "hint": {"kind": "k"}}) == ["staff"]
    hint = {"kind": "k", "client_id": "c"}
    assert feed.groups_of({"type": "feed.hint", "hint": hint}) == ["staff", "client.c"]


def test_the_installation_is_one_row(db):
    assert installation.current() == installation.current()
    assert Installation.objects.count() == 1


def test_either_stop_stops(client_acme):
    assert installation.automation_on(client_acme)
    assert installation.set_automation(on=False, by="staff", now=NOW)
    assert not installation.set_automation(on=False, by="staff", now=NOW)
    assert not installation.automation_on(client_acme)
    assert installation.set_automation(on=True, by="staff", now=NOW)
    type(client_acme).objects.filter(pk=client_acme.pk).update(automation=False)
    assert client_acme.automation  # the object at hand is old: the row is asked
    assert not installation.automation_on(client_acme)
    assert list(FeedEvent.objects.values_list("event_type", flat=True).order_by("created_at")) in (
        ["automation_off", "automation_on"],
        ["automation_on", "automation_off"],
    )
