"""The clean series as it is stored: filled, drawn anew, never made up."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pricing import ingest, quality, queries
from pricing.ingest import PoolPrice, Report
from pricing.models import CleanPrice, RawPrice

pytestmark = pytest.mark.django_db
ALICE = uuid.uuid4()
POOL = "t3.medium.use1-az4"


@pytest.fixture
def noon(now: datetime) -> datetime:
    return now.replace(minute=0, second=0)


def report(now: datetime, *said: tuple[int, str], client=ALICE) -> None:
    """(minutes before now, price)"""
    ingest.report_prices(
        client_id=client,
        instance_id="i-1",
        source="primary",
        reports=[Report(POOL, Decimal(p), now - timedelta(minutes=m)) for m, p in said],
        now=now,
    )


def aws(now: datetime, *said: tuple[int, str]) -> None:
    points = [
        PoolPrice("t3.medium", "use1-az4", Decimal(p), now - timedelta(minutes=m)) for m, p in said
    ]
    ingest.record_history(points, now=now, confirmed_at=now)


def fill(now: datetime) -> int:
    return quality.interpolate(since=now - timedelta(hours=24), until=now)


def stored(now: datetime, client=ALICE) -> list[tuple[int, str, str, float]]:
    rows = CleanPrice.objects.filter(client_id=client).order_by("bucket")
    return [
        (int((now - r.bucket).total_seconds() / 60), f"{r.price:.4f}", r.flag, r.confidence)
        for r in rows
    ]


def test_a_short_gap_is_filled_on_the_line(noon):
    report(noon, (15, "0.050"), (0, "0.060"))
    assert fill(noon) == 2
    assert stored(noon) == [
        (15, "0.0500", "normal", 1.0),
        (10, "0.0533", "interpolated", 0.85),
        (5, "0.0567", "interpolated", 0.85),
        (0, "0.0600", "normal", 1.0),
    ]
    assert RawPrice.objects.count() == 2


def test_beyond_two_buckets_it_is_less_sure(noon):
    report(noon, (30, "0.05"), (0, "0.05"))
    assert fill(noon) == 5
    assert {row[3] for row in stored(noon)} == {1.0, 0.75}


def test_a_long_gap_stays_a_gap(noon):
    report(noon, (35, "0.05"), (0, "0.06"))
    assert fill(noon) == 0
    assert len(stored(noon)) == 2


def test_filling_twice_fills_once(noon):
    report(noon, (15, "0.05"), (0, "0.06"))
    assert fill(noon) == 2
    assert fill(noon) == 0


def test_one_clients_gap_is_not_bridged_by_anothers_reports(noon):
    bob = uuid.uuid4()
    report(noon, (15, "0.05"))
    report(noon, (0, "0.06"), client=bob)
    assert fill(noon) == 0


def test_a_late_report_takes_the_place_of_a_guess_and_the_rest_is_drawn_anew(noon):
    report(noon, (20, "0.050"), (0, "0.060"))
    fill(noon)
    assert len(stored(noon)) == 5

    report(noon, (10, "0.090"))
    assert [row[2] for row in stored(noon)] == ["normal"] * 3
    fill(noon)
    assert [(m, price) for m, price, _, _ in stored(noon)] == [
        (20, "0.0500"),
        (15, "0.0700"),
        (10, "0.0900"),
        (5, "0.0750"),
        (0, "0.0600"),
    ]


def test_what_aws_knows_is_not_guessed(noon):
    aws(noon, (30, "0.040"))
    quality.backfill(pool_ids=[POOL], since=noon - timedelta(minutes=30), until=noon)
    report(noon, (15, "0.050"), (0, "0.060"))
    assert fill(noon) == 0
    found = queries.series(POOL, ALICE, noon - timedelta(minutes=15), noon)
    assert [(point.price, point.source) for point in found] == [(Decimal("0.04"), "aws")] * 4


def test_awss_price_holds_until_its_next_row(noon):
    aws(noon, (60, "0.040"), (20, "0.050"))
    filled = quality.backfill(pool_ids=[POOL], since=noon - timedelta(minutes=60), until=noon)
    rows = stored(noon, client=None)
    assert filled == 11
    assert [price for _, price, _, _ in rows] == ["0.0400"] * 8 + ["0.0500"] * 5
    assert {flag for minutes, _, flag, _ in rows if minutes not in (60, 20)} == {"backfilled"}
    assert {confidence for _, _, _, confidence in rows} == {1.0}


def test_backfilling_again_writes_nothing(noon):
    aws(noon, (60, "0.040"))
    since = noon - timedelta(hours=2)
    assert quality.backfill(pool_ids=[POOL], since=since, until=noon) == 12
    assert quality.backfill(pool_ids=[POOL], since=since, until=noon) == 0


def test_before_the_first_row_nothing_is_known(noon):
    aws(noon, (10, "0.040"))
    quality.backfill(pool_ids=[POOL], since=noon - timedelta(hours=5), until=noon)
    assert min(row.bucket for row in CleanPrice.objects.all()) == noon - timedelta(minutes=10)


def test_past_the_last_confirmation_nothing_is_known(noon):
    aws(noon - timedelta(hours=2), (0, "0.040"))
    quality.backfill(pool_ids=[POOL], since=noon - timedelta(hours=3), until=noon)
    assert CleanPrice.objects.count() == 1


def test_after_36_hours_without_a_row_it_is_a_gap(noon):
    aws(noon, (60 * 48, "0.040"), (0, "0.050"))
    quality.backfill(pool_ids=[POOL], since=noon - timedelta(hours=49), until=noon)
    buckets = set(CleanPrice.objects.values_list("bucket", flat=True))
    start = noon - timedelta(hours=48)
    assert start + timedelta(hours=35, minutes=55) in buckets
    assert start + timedelta(hours=36) not in buckets
    assert noon - timedelta(minutes=5) not in buckets
    assert noon in buckets


def test_a_row_that_comes_late_mends_what_was_held_too_long(noon):
    aws(noon, (60, "0.040"))
    since = noon - timedelta(minutes=60)
    quality.backfill(pool_ids=[POOL], since=since, until=noon)
    aws(noon, (32, "0.050"))
    assert quality.backfill(pool_ids=[POOL], since=since, until=noon) == 7
    prices = [price for _, price, _, _ in stored(noon, client=None)]
    assert prices == ["0.0400"] * 5 + ["0.0500"] * 8


def test_no_pools_are_no_statement(noon, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert quality.backfill(pool_ids=[], since=noon, until=noon) == 0
        assert quality.refresh([], client_id=None) == {}


def test_a_day_of_many_pools_is_one_statement(noon, django_assert_max_num_queries):
    points = [
        PoolPrice("t3.medium", f"use1-az{n}", Decimal("0.01"), noon - timedelta(hours=24))
        for n in range(1, 7)
    ]
    named = ingest.record_history(points, now=noon, confirmed_at=noon)
    with django_assert_max_num_queries(4):  # with the lock, and its transaction
        filled = quality.backfill(pool_ids=named, since=noon - timedelta(hours=24), until=noon)
    assert filled == 6 * 288
