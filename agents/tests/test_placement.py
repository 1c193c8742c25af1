"""A zone's name says nothing without its account."""

import pytest

from agents import placement
from clients import connection
from pricing import zones
from spotopt.cloud import zones as cloud_zones
from spotopt.cloud.errors import PermanentError, ThrottleError, UnreachableError
from spotopt.cloud.zones import ZoneName
from spotopt.lib.errors import BadInput, Unavailable
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(client_acme, settings):
    """Acme has a connected account, 111111111111."""
    settings.SERVER_AWS_ACCOUNT = False
    client_acme.aws_role_arn = "arn:aws:iam::111111111111:role/spotopt"
    client_acme.save()
    return "111111111111"


@pytest.fixture
def ec2(monkeypatch):
    """What EC2 answers when asked for zones; counts the questions."""
    asked = []

    def answer(outcome):
        def zones_of(account, region):
            asked.append(region)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(cloud_zones, "zones", zones_of)
        return asked

    return answer


def locate(client, **where):
    told = {"instance_type": "t3.medium", "region": "us-east-1", "az_name": "", "az_id": ""}
    return placement.locate(client=client, now=NOON, **(told | where))


def complaint(client, **where):
    with pytest.raises(BadInput) as caught:
        locate(client, **where)
    return caught.value.errors


def test_by_id_nobody_is_asked(client_acme, ec2):
    asked = ec2(RuntimeError())
    place = locate(client_acme, az_id="use1-az4", az_name="us-east-1a")
    assert (place.pool.pool_id, place.az_name) == ("t3.medium.use1-az4", "us-east-1a")
    assert asked == []


def test_by_a_name_that_is_known(client_acme, account, ec2):
    asked = ec2(RuntimeError())
    zones.learn(account, "us-east-1", [ZoneName("us-east-1a", "use1-az6")], NOON)
    assert locate(client_acme, az_name="us-east-1a").pool.az_id == "use1-az6"
    assert asked == []


def test_by_a_name_that_ec2_has_to_explain_once(client_acme, account, ec2):
    asked = ec2([ZoneName("us-east-1a", "use1-az2"), ZoneName("us-east-1b", "use1-az1")])
    assert locate(client_acme, az_name="us-east-1b").pool.az_id == "use1-az1"
    assert locate(client_acme, az_name="us-east-1a").pool.az_id == "use1-az2"
    assert asked == ["us-east-1"]


def test_each_account_has_its_own_names(client_acme, client_other, account, ec2):
    ec2([ZoneName("us-east-1a", "use1-az1")])
    zones.learn("222222222222", "us-east-1", [ZoneName("us-east-1a", "use1-az5")], NOON)
    client_other.aws_role_arn = "arn:aws:iam::222222222222:role/spotopt"
    assert locate(client_acme, az_name="us-east-1a").pool.az_id == "use1-az1"
    assert locate(client_other, az_name="us-east-1a").pool.az_id == "use1-az5"


def test_a_name_the_account_does_not_have(client_acme, account, ec2):
    ec2([ZoneName("us-east-1a", "use1-az1")])
    assert list(complaint(client_acme, az_name="us-east-1z")) == ["az"]


def test_without_an_account_a_name_is_not_enough(client_acme, settings):
    settings.SERVER_AWS_ACCOUNT = False
    with pytest.raises(connection.NotConnected):
        connection.account_for(client_acme)
    errors = complaint(client_acme, az_name="us-east-1a")
    assert list(errors) == ["az"]
    assert "az_id" in errors["az"][0]


def test_an_account_that_lets_us_see_nothing(client_acme, account, ec2):
    ec2(PermanentError("UnauthorizedOperation"))
    assert list(complaint(client_acme, az_name="us-east-1a")) == ["az"]


@pytest.mark.parametrize("error", [ThrottleError("Throttling"), UnreachableError("ReadTimeout")])
def test_ec2_out_of_reach_is_a_matter_of_time(client_acme, account, ec2, error):
    ec2(error)
    with pytest.raises(Unavailable) as caught:
        locate(client_acme, az_name="us-east-1a")
    assert caught.value.retry_after


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({}, "az"),
        ({"az_name": "eu-west-1a"}, "az"),
        ({"az_id": "usw2-az1"}, "az_id"),
        ({"az_id": "nonsense"}, "az_id"),
        ({"az_id": "use1-az4", "instance_type": "nonsense"}, "instance_type"),
    ],
)
def test_what_is_no_place(client_acme, account, ec2, where, field):
    ec2(RuntimeError())
    assert list(complaint(client_acme, **where)) == [field]
