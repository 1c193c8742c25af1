"""What operators and owners may do: asked once more, then one call of the domain's own door."""

import pytest
from django.test import Client as Browser

from replicas import lifecycle, requests
from replicas.models import Saga
from spotopt.dashboard.tests.test_overview import main, text
from spotopt.lib.errors import Conflict


@pytest.fixture
def calls(monkeypatch, acme_day):
    """What reached the domain, in place of AWS: (name, keyword arguments)."""
    made = []

    def door(name, result=None):
        def called(**arguments):
            made.append((name, arguments))
            return result

        return called

    saga = Saga.objects.get(pk=acme_day.standby.saga_id)
    monkeypatch.setattr(requests, "ask", door("ask", acme_day.standby))
    monkeypatch.setattr(lifecycle, "promote", door("promote", saga))
    monkeypatch.setattr(lifecycle, "delete", door("delete"))
    return made


@pytest.fixture
def addresses(acme_day):
    """Of the three actions."""
    covered, moved = (
        f"/c/{agent.client_id}/agents/{agent.pk}/standby"
        for agent in (acme_day.covered, acme_day.moved)
    )
    return {
        "ask": moved,
        "promote": f"{covered}/{acme_day.standby.pk}/promote",
        "delete": f"{covered}/{acme_day.standby.pk}/delete",
    }


ACTIONS = ["ask", "promote", "delete"]


@pytest.mark.parametrize("action", ACTIONS)
def test_looking_asks_and_does_nothing(action, alice, visit, calls, addresses):
    response = visit(alice).get(addresses[action])
    assert response.status_code == 200
    assert 'method="post"' in text(response)
    assert calls == []


@pytest.mark.parametrize("who", ["alice", "olga", "staff"])
@pytest.mark.parametrize("action", ACTIONS)
def test_writers_do_it(action, who, request, visit, calls, addresses, acme_day):
    response = visit(request.getfixturevalue(who)).post(addresses[action], follow=True)
    ((name, arguments),) = calls
    assert name == action
    assert callable(arguments["clock"])
    assert response.redirect_chain[-1][0].endswith("/")
    assert "note-success" in text(response)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_may_not(action, method, bob, visit, calls, addresses):
    response = getattr(visit(bob), method)(addresses[action])
    assert response.status_code == 403
    assert "Your role lets you look, not change" in text(response)
    assert calls == []


@pytest.mark.parametrize("action", ACTIONS)
def test_somebody_else_finds_nothing(action, charlie, visit, calls, addresses):
    assert visit(charlie).post(addresses[action]).status_code == 404
    assert calls == []


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_logs_in_first(action, client, calls, addresses):
    assert client.post(addresses[action])["Location"].startswith("/login")
    assert calls == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_forged_form_is_refused_with_a_page(action, alice, calls, addresses):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice)
    response = browser.post(addresses[action])
    assert response.status_code == 403
    assert "The form has expired" in text(response)
    assert calls == []


@pytest.mark.parametrize("action", ["promote", "delete"])
def test_a_replica_of_another_agent_is_not_found(action, alice, visit, calls, acme_day):
    address = f"/c/{acme_day.moved.client_id}/agents/{acme_day.moved.pk}/standby"
    assert visit(alice).post(f"{address}/{acme_day.standby.pk}/{action}").status_code == 404
    assert calls == []


def test_the_domain_gets_what_it_needs(alice, visit, calls, addresses, acme_day):
    browser = visit(alice)
    for action in ACTIONS:
        browser.post(addresses[action])
    (_, asked), (_, promoted), (_, deleted) = calls
    assert asked["agent"] == acme_day.moved
    assert asked["caller"].name == "alice"
    assert asked["wish"]["replica_type"] == "manual"
    assert promoted["replica"] == deleted["replica"] == acme_day.standby
    assert promoted["quiesced"] is False
    assert "alice" in deleted["reason"]


def test_a_refusal_is_said_on_the_agents_page(alice, visit, monkeypatch, addresses):
    def refuse(**arguments):
        raise Conflict("This replica is not ready yet.")

    monkeypatch.setattr(lifecycle, "promote", refuse)
    response = visit(alice).post(addresses["promote"], follow=True)
    assert response.status_code == 200
    assert "This replica is not ready yet." in main(response)
    assert "note-error" in main(response)


def test_deleting_a_promoted_replica_is_refused_by_the_domain_itself(
    alice, visit, addresses, acme_day
):
    acme_day.standby.status = "promoted"
    acme_day.standby.save()
    response = visit(alice).post(addresses["delete"], follow=True)
    assert "note-error" in main(response)
    acme_day.standby.refresh_from_db()
    assert acme_day.standby.status == "promoted"
