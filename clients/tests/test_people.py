"""Roles in a client."""

import pytest

from clients import people
from clients.models import FeedEvent, Membership
from spotopt.tests import cast

NOW = cast.NOON


def role_of(user):
    return Membership.objects.values_list("role", flat=True).filter(user=user).first()


def test_given_changed_and_taken(client_acme, alice, charlie):
    for role in ("viewer", "operator", "owner"):
        people.set_role(client=client_acme, user=charlie, role=role, by="alice", now=NOW)
        assert Membership.objects.get(user=charlie, client=client_acme).role == role
    assert people.remove(client=client_acme, user=charlie, by="alice", now=NOW)
    assert not people.remove(client=client_acme, user=charlie, by="alice", now=NOW)
    assert FeedEvent.objects.filter(event_type="people").count() == 4


def test_the_last_owner_stays_one(client_acme, alice, bob):
    with pytest.raises(people.LastOwner, match="last owner of Acme"):
        people.set_role(client=client_acme, user=alice, role="viewer", by="alice", now=NOW)
    with pytest.raises(people.LastOwner):
        people.remove(client=client_acme, user=alice, by="alice", now=NOW)
    assert role_of(alice) == "owner"
    people.set_role(client=client_acme, user=bob, role="owner", by="alice", now=NOW)
    assert people.remove(client=client_acme, user=alice, by="bob", now=NOW)


def test_others_come_and_go_without_an_owner(client_acme, bob):
    assert people.remove(client=client_acme, user=bob, by="staff", now=NOW)


def test_an_unknown_role_is_none(client_acme, alice, bob):
    with pytest.raises(ValueError, match="emperor"):
        people.set_role(client=client_acme, user=bob, role="emperor", by="alice", now=NOW)
    assert role_of(bob) == "viewer"
