"""AWS clients are there before an emergency needs them, and a failure to make them is no failure to start."""

import pytest
from django.db import DatabaseError

from agents import markets, warmth
from agents.models import Instance
from spotopt.cloud import session
from spotopt.cloud.errors import UnreachableError


@pytest.fixture
def made(monkeypatch, settings):
    """Which clients are asked for, and of whom the account number."""
    settings.SERVER_AWS_ACCOUNT = True
    asked: list[object] = []
    monkeypatch.setattr(
        session, "client", lambda account, service, region: asked.append((service, region))
    )
    monkeypatch.setattr(session, "account_number", lambda account: asked.append("number"))
    return asked


@pytest.fixture(autouse=True)
def keep_connection(monkeypatch):
    """The test's own connection stays open: it holds the transaction."""
    monkeypatch.setattr(
        warmth, "connection", type("None", (), {"close": staticmethod(lambda: None)})
    )


def test_each_market_in_use(slot, made):
    assert warmth.up() == 2
    assert made == [("ec2", "us-east-1"), ("elbv2", "us-east-1"), "number"]


def test_nothing_is_made_for_nobody(db, made):
    assert warmth.up() == 0
    assert made == []


def test_a_client_that_is_not_connected_has_no_market(slot, made, settings):
    settings.SERVER_AWS_ACCOUNT = False
    assert markets.in_use() == []
    assert warmth.up() == 0


def test_types_that_a_client_allows_belong_to_its_market(slot, settings):
    settings.SERVER_AWS_ACCOUNT = True
    slot.agent.client.allowed_types = ["m5.large"]
    slot.agent.client.save()
    (market,) = markets.in_use()
    assert market.instance_types == {"t3.medium", "m5.large"}


def test_machines_that_are_gone_make_no_market(slot, settings, now):
    settings.SERVER_AWS_ACCOUNT = True
    Instance.objects.update(terminated_at=now)
    assert markets.in_use() == []


def test_clients_with_one_account_share_a_market(slot, other_slot, settings):
    settings.SERVER_AWS_ACCOUNT = True
    assert len(markets.in_use()) == 1


def test_clients_with_roles_of_their_own_do_not(slot, other_slot):
    for number, one in enumerate((slot, other_slot)):
        one.agent.client.aws_role_arn = f"arn:aws:iam::{number:012}:role/spotopt"
        one.agent.client.save()
    assert len(markets.in_use()) == 2


@pytest.mark.parametrize("error", [UnreachableError("x", "y"), DatabaseError("away")])
def test_what_cannot_be_made_now_is_made_later(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(markets, "in_use", fail)
    assert warmth.up() == 0
