"""The start, and the choice of clients."""

import pytest

from clients.models import Client, Membership
from spotopt.dashboard.tests.test_overview import text
from spotopt.tests import cast


def test_nobody_logs_in_first(client, db):
    assert client.get("/")["Location"] == "/login?next=/"
    assert client.get("/clients")["Location"] == "/login?next=/clients"


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_person_with_one_client_goes_straight_there(
    who, request, visit, client_acme, client_other
):
    response = visit(request.getfixturevalue(who)).get("/")
    assert response["Location"] == f"/c/{client_acme.pk}/"


def test_a_person_with_several_chooses_among_them(alice, visit, client_acme):
    second = cast.make_client("Second")
    cast.make_client("Hidden")
    Membership.objects.create(user=alice, client=second, role="viewer")
    browser = visit(alice)
    assert browser.get("/")["Location"] == "/clients"
    page = text(browser.get("/clients"))
    assert "Acme" in page
    assert "Second" in page
    assert "Hidden" not in page


def test_staff_sees_all(staff, visit, client_acme, client_other):
    page = text(visit(staff).get("/clients"))
    assert "Acme" in page
    assert "Other" in page


def test_tells_which_fleets_need_a_look(staff, visit, client_acme, client_other):
    cast.make_agent(client_acme)
    cast.make_agent(client_acme, status="offline")
    Client.objects.filter(pk=client_other.pk).update(automation=False)
    page = text(visit(staff).get("/clients"))
    assert "1 silent" in page
    assert '<span class="pill pill-bad">stopped</span>' in page


def test_a_person_with_none_is_told_whom_to_ask(visit, db):
    browser = visit(cast.make_user("nora"))
    assert browser.get("/")["Location"] == "/clients"
    assert "Ask an owner to invite you" in text(browser.get("/clients"))


def test_only_those_with_a_choice_are_offered_it(alice, staff, visit, client_acme):
    home = f"/c/{client_acme.pk}/"
    assert 'href="/clients"' not in text(visit(alice).get(home))
    assert 'href="/clients"' in text(visit(staff).get(home))


def test_only_staff_is_led_to_the_administration(alice, staff, visit, client_acme):
    home = f"/c/{client_acme.pk}/"
    assert 'href="/admin/"' not in text(visit(alice).get(home))
    assert 'href="/admin/"' in text(visit(staff).get(home))
