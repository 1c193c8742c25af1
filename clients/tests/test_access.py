"""Reaching objects: the kind of caller first, then the object, and a foreign one is a missing one."""

from typing import Any
from uuid import uuid4

import pytest

from clients import access, auth
from clients.auth import Caller
from spotopt.lib.errors import Forbidden, NotFound


@pytest.fixture
def caller_of(client_acme):
    def make(who):
        if isinstance(who, str):
            kind: Any = who
            return Caller(kind=kind, name=who, client_id=client_acme.pk)
        return auth.caller_of_user(who)

    return make


def test_a_foreign_client_and_a_missing_one_read_the_same(caller_of, alice, client_other):
    messages = set()
    for client_id in (client_other.pk, uuid4(), "nonsense", "", "\x00"):
        with pytest.raises(NotFound) as refusal:
            access.client_for(caller_of(alice), client_id)
        messages.add(refusal.value.message)
    assert len(messages) == 1


def test_staff_asking_for_a_missing_client_hears_so(caller_of, staff):
    with pytest.raises(NotFound):
        access.client_for(caller_of(staff), uuid4())


def test_who_reaches_a_client(caller_of, client_acme, alice, olga, bob, staff):
    for who in (alice, olga, bob, staff, "client"):
        assert access.client_for(caller_of(who), str(client_acme.pk)) == client_acme
    for who in (alice, olga, staff, "client"):
        assert access.client_for(caller_of(who), client_acme.pk, write=True) == client_acme


def test_a_viewer_changes_nothing(caller_of, bob, client_acme):
    with pytest.raises(Forbidden, match="look"):
        access.client_for(caller_of(bob), client_acme.pk, write=True)


def test_a_viewer_writing_to_a_foreign_client_learns_nothing(caller_of, bob, client_other):
    with pytest.raises(NotFound):
        access.client_for(caller_of(bob), client_other.pk, write=True)


@pytest.mark.parametrize("kind", ["agent", "enrolment"])
def test_a_machines_token_reaches_no_client(caller_of, client_acme, kind):
    with pytest.raises(Forbidden):
        access.client_for(caller_of(kind), client_acme.pk)


def test_visible_clients(caller_of, client_acme, client_other, alice, charlie, staff):
    assert list(access.visible_clients(caller_of(alice))) == [client_acme]
    assert list(access.visible_clients(caller_of(charlie))) == [client_other]
    assert list(access.visible_clients(caller_of("client"))) == [client_acme]
    assert list(access.visible_clients(caller_of(staff))) == [client_acme, client_other]


def test_a_foreign_object_is_named_for_what_it_would_be(caller_of, alice, client_other):
    with pytest.raises(NotFound, match="no such agent"):
        access.check(caller_of(alice), client_other.pk, what="agent")


@pytest.mark.parametrize(
    ("kinds", "text"), [(("staff",), "staff only"), (("agent", "staff"), "agent and staff")]
)
def test_a_permission_says_whom_it_is_for(kinds, text):
    permission: Any = access.only(*kinds)
    assert text in permission.message
