"""Tenants in the domain: deleting rows, and whose AWS account is entered."""

import pytest

from clients import connection, tenants, tokens
from clients.models import Client, FeedEvent
from spotopt.cloud.account import Account
from spotopt.tests import cast

NOW = cast.NOON
ROLE = "arn:aws:iam::123456789012:role/spotopt"


def test_what_is_left_of_a_client_goes(client_acme, acme_token, alice, client_other, other_token):
    tenants.delete_rows(client=client_acme, by="staff", now=NOW)
    assert list(Client.objects.all()) == [client_other]
    assert tokens.lookup(acme_token, NOW) is None
    assert tokens.lookup(other_token, NOW) is not None
    alice.refresh_from_db()  # the person stays
    event = FeedEvent.objects.get()
    assert (event.client, event.event_type) == (None, "client_deleted")


def test_a_clients_own_role(client_acme):
    client_acme.aws_role_arn = ROLE
    account = connection.account_for(client_acme)
    assert account.role_arn == ROLE
    assert account.external_id == str(client_acme.aws_external_id)
    assert account.number == "123456789012"


def test_the_servers_own_account_where_it_may(client_acme, settings):
    settings.SERVER_AWS_ACCOUNT = True
    assert connection.account_for(client_acme) == Account()


def test_without_either_it_says_what_to_connect(client_acme, settings):
    settings.SERVER_AWS_ACCOUNT = False
    with pytest.raises(connection.NotConnected) as refusal:
        connection.account_for(client_acme)
    assert (refusal.value.status, refusal.value.code) == (409, "not_connected")
    assert str(client_acme.aws_external_id) in refusal.value.message


def test_external_ids_differ(client_acme, client_other):
    assert client_acme.aws_external_id != client_other.aws_external_id
