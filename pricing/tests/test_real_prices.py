"""Prices AWS really set, where the recordings are at hand: intake, filling and measures on all of them."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from pricing import ingest, pools, quality, queries, spans
from pricing.ingest import PoolPrice
from pricing.models import CleanPrice, Pool, RawPrice

FOLDER = Path(settings.BASE_DIR).parent / "shared" / "data" / "prices"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no recorded prices at ../shared/data/prices"),
]


def rows(name: str) -> Iterator[PoolPrice]:
    names = {z.name: z.zone_id for zs in RegionsAndZonesBackend.zones.values() for z in zs}
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            az = row["AvailabilityZone"]
            yield PoolPrice(
                instance_type=row["InstanceType"],
                az_id=names.get(az, az),
                price=Decimal(row["SpotPrice"]),
                at=datetime.fromisoformat(row["Timestamp"]),
                product=row["ProductDescription"],
            )


def test_five_months_of_one_zone():
    points = list(rows("eu-west-3a_2020-02-29_2020-07-31"))
    end = max(point.at for point in points)
    named = ingest.record_history(points, now=end, confirmed_at=end)
    assert len(named) == 16
    assert RawPrice.objects.count() == len({(p.instance_type, p.product, p.at) for p in points})

    since = end - timedelta(days=2)
    quality.backfill(pool_ids=named, since=since, until=end)
    current = queries.current_prices(named, client_id=None, now=end)
    fresh = {pool_id for pool_id, price in current.items() if not price.stale}
    assert fresh
    for pool_id in fresh:
        series = queries.series(pool_id, None, end - timedelta(hours=24), end)
        assert len(series) >= 288
        assert series[-1].price == current[pool_id].price
        held = spans.prices([pool_id], client_id=None, since=since, until=end)[pool_id]
        assert sum((s.end - s.start for s in held), timedelta()) == end - since
    assert all(value < 0.1 for value in queries.volatility(fresh, now=end).values())


def test_the_bidding_era_moves_more_and_is_still_told_whole():
    points = list(rows("us-east-1_2015-03-11_2015-06-30_bidding-era"))
    first = min(point.at for point in points)
    week = [point for point in points if point.at < first + timedelta(days=7)]
    end = max(point.at for point in week)
    named = ingest.record_history(week, now=end, confirmed_at=end)
    quality.backfill(pool_ids=named, since=end - timedelta(hours=24), until=end)
    changes = queries.volatility(named, now=end)
    assert max(changes.values()) > 0.1
    for pool_id in named:
        last = RawPrice.objects.filter(pool=pool_id).order_by("at").last()
        assert last is not None
        if end - last.at < quality.STALE:
            series = queries.series(pool_id, None, end, end)
            assert [point.price for point in series] == [last.price]


def test_a_day_of_all_regions_lands_in_the_right_ones():
    points = list(rows("all-regions_2022-05-31_azids"))
    named = ingest.record_history(points, now=max(p.at for p in points))
    assert len(named) == len({(p.instance_type, p.az_id, p.product) for p in points})
    regions = set(Pool.objects.values_list("region", flat=True))
    assert len(regions) == 17
    assert regions <= set(RegionsAndZonesBackend.zones)
    assert CleanPrice.objects.filter(flag="normal", source="aws").count() >= len(named)
    for pool in Pool.objects.order_by("?")[:50]:
        assert pools.parse(pool.pk) == (pool.instance_type, pool.az_id, pool.product)
