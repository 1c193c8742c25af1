import pytest

from pricing import zones
from pricing.models import Zone
from spotopt.cloud import zones as cloud_zones
from spotopt.cloud.account import Account
from spotopt.cloud.errors import ThrottleError
from spotopt.cloud.zones import ZoneName

pytestmark = pytest.mark.django_db
ALICES = Account(number="111122223333")
CHARLIES = Account(number="444455556666")


def test_the_same_name_is_another_zone_in_another_account(now):
    zones.learn(ALICES.number, "us-east-1", [ZoneName("us-east-1a", "use1-az4")], now)
    zones.learn(CHARLIES.number, "us-east-1", [ZoneName("us-east-1a", "use1-az6")], now)
    assert zones.az_id_of(ALICES.number, "us-east-1a") == "use1-az4"
    assert zones.az_id_of(CHARLIES.number, "us-east-1a") == "use1-az6"
    assert zones.az_name_of(ALICES.number, "use1-az4") == "us-east-1a"
    assert zones.az_name_of(ALICES.number, "use1-az6") is None
    assert zones.az_id_of("000000000000", "us-east-1a") is None


def test_what_was_learnt_wrong_is_corrected(now):
    old = [ZoneName("us-east-1a", "use1-az1"), ZoneName("us-east-1b", "use1-az2")]
    new = [ZoneName("us-east-1a", "use1-az2"), ZoneName("us-east-1b", "use1-az1")]
    zones.learn(ALICES.number, "us-east-1", old, now)
    zones.learn(ALICES.number, "us-east-1", new, now)
    found = zones.names_in(ALICES.number, "us-east-1")
    assert found == {"us-east-1a": "use1-az2", "us-east-1b": "use1-az1"}


def test_learning_nothing_forgets_nothing(now):
    zones.learn(ALICES.number, "us-east-1", [ZoneName("us-east-1a", "use1-az4")], now)
    zones.learn(ALICES.number, "us-east-1", [], now)
    assert Zone.objects.count() == 1


def test_ec2_is_asked_once_per_account_and_region(now, monkeypatch):
    asked = []

    def told(account, region):
        asked.append((account, region))
        return [ZoneName(f"{region}a", "use1-az4" if region == "us-east-1" else "use2-az1")]

    monkeypatch.setattr(cloud_zones, "zones", told)
    for _ in range(2):
        zones.ensure(ALICES, "us-east-1", now)
        zones.ensure(ALICES, "us-east-2", now)
        zones.ensure(CHARLIES, "us-east-1", now)
    assert len(asked) == 3


def test_a_failure_is_not_taken_for_an_answer(now, monkeypatch):
    def fails(account, region):
        raise ThrottleError("RequestLimitExceeded")

    monkeypatch.setattr(cloud_zones, "zones", fails)
    with pytest.raises(ThrottleError):
        zones.ensure(ALICES, "us-east-1", now)
    assert not Zone.objects.exists()
