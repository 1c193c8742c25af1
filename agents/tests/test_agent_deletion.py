"""`DELETE /api/agents/<id>`: out of management, not out of work."""

import pytest

from agents import registration
from agents.models import Agent, Command
from agents.tests import support
from agents.tests.support import fresh
from clients import feed

pytestmark = pytest.mark.django_db


def test_the_primary_runs_on(acme_api, slot, standby, url, now):
    support.issue(slot.primary, now=now)
    answer = acme_api.delete(url())
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "message": "i-0acme0000000001 runs on, unmanaged.",
        "instance_id": "i-0acme0000000001",
    }
    assert fresh(slot.agent).status == "terminated"
    assert fresh(slot.primary).role == "released"
    assert fresh(standby).role == "standby"
    assert Command.objects.get().status == "expired"
    assert len(support.told("agent_deleted")) == 1


def test_its_machine_is_told_that_it_is_free_not_fenced(acme_api, slot, url):
    acme_api.delete(url())
    for tail in ("config", "pending-commands"):
        answer = slot.api.get(url(tail))
        assert (answer.status_code, answer.json()["code"]) == (409, "released")
    answer = slot.api.post(url("heartbeat"), {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "released")
    assert fresh(slot.agent).status == "terminated"


def test_the_guard_is_woken_for_the_standbys(slot, standby, now, monkeypatch):
    woken = []
    monkeypatch.setattr(feed, "wake_guard", lambda: woken.append(True))
    registration.withdraw(agent=slot.agent, now=now)
    assert woken


def test_twice_is_a_conflict(acme_api, url):
    acme_api.delete(url())
    assert acme_api.delete(url()).status_code == 409
    assert len(support.told("agent_deleted")) == 1


def test_an_agent_without_a_primary(acme_api, slot, url):
    Agent.objects.filter(pk=slot.agent.pk).update(logical_agent_id="web-1")
    slot.primary.delete()
    answer = acme_api.delete(url())
    assert (answer.status_code, answer.json()["instance_id"]) == (200, None)


def test_alice_may_and_bob_may_not(as_user, alice, bob, slot, url):
    assert as_user(bob).delete(url()).status_code == 403
    assert fresh(slot.agent).status == "online"
    assert as_user(alice).delete(url()).status_code == 200


def test_neither_the_machine_nor_a_stranger(slot, other_api, url):
    assert slot.api.delete(url()).status_code == 403
    assert other_api.delete(url()).status_code == 404
    assert fresh(slot.agent).status == "online"
