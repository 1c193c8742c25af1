"""Collecting from the simulated AWS, which runs in a process of its own."""

import socket
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from pricing import collector, ingest, queries, tasks
from pricing.ingest import PoolPrice
from pricing.models import CleanPrice, OnDemandPrice, Pool, RawPrice, Zone
from simulator.tests.harness import Sim
from spotopt.cloud import prices as cloud_prices
from spotopt.cloud.account import Account
from spotopt.cloud.errors import PermanentError, ThrottleError
from spotopt.lib.errors import Conflict, Unavailable

pytestmark = pytest.mark.django_db
REGION = "us-east-1"
OURS = Account()
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def simulator():
    running = Sim("--no-agents", speed=100)
    yield running
    running.stop()


@pytest.fixture
def sim(simulator: Sim, settings) -> Sim:
    simulator.reset()
    settings.AWS_ENDPOINT_URL = simulator.url
    return simulator


@pytest.fixture
def calls(monkeypatch) -> list[tuple[set[str], datetime]]:
    """What AWS is asked: (types, since)."""
    made: list[tuple[set[str], datetime]] = []
    real = cloud_prices.spot_history

    def counted(account, region, *, instance_types, since, until):
        made.append((set(instance_types), since))
        return real(account, region, instance_types=instance_types, since=since, until=until)

    monkeypatch.setattr(cloud_prices, "spot_history", counted)
    return made


def test_the_first_time_brings_two_days_of_every_zone(sim):
    now = timezone.now()
    named = collector.collect(OURS, REGION, instance_types=["t3.medium"], now=now)

    assert len(named) == 6 == Zone.objects.filter(region=REGION).count()
    assert set(Pool.objects.values_list("pool_id", flat=True)) == named
    for pool in Pool.objects.all():
        assert pool.spot_price
        assert pool.spot_price_at == now
    day = CleanPrice.objects.filter(bucket__gt=now - timedelta(hours=24), client_id=None)
    assert day.count() == 6 * 288
    assert set(day.values_list("flag", flat=True)) == {"normal", "backfilled"}
    measured = queries.volatility(named, now=now)
    assert set(measured) == named
    assert all(0 <= value < 0.2 for value in measured.values())
    assert set(queries.slope(named, now=now)) == named


def test_the_clean_price_is_awss_price_at_every_time(sim):
    now = timezone.now()
    collector.collect(OURS, REGION, instance_types=["t3.medium"], now=now)
    pool = Pool.objects.first()
    assert pool is not None
    rows = list(RawPrice.objects.filter(pool=pool).order_by("at"))
    for point in queries.series(pool.pk, None, now - timedelta(hours=24), now):
        end = point.at + timedelta(minutes=5)
        assert point.price == [row.price for row in rows if row.at < end][-1]


def test_the_next_time_brings_what_is_new(sim, calls):
    now = timezone.now()
    collector.collect(OURS, REGION, instance_types=["t3.medium"], now=now)
    rows = RawPrice.objects.count()
    later = now + timedelta(minutes=10)
    collector.collect(OURS, REGION, instance_types=["t3.medium"], now=later)
    assert [since for _, since in calls] == [
        now - collector.FIRST - collector.OVERLAP,
        now - collector.OVERLAP,
    ]
    assert RawPrice.objects.count() - rows <= 6
    assert Pool.objects.filter(spot_price_at=later).count() == 6


def test_a_type_that_is_new_starts_from_the_beginning(sim, calls):
    now = timezone.now()
    collector.collect(OURS, REGION, instance_types=["t3.medium"], now=now)
    collector.collect(OURS, REGION, instance_types=["t3.medium", "t3.large"], now=now)
    assert calls[1][1] == calls[0][1]


def test_no_types_is_no_call(settings, calls):
    settings.AWS_ENDPOINT_URL = "http://127.0.0.1:9"
    assert collector.collect(OURS, REGION, instance_types=[], now=timezone.now()) == set()
    assert calls == []


def test_fresh_prices_are_not_fetched_again(sim, calls):
    now = timezone.now()
    for minutes in (0, 1, 29):
        collector.ensure_fresh(
            OURS,
            REGION,
            instance_types=["t3.medium"],
            now=now + timedelta(minutes=minutes),
            max_age=HALF_HOUR,
        )
    assert len(calls) == 1
    collector.ensure_fresh(
        OURS,
        REGION,
        instance_types=["t3.medium"],
        now=now + timedelta(minutes=31),
        max_age=HALF_HOUR,
    )
    assert len(calls) == 2
    assert OnDemandPrice.objects.get().price == Decimal("0.0416")


def test_only_what_is_missing_is_fetched(sim, calls):
    now = timezone.now()
    for types in (["t3.medium"], ["t3.medium", "t3.large"]):
        collector.ensure_fresh(OURS, REGION, instance_types=types, now=now, max_age=HALF_HOUR)
    assert [types for types, _ in calls] == [{"t3.medium"}, {"t3.large"}]


def known(at: datetime) -> None:
    ingest.record_history(
        [PoolPrice("t3.medium", "use1-az4", Decimal("0.01"), at)], now=at, confirmed_at=at
    )


@pytest.fixture
def nobody(settings):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{held.getsockname()[1]}"
        yield


def test_without_aws_and_without_prices_it_says_try_again(nobody):
    with pytest.raises(Unavailable) as caught:
        collector.ensure_fresh(
            OURS, REGION, instance_types=["t3.medium"], now=timezone.now(), max_age=HALF_HOUR
        )
    assert caught.value.retry_after


def test_without_aws_prices_of_this_morning_will_do(nobody):
    now = timezone.now()
    known(now - timedelta(hours=5))
    collector.ensure_fresh(OURS, REGION, instance_types=["t3.medium"], now=now, max_age=HALF_HOUR)


def test_without_aws_stale_prices_will_not_do(nobody):
    now = timezone.now()
    known(now - timedelta(hours=40))
    with pytest.raises(Unavailable):
        collector.ensure_fresh(
            OURS, REGION, instance_types=["t3.medium"], now=now, max_age=HALF_HOUR
        )


def test_a_refusal_says_what_to_allow(sim):
    sim.fault(kind="deny", action="ec2:DescribeSpotPriceHistory", count=1)
    with pytest.raises(Conflict) as caught:
        collector.ensure_fresh(
            OURS, REGION, instance_types=["t3.medium"], now=timezone.now(), max_age=HALF_HOUR
        )
    assert "DescribeSpotPriceHistory" in caught.value.message


def test_collecting_itself_lets_the_callers_see_the_class(sim):
    sim.fault(kind="throttle", action="ec2:DescribeSpotPriceHistory", count=1)
    with pytest.raises(ThrottleError):
        collector.collect(OURS, REGION, instance_types=["t3.medium"], now=timezone.now())
    with pytest.raises(PermanentError):
        collector.collect(OURS, "nowhere", instance_types=["t3.medium"], now=timezone.now())


def test_zones_nobody_knows_are_left_out(sim, monkeypatch):
    now = timezone.now()

    def told(account, region, **asked):
        for name, az_id in (
            ("us-east-1a", None),
            ("us-east-1z", None),
            ("us-west-2a", "usw2-az1"),
            ("x", "rubbish"),
        ):
            yield cloud_prices.PricePoint(
                "t3.medium", name, az_id, "Linux/UNIX (Amazon VPC)", Decimal("0.01"), now
            )

    monkeypatch.setattr(cloud_prices, "spot_history", told)
    named = collector.collect(OURS, REGION, instance_types=["t3.medium"], now=now)
    az_id = Zone.objects.get(az_name="us-east-1a").az_id
    assert named == {f"t3.medium.{az_id}"}


def test_tasks_do_the_same_and_survive_aws(sim):
    assert tasks.collect_prices(OURS, REGION, ["t3.medium"]) == 6
    assert tasks.collect_on_demand_prices(OURS, REGION, ["t3.medium"]) == 1
    assert tasks.collect_on_demand_prices(OURS, REGION, ["t3.medium"]) == 0
    sim.fault(kind="throttle")
    assert tasks.collect_prices(OURS, REGION, ["t3.medium"]) == 0
    assert tasks.collect_on_demand_prices(OURS, REGION, ["t3.large"]) == 0


def test_the_filling_task_uses_history_first(now):
    known(timezone.now() - timedelta(hours=1))
    Pool.objects.update(spot_price_at=timezone.now())
    filled = tasks.fill_gaps(["t3.medium.use1-az4"])
    assert filled in (11, 12)
    assert tasks.fill_gaps(["t3.medium.use1-az4"]) in (0, 1)


def test_the_filling_task_finds_what_a_crash_left_open():
    """A collector that ended between storing and filling."""
    known(timezone.now() - timedelta(hours=1))
    Pool.objects.update(spot_price_at=timezone.now())
    assert tasks.fill_gaps() in (11, 12)
    assert tasks.fill_gaps([]) == 0
