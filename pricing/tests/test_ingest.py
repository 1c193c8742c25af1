"""What agents report: limits, doubles, dedupe, whose word counts for whom."""

import threading
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from pricing import ingest, pools, quality, queries
from pricing.ingest import PoolPrice, Report
from pricing.models import CleanPrice, OnDemandPrice, Pool, RawPrice
from spotopt.lib.errors import BadInput

pytestmark = pytest.mark.django_db
ALICE, CHARLIE = uuid.uuid4(), uuid.uuid4()
POOL = "t3.medium.use1-az4"
OTHER = "t3.medium.use1-az5"


def report(
    price: str, at: datetime, *, pool: str = POOL, source: str = "primary", client=ALICE, **more
) -> list[str]:
    more.setdefault("now", at)
    more.setdefault("instance_id", f"i-{source}")
    return ingest.report_prices(
        client_id=client, source=source, reports=[Report(pool, Decimal(price), at)], **more
    )


def clean(client=ALICE, pool: str = POOL) -> list[CleanPrice]:
    return list(CleanPrice.objects.filter(client_id=client, pool_id=pool).order_by("bucket"))


def on_demand(price: str, at: datetime, instance_type: str = "t3.medium") -> None:
    OnDemandPrice.objects.create(
        instance_type=instance_type, region="us-east-1", price=Decimal(price), effective_from=at
    )


def test_a_report_is_kept_raw_and_clean(now):
    assert report("0.0456", now) == ["normal"]
    raw = RawPrice.objects.get()
    assert (raw.pool_id, raw.price, raw.at, raw.source) == (POOL, Decimal("0.0456"), now, "primary")
    assert (raw.client_id, raw.instance_id, raw.received_at) == (ALICE, "i-primary", now)
    (row,) = clean()
    assert (row.price, row.flag, row.confidence) == (Decimal("0.0456"), "normal", 1.0)
    assert row.bucket == now.replace(minute=0, second=0)


def test_the_same_report_twice_is_stored_once(now):
    assert report("0.0456", now) == ["normal"]
    assert report("0.0456", now) == ["duplicate"]
    assert RawPrice.objects.count() == 1
    assert len(clean()) == 1


def test_the_first_word_on_a_moment_stays(now):
    report("0.0456", now)
    assert report("0.9", now) == ["duplicate"]
    assert clean()[0].price == Decimal("0.0456")


def test_twice_in_one_batch_counts_once(now):
    twice = [Report(POOL, Decimal("0.05"), now)] * 2
    flags = ingest.report_prices(
        client_id=ALICE, instance_id="i-1", source="primary", reports=twice, now=now
    )
    assert flags == ["normal", "duplicate"]
    assert RawPrice.objects.count() == 1


def test_primary_and_replica_that_agree_are_the_primarys_price(now):
    assert report("0.0456", now) == ["normal"]
    assert report("0.0458", now, source="automatic_replica") == ["normal"]
    (row,) = clean()
    assert (row.price, row.source, row.flag) == (Decimal("0.0456"), "primary", "normal")
    assert RawPrice.objects.count() == 2


def test_primary_and_replica_that_differ_are_averaged(now):
    report("0.0500", now, source="manual_replica")
    assert report("0.0510", now + timedelta(seconds=20)) == ["averaged"]
    (row,) = clean()
    assert (row.price, row.flag) == (Decimal("0.0505"), "averaged")
    assert RawPrice.objects.count() == 2


def test_other_pools_and_other_buckets_are_other_series(now):
    report("0.05", now)
    assert report("0.09", now, pool=OTHER, source="automatic_replica") == ["normal"]
    later = now + timedelta(minutes=5)
    assert report("0.09", later, source="automatic_replica") == ["normal"]
    assert [row.price for row in clean()] == [Decimal("0.05"), Decimal("0.09")]
    assert [row.price for row in clean(pool=OTHER)] == [Decimal("0.09")]


def test_one_clients_word_is_nothing_to_another(now):
    report("0.05", now)
    report("0.08", now, client=CHARLIE)
    assert [row.price for row in clean()] == [Decimal("0.05")]
    assert [row.price for row in clean(CHARLIE)] == [Decimal("0.08")]
    assert clean(None) == []
    assert Pool.objects.get().spot_price is None
    assert queries.current_prices([POOL], client_id=ALICE, now=now)[POOL].price == Decimal("0.05")
    assert queries.current_prices([POOL], client_id=uuid.uuid4(), now=now) == {}
    assert queries.current_prices([POOL], client_id=None, now=now) == {}
    assert queries.volatility([POOL], now=now) == {}


@pytest.mark.parametrize(
    ("price", "good"),
    [
        ("0.000001", True),
        ("0", False),
        ("0.0000004", False),
        ("-0.05", False),
        ("-1E+40", False),
        ("1E+40", False),
        ("1E-400", False),
        ("1000000", False),
        ("999999", True),
        ("NaN", False),
        ("sNaN", False),
        ("Infinity", False),
    ],
)
def test_a_price_is_above_zero_and_fits(now, price, good):
    if good:
        assert report(price, now) == ["normal"]
        return
    with pytest.raises(BadInput) as caught:
        report(price, now)
    assert list(caught.value.errors) == ["spot_price"]
    assert not RawPrice.objects.exists()
    assert not Pool.objects.exists()


def test_a_price_is_below_ten_times_on_demand_where_that_is_known(now):
    on_demand("0.0416", now - timedelta(days=1))
    assert report("0.415", now) == ["normal"]
    with pytest.raises(BadInput) as caught:
        report("0.416", now + timedelta(seconds=1))
    assert list(caught.value.errors) == ["spot_price"]
    assert report("50", now, pool="p3.16xlarge.use1-az4") == ["normal"]  # of it nothing is known


@pytest.mark.parametrize(
    ("away", "good"),
    [
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, seconds=1), False),
        (timedelta(days=-90), True),
        (timedelta(days=-90, seconds=-1), False),
    ],
)
def test_a_time_is_neither_far_ahead_nor_long_ago(now, away, good):
    if good:
        assert report("0.05", now + away, now=now) == ["normal"]
        return
    with pytest.raises(BadInput) as caught:
        report("0.05", now + away, now=now)
    assert list(caught.value.errors) == ["timestamp"]
    assert not RawPrice.objects.exists()


@pytest.mark.parametrize("pool", ["", "pool_456", "t3.medium.us-east-1a", "t3.medium.eug1-az1"])
def test_a_pool_that_is_none_is_refused(now, pool):
    with pytest.raises(BadInput) as caught:
        report("0.05", now, pool=pool)
    assert list(caught.value.errors) == ["pool_id"]
    assert not Pool.objects.exists()


def test_one_bad_report_refuses_all_and_is_named(now):
    reports = [
        Report(POOL, Decimal("0.05"), now),
        Report(POOL, Decimal(-1), now + timedelta(days=1)),
        Report("x", Decimal("0.05"), now),
    ]
    with pytest.raises(BadInput) as caught:
        ingest.report_prices(
            client_id=ALICE, instance_id="i-1", source="primary", reports=reports, now=now
        )
    assert set(caught.value.errors) == {
        "reports.1.spot_price",
        "reports.1.timestamp",
        "reports.2.pool_id",
    }
    assert not RawPrice.objects.exists()
    assert not CleanPrice.objects.exists()


def many(count: int, now: datetime) -> list[Report]:
    return [
        Report((POOL, OTHER)[n % 2], Decimal("0.05") + n % 7, now - timedelta(minutes=n))
        for n in range(count)
    ]


def test_a_thousand_reports_take_as_many_statements_as_one(now, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        flags = ingest.report_prices(
            client_id=ALICE, instance_id="i-1", source="primary", reports=many(1000, now), now=now
        )
    assert len(flags) == 1000
    assert set(flags) == {"normal"}
    assert RawPrice.objects.count() == 1000
    assert CleanPrice.objects.count() == len(
        {(r.pool_id, r.at.timestamp() // 300) for r in many(1000, now)}
    )


def test_a_batch_may_come_from_several_sources(now):
    reports = [
        Report(POOL, Decimal("0.05"), now),
        Report(POOL, Decimal("0.06"), now, source="automatic_replica"),
        Report(POOL, Decimal("0.06"), now, source="automatic_replica"),
    ]
    flags = ingest.report_prices(
        client_id=ALICE, instance_id="i-1", source="primary", reports=reports, now=now
    )
    assert flags == ["averaged", "averaged", "duplicate"]
    assert RawPrice.objects.count() == 2
    with pytest.raises(ValueError):
        ingest.report_prices(
            client_id=ALICE,
            instance_id="i-1",
            source="primary",
            reports=[Report(POOL, Decimal("0.05"), now, source="aws")],
            now=now,
        )


def test_more_than_a_thousand_are_refused(now):
    with pytest.raises(BadInput) as caught:
        ingest.report_prices(
            client_id=ALICE, instance_id="i-1", source="primary", reports=many(1001, now), now=now
        )
    assert list(caught.value.errors) == ["reports"]


def test_no_reports_are_no_rows(now):
    found = ingest.report_prices(
        client_id=ALICE, instance_id="i-1", source="primary", reports=[], now=now
    )
    assert found == []


def test_an_agent_never_speaks_for_aws(now):
    with pytest.raises(ValueError):
        report("0.05", now, source="aws")


def aws(price: str, at: datetime, **more) -> set[str]:
    more.setdefault("now", at)
    return ingest.record_history([PoolPrice("t3.medium", "use1-az4", Decimal(price), at)], **more)


def test_awss_history_is_for_everybody(now):
    assert aws("0.0125", now) == {POOL}
    (row,) = clean(None)
    assert (row.price, row.source, row.flag) == (Decimal("0.0125"), "aws", "normal")
    pool = Pool.objects.get()
    assert (pool.spot_price, pool.spot_price_at, pool.region) == (
        Decimal("0.0125"),
        now,
        "us-east-1",
    )
    assert queries.current_prices([POOL], client_id=CHARLIE, now=now)[POOL].source == "aws"


def test_the_same_history_twice_is_stored_once(now):
    aws("0.0125", now)
    aws("0.0125", now)
    assert RawPrice.objects.count() == 1


def test_the_last_change_in_a_bucket_is_its_price(now):
    aws("0.0125", now)
    aws("0.0130", now + timedelta(seconds=60))
    aws("0.0120", now - timedelta(seconds=60))
    assert [row.price for row in clean(None)] == [Decimal("0.0130")]
    assert Pool.objects.get().spot_price == Decimal("0.0130")


def test_old_history_does_not_overwrite_the_present(now):
    aws("0.0125", now)
    aws("0.0999", now - timedelta(days=30))
    pool = Pool.objects.get()
    assert (pool.spot_price, pool.spot_price_at) == (Decimal("0.0125"), now)


def test_being_asked_confirms_a_price_that_still_holds(now):
    aws("0.0125", now - timedelta(hours=20), now=now, confirmed_at=now)
    assert Pool.objects.get().spot_price_at == now


def test_a_pool_that_aws_no_longer_tells_of_goes_stale(now):
    row_at = now - timedelta(hours=37)
    aws("0.0125", row_at, now=now, confirmed_at=now)
    assert Pool.objects.get().spot_price_at == row_at
    assert queries.current_prices([POOL], client_id=None, now=now)[POOL].stale


def test_history_of_many_pools_takes_few_statements(now, django_assert_max_num_queries):
    points = [
        PoolPrice(f"c5.{size}xlarge", f"use1-az{zone}", Decimal(size), now - timedelta(hours=hours))
        for size in range(1, 20)
        for zone in range(1, 7)
        for hours in range(10)
    ]
    with django_assert_max_num_queries(15):
        assert len(ingest.record_history(points, now=now)) == 19 * 6
    assert RawPrice.objects.count() == len(points)


def test_windows_is_another_pool(now):
    point = PoolPrice("t3.medium", "use1-az4", Decimal("0.03"), now, product="Windows (Amazon VPC)")
    assert ingest.record_history([point], now=now) == {"t3.medium.use1-az4.windows"}
    assert Pool.objects.get().product == "Windows"


@pytest.mark.django_db(transaction=True)
def test_primary_and_replica_at_the_same_moment_lose_nothing(now, monkeypatch):
    """The replica's report waits for the primary's transaction, and then sees what it wrote."""
    pools.ensure(instance_type="t3.medium", az_id="use1-az4", region="us-east-1")
    rival_done = threading.Event()
    rivals: list[threading.Thread] = []
    real = quality.refresh

    def rival() -> None:
        report("0.0600", now, source="automatic_replica")
        rival_done.set()
        connection.close()

    def refresh(touched, *, client_id):
        settled = real(touched, client_id=client_id)
        if not rivals:
            rivals.append(threading.Thread(target=rival))
            rivals[0].start()
            assert not rival_done.wait(0.3)
        return settled

    monkeypatch.setattr(quality, "refresh", refresh)
    report("0.0500", now)
    rivals[0].join(timeout=20)
    (row,) = clean()
    assert (row.price, row.flag) == (Decimal("0.055"), "averaged")
