"""Callers: from headers and sessions, what they see and may change, and how failures are limited."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from clients import auth, tokens
from clients.models import Membership
from spotopt.lib.errors import TooMany, Unauthenticated
from spotopt.tests import cast

NOW = cast.NOON


def header(text: str, address: str = "192.0.2.1"):
    return auth.authenticate_header(f"Bearer {text}", address=address, now=NOW)


def test_an_agents_token_names_agent_instance_and_client(slot):
    caller = auth.authenticate_text(slot.token, NOW)
    assert caller is not None
    assert (caller.kind, caller.client_id) == ("agent", slot.agent.client_id)
    assert (caller.agent_id, caller.instance_id) == (slot.agent.pk, "i-0acme0000000001")


def test_a_launched_machines_first_token_names_its_replica(client_acme):
    replica = uuid4()
    text = tokens.issue_enrolment(client_acme, uuid4(), replica, 1, NOW)
    caller = auth.authenticate_text(text, NOW)
    assert caller is not None
    assert (caller.kind, caller.replica_id) == ("enrolment", replica)


@pytest.mark.parametrize("value", [None, "", "Basic YWxpY2U6eA==", "Token abc"])
def test_without_a_bearer_token_the_header_says_nothing(db, value):
    assert auth.authenticate_header(value, address="192.0.2.1", now=NOW) is None


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "bearer wrong", "Bearer a b", "Bearer \x00"]
)
def test_a_wrong_bearer_token_is_refused(db, value):
    with pytest.raises(Unauthenticated):
        auth.authenticate_header(value, address="192.0.2.1", now=NOW)


def test_the_scheme_is_read_in_any_case(acme_token):
    assert auth.authenticate_header(f"bearer {acme_token}", address="192.0.2.1", now=NOW)


def test_after_a_hundred_wrong_tokens_a_valid_one_still_gets_in(acme_token):
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            header("wrong")
    with pytest.raises(TooMany) as refusal:
        header("wrong")
    assert 0 < (refusal.value.retry_after or 0) <= 60
    assert header(acme_token) is not None
    with pytest.raises(Unauthenticated):
        header("wrong", address="192.0.2.2")


def test_people_have_roles_and_staff_needs_none(alice, bob, staff, client_acme, client_other):
    owner, viewer, boss = (auth.caller_of_user(user) for user in (alice, bob, staff))
    acme, other = client_acme.pk, client_other.pk
    assert [caller.sees(acme) for caller in (owner, viewer, boss)] == [True, True, True]
    assert [caller.can_write(acme) for caller in (owner, viewer, boss)] == [True, False, True]
    assert [caller.owns(acme) for caller in (owner, viewer, boss)] == [True, False, True]
    assert [caller.sees(other) for caller in (owner, viewer, boss)] == [False, False, True]
    assert [caller.can_write(other) for caller in (owner, viewer, boss)] == [False, False, True]


def test_an_operator_changes_but_does_not_own(olga, client_acme):
    caller = auth.caller_of_user(olga)
    assert caller.can_write(client_acme.pk)
    assert not caller.owns(client_acme.pk)


def test_one_person_may_own_one_client_and_view_another(alice, client_acme, client_other):
    Membership.objects.create(user=alice, client=client_other, role=Membership.Role.VIEWER)
    caller = auth.caller_of_user(alice)
    assert caller.can_write(client_acme.pk)
    assert caller.sees(client_other.pk)
    assert not caller.can_write(client_other.pk)


class Echo(APIView):
    authentication_classes = (auth.BearerAuthentication, auth.SessionAuthentication)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({"kind": request.auth.kind, "user": str(request.user)})

    post = get


@pytest.fixture
def echo(db):
    def call(**meta):
        return Echo.as_view()(RequestFactory().get("/", **meta))

    return call


def test_a_view_sees_the_caller_and_a_user(echo, acme_token, staff_token):
    seen = echo(HTTP_AUTHORIZATION=f"Bearer {acme_token}").data
    assert seen == {"kind": "client", "user": f"client token {acme_token[:12]}…"}
    assert echo(HTTP_AUTHORIZATION=f"Bearer {staff_token}").data == {
        "kind": "staff",
        "user": "staff",
    }


@pytest.mark.parametrize("meta", [{}, {"HTTP_AUTHORIZATION": "Bearer wrong"}])
def test_no_credential_and_a_wrong_one_are_401_with_a_challenge(echo, meta):
    response = echo(**meta)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="spotopt"'
    assert response.data["status"] == "error"


def test_too_many_wrong_tokens_are_429_with_a_time(echo):
    for _ in range(100):
        echo(HTTP_AUTHORIZATION="Bearer wrong")
    response = echo(HTTP_AUTHORIZATION="Bearer wrong")
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


def test_a_wrong_token_is_not_saved_by_a_session(staff, client_acme):
    api = cast.logged_in(staff)
    assert api.get("/api/admin/clients").status_code == 200
    assert api.get("/api/admin/clients", HTTP_AUTHORIZATION="Bearer wrong").status_code == 401


def test_a_session_needs_the_csrf_token_and_a_bearer_does_not(staff, staff_token):
    body = {"name": "New", "email": "new@example.com"}
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(staff)
    refused = browser.post("/api/admin/clients/create", body, format="json")
    assert refused.status_code == 403
    assert refused.json()["status"] == "error"
    program = APIClient(enforce_csrf_checks=True)
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {staff_token}")
    assert program.post("/api/admin/clients/create", body, format="json").status_code == 201


def test_a_deactivated_person_is_out(staff):
    api = cast.logged_in(staff)
    staff.is_active = False
    staff.save()
    assert api.get("/api/admin/clients").status_code == 401


def test_an_expired_staff_token_is_out(staff):
    text = tokens.issue_staff(staff, NOW - timedelta(days=2), timedelta(days=1))
    with pytest.raises(Unauthenticated):
        header(text)


def test_a_database_out_of_reach_is_503_not_401(api, db, monkeypatch):
    def gone(text, now):
        raise OperationalError("connection refused")

    monkeypatch.setattr(tokens, "lookup", gone)
    monkeypatch.setattr(connection, "close", lambda: None)
    response = api.get("/api/admin/clients", HTTP_AUTHORIZATION="Bearer spo_c_" + "x" * 43)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert not auth.wrong_tokens.wait("127.0.0.1")
