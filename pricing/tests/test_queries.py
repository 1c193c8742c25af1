"""Reads: what they answer, for whom, and in how many statements."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import fmean, pstdev

import pytest

from pricing import queries
from pricing.models import CleanPrice, OnDemandPrice, Pool

pytestmark = pytest.mark.django_db
ALICE, CHARLIE = uuid.uuid4(), uuid.uuid4()
MINUTE = timedelta(minutes=1)


def pool(number: int = 1, price: str | None = None, at: datetime | None = None) -> str:
    name = f"t3.medium.use1-az{number}"
    Pool.objects.create(
        pool_id=name,
        instance_type="t3.medium",
        az_id=f"use1-az{number}",
        region="us-east-1",
        spot_price=None if price is None else Decimal(price),
        spot_price_at=at,
    )
    return name


def clean(
    pool_id: str, bucket: datetime, price: str, *, client=None, source="", flag="normal"
) -> None:
    CleanPrice.objects.create(
        pool_id=pool_id,
        bucket=bucket,
        price=Decimal(price),
        client_id=client,
        source=source or ("primary" if client else "aws"),
        flag=flag,
    )


@pytest.fixture
def noon(now: datetime) -> datetime:
    return now.replace(minute=0, second=0)


def test_awss_price_is_current_for_everybody(noon):
    name = pool(price="0.0125", at=noon - 10 * MINUTE)
    for client in (ALICE, CHARLIE, None):
        found = queries.current_prices([name], client_id=client, now=noon)
        assert found == {
            name: queries.CurrentPrice(Decimal("0.0125"), noon - 10 * MINUTE, "aws", stale=False)
        }


def test_in_the_same_five_minutes_aws_is_trusted_more(noon):
    name = pool(price="0.0125", at=noon + MINUTE)
    clean(name, noon, "0.0200", client=ALICE)
    found = queries.current_prices([name], client_id=ALICE, now=noon + 2 * MINUTE)
    assert (found[name].price, found[name].source) == (Decimal("0.0125"), "aws")


def test_later_the_clients_own_agents_know_better_but_for_it_alone(noon):
    name = pool(price="0.0125", at=noon - 6 * MINUTE)
    clean(name, noon, "0.0200", client=ALICE)
    mine = queries.current_prices([name], client_id=ALICE, now=noon)[name]
    theirs = queries.current_prices([name], client_id=CHARLIE, now=noon)[name]
    assert (mine.price, mine.source) == (Decimal("0.0200"), "primary")
    assert (theirs.price, theirs.source) == (Decimal("0.0125"), "aws")


def test_a_guess_between_two_reports_is_never_current(noon):
    name = pool()
    clean(name, noon - 10 * MINUTE, "0.01", client=ALICE)
    clean(name, noon - 5 * MINUTE, "0.02", client=ALICE, flag="interpolated")
    assert queries.current_prices([name], client_id=ALICE, now=noon)[name].price == Decimal("0.01")


@pytest.mark.parametrize(("hours", "stale"), [(0, False), (36, False), (36.01, True), (900, True)])
def test_36_hours_without_a_word_are_stale(noon, hours, stale):
    at = noon - timedelta(hours=hours)
    aws, own = pool(1, "0.0125", at), pool(2)
    clean(own, at, "0.02", client=ALICE)
    found = queries.current_prices([aws, own], client_id=ALICE, now=noon)
    assert [found[aws].stale, found[own].stale] == [stale, stale]


def test_a_pool_without_a_price_is_absent_and_not_free(noon):
    name = pool()
    assert queries.current_prices([name, "no.such.use1-az1"], client_id=ALICE, now=noon) == {}


def test_current_prices_of_many_pools_take_two_statements(noon, django_assert_num_queries):
    names = [pool(number, "0.01", noon) for number in range(1, 31)]
    with django_assert_num_queries(2):
        assert len(queries.current_prices(names, client_id=ALICE, now=noon)) == 30
    with django_assert_num_queries(0):
        assert queries.current_prices([], client_id=ALICE, now=noon) == {}


def on_demand(price: str, since: datetime, instance_type="t3.medium", region="us-east-1") -> None:
    OnDemandPrice.objects.create(
        instance_type=instance_type, region=region, price=Decimal(price), effective_from=since
    )


def test_on_demand_prices_are_those_of_their_day(noon):
    on_demand("0.05", noon - timedelta(days=60))
    on_demand("0.04", noon - timedelta(days=30))
    on_demand("0.03", noon + timedelta(days=1))

    def price(days: float) -> Decimal | None:
        at = noon - timedelta(days=days)
        return queries.on_demand_price("t3.medium", "us-east-1", at=at)

    assert [price(0), price(30), price(45), price(61)] == [
        Decimal("0.04"),
        Decimal("0.04"),
        Decimal("0.05"),
        None,
    ]
    assert queries.on_demand_price("t3.medium", "us-west-2", at=noon) is None


def test_on_demand_prices_of_many_types_are_one_statement(noon, django_assert_num_queries):
    types = [f"c5.{n}xlarge" for n in range(1, 20)]
    for number, instance_type in enumerate(types, 1):
        on_demand(str(number), noon, instance_type)
        on_demand(str(number + 1), noon - timedelta(days=1), instance_type)
    with django_assert_num_queries(1):
        found = queries.on_demand_prices({*types, "no.such"}, "us-east-1", at=noon)
    assert found == {kind: Decimal(n) for n, kind in enumerate(types, 1)}


def test_volatility_is_deviation_over_mean_of_the_last_day(noon):
    name = pool()
    prices = [0.040, 0.044, 0.050, 0.041]
    for number, price in enumerate(prices):
        clean(name, noon - number * timedelta(hours=7), str(price))
    clean(name, noon - timedelta(hours=25), "9")
    clean(name, noon + timedelta(minutes=5), "9")
    found = queries.volatility([name], now=noon)
    assert found[name] == pytest.approx(pstdev(prices) / fmean(prices))


def test_volatility_of_one_price_is_none_at_all_and_of_no_price_unknown(noon):
    one, none = pool(1), pool(2)
    clean(one, noon, "0.05")
    assert queries.volatility([one, none], now=noon) == {one: 0.0}


def test_the_slope_is_the_last_hours_relative_change(noon):
    name = pool()
    for minutes, price in ((70, "9"), (60, "0.050"), (30, "0.070"), (0, "0.051")):
        clean(name, noon - minutes * MINUTE, price)
    assert queries.slope([name], now=noon)[name] == pytest.approx(0.02)
    assert queries.slope([name], now=noon + timedelta(hours=5)) == {}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (0.0, "stable"),
        (0.01, "stable"),
        (0.0101, "rising"),
        (-0.01, "stable"),
        (-0.0101, "falling"),
        (3.0, "rising"),
    ],
)
def test_one_percent_makes_a_trend(change, word):
    assert queries.trend(change) == word


def test_measures_of_other_clients_reports_stay_with_them(noon):
    name = pool()
    clean(name, noon, "0.05", client=CHARLIE)
    clean(name, noon - 5 * MINUTE, "0.09", client=CHARLIE)
    assert queries.volatility([name], now=noon) == {}
    assert queries.slope([name], now=noon, client_id=ALICE) == {}
    assert queries.slope([name], now=noon, client_id=CHARLIE)[name] < 0
    assert queries.series(name, ALICE, noon - timedelta(hours=1), noon) == []


def test_measures_of_many_pools_are_one_statement_each(noon, django_assert_num_queries):
    names = [pool(number) for number in range(1, 21)]
    for name in names:
        clean(name, noon, "0.05")
    with django_assert_num_queries(2):
        assert len(queries.volatility(names, now=noon)) == 20
        assert len(queries.slope(names, now=noon)) == 20


def test_a_series_prefers_aws_bucket_by_bucket(noon):
    name = pool()
    clean(name, noon - 10 * MINUTE, "0.05", client=ALICE)
    clean(name, noon - 5 * MINUTE, "0.06", client=ALICE)
    clean(name, noon - 5 * MINUTE, "0.04")
    clean(name, noon - 5 * MINUTE, "0.99", client=CHARLIE)
    found = queries.series(name, ALICE, noon - timedelta(hours=1), noon)
    assert [(p.at, p.price, p.source) for p in found] == [
        (noon - 10 * MINUTE, Decimal("0.05"), "primary"),
        (noon - 5 * MINUTE, Decimal("0.04"), "aws"),
    ]


def test_a_gap_in_a_series_is_no_row_and_no_zero(noon):
    name = pool()
    clean(name, noon - timedelta(hours=2), "0.05")
    clean(name, noon, "0.06")
    found = queries.series(name, None, noon - timedelta(hours=3), noon)
    assert [p.price for p in found] == [Decimal("0.05"), Decimal("0.06")]


def test_series_of_many_pools_are_one_statement(noon, django_assert_num_queries):
    names = [pool(number) for number in range(1, 11)]
    for name in names:
        clean(name, noon, "0.05")
    with django_assert_num_queries(1):
        found = queries.series_of(names, client_id=None, since=noon, until=noon)
    assert sorted(found) == sorted(names)
