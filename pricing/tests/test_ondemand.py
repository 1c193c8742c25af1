from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pricing import ondemand, queries
from pricing.models import OnDemandPrice
from spotopt.cloud import prices as cloud_prices
from spotopt.cloud.account import Account
from spotopt.cloud.errors import UnreachableError
from spotopt.cloud.prices import OnDemandOffer

pytestmark = pytest.mark.django_db
REGION = "us-east-1"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def record(price: str, now: datetime, since: datetime | None = MARCH) -> int:
    offers = {"t3.medium": OnDemandOffer(Decimal(price), since)}
    return ondemand.record(offers, region=REGION, now=now)


def stored() -> list[tuple[str, datetime]]:
    rows = OnDemandPrice.objects.order_by("effective_from")
    return [(f"{row.price.normalize():f}", row.effective_from) for row in rows]


def test_a_price_holds_from_the_day_aws_names(now):
    assert record("0.0416", now) == 1
    assert stored() == [("0.0416", MARCH)]


def test_without_a_day_it_holds_from_today(now):
    record("0.0416", now, since=None)
    assert stored() == [("0.0416", now.replace(hour=0, minute=0, second=0))]


def test_a_day_to_come_is_not_believed(now):
    record("0.0416", now, since=now + timedelta(days=3))
    assert queries.on_demand_price("t3.medium", REGION, at=now) == Decimal("0.0416")


def test_the_same_price_again_is_no_new_row(now):
    record("0.0416", now)
    assert record("0.0416", now + timedelta(days=40), since=now + timedelta(days=30)) == 0
    assert len(stored()) == 1


def test_a_change_is_a_row_of_its_own_and_history_stays(now):
    record("0.0416", now)
    record("0.0400", now, since=MARCH + timedelta(days=30))
    assert stored() == [("0.0416", MARCH), ("0.04", MARCH + timedelta(days=30))]


def test_a_change_that_keeps_its_old_date_holds_from_today(now):
    record("0.0416", now)
    record("0.0400", now, since=MARCH)
    today = now.replace(hour=0, minute=0, second=0)
    assert stored() == [("0.0416", MARCH), ("0.04", today)]


def test_two_changes_on_a_day_leave_the_last(now):
    record("0.0416", now, since=None)
    record("0.0400", now + timedelta(hours=1), since=None)
    assert [price for price, _ in stored()] == ["0.04"]


@pytest.fixture
def asked(monkeypatch) -> list[set[str]]:
    calls: list[set[str]] = []

    def offers(*, instance_types, region, account):
        calls.append(set(instance_types))
        return {
            kind: OnDemandOffer(Decimal("0.05"), MARCH) for kind in instance_types if kind != "x.y"
        }

    monkeypatch.setattr(cloud_prices, "on_demand_offers", offers)
    return calls


def test_only_unknown_types_are_asked_for(now, asked):
    record("0.0416", now)
    ondemand.ensure(Account(), REGION, instance_types=["t3.medium", "t3.large"], now=now)
    ondemand.ensure(Account(), REGION, instance_types=["t3.medium", "t3.large"], now=now)
    assert asked == [{"t3.large"}]


def test_what_aws_does_not_list_is_asked_for_once_an_hour(now, asked):
    for minutes in (0, 1, 59, 60):
        ondemand.ensure(
            Account(), REGION, instance_types=["x.y"], now=now + timedelta(minutes=minutes)
        )
    assert len(asked) == 2


def test_a_failure_is_no_hindrance(now, monkeypatch):
    def fails(**asked):
        raise UnreachableError("ReadTimeoutError")

    monkeypatch.setattr(cloud_prices, "on_demand_offers", fails)
    ondemand.ensure(Account(), REGION, instance_types=["t3.medium"], now=now)
    assert stored() == []
