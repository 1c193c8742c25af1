"""Questions about prices: few statements, whatever the number of pools. Prices are USD an hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from pricing import buckets, quality
from pricing.models import LINUX, OnDemandPrice, Pool

DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)
NOTABLE = 0.01  # a relative change of more than one percent is a trend

# One row a bucket: AWS's own where there is one, else what the client's own agents said.
_BEST = """
SELECT DISTINCT ON (pool_id, bucket) pool_id, bucket, price, source, flag, confidence
FROM pricing_cleanprice
WHERE pool_id = ANY(%(pools)s) AND bucket >= %(since)s AND bucket <= %(until)s
    AND (client_id IS NULL OR client_id = %(client)s::uuid)
ORDER BY pool_id, bucket, client_id NULLS FIRST
"""
_OWN = """
SELECT named.pool_id, last.price, last.bucket, last.source
FROM unnest(%(pools)s::varchar[]) AS named(pool_id)
CROSS JOIN LATERAL (
    SELECT price, bucket, source FROM pricing_cleanprice
    WHERE pool_id = named.pool_id AND client_id = %(client)s::uuid
        AND bucket <= %(now)s AND flag <> 'interpolated'
    ORDER BY bucket DESC LIMIT 1) AS last
"""
_OVER_BEST = "SELECT pool_id, {} FROM (" + _BEST + ") AS best GROUP BY pool_id"  # noqa: S608 - constants
_VOLATILITY = _OVER_BEST.format("(stddev_pop(price) / avg(price))::float8")
_ENDS = _OVER_BEST.format(
    "(array_agg(price ORDER BY bucket))[1], (array_agg(price ORDER BY bucket DESC))[1]"
)


@dataclass(frozen=True)
class CurrentPrice:
    """`at`: when it was last confirmed. `stale`: that was more than 36 hours ago."""

    price: Decimal
    at: datetime
    source: str
    stale: bool


@dataclass(frozen=True)
class SeriesPoint:
    """A clean price; `at` is the start of its five minutes."""

    at: datetime
    price: Decimal
    source: str
    flag: str
    confidence: float


def current_prices(
    pool_ids: Iterable[str], *, client_id: UUID | None, now: datetime
) -> dict[str, CurrentPrice]:
    """The newest price of each pool; pools without one are absent. AWS's own word wins over what the
    client's agents said in the same five minutes. Two statements.
    """
    wanted = sorted(set(pool_ids))
    found: dict[str, CurrentPrice] = {}
    if not wanted:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_OWN, {"pools": wanted, "client": client_id, "now": now})
        for pool_id, price, bucket, source in cursor.fetchall():
            found[pool_id] = CurrentPrice(price, bucket, source, now - bucket > quality.STALE)
    pools = Pool.objects.filter(pool_id__in=wanted, spot_price__isnull=False)
    for pool_id, price, at in pools.values_list("pool_id", "spot_price", "spot_price_at"):
        if price is None or at is None:
            continue
        said = found.get(pool_id)
        if said is None or said.at <= buckets.start(at):
            found[pool_id] = CurrentPrice(price, at, "aws", now - at > quality.STALE)
    return found


def on_demand_prices(
    instance_types: Iterable[str], region: str, *, at: datetime
) -> dict[str, Decimal]:
    """Linux on-demand prices in force at a moment, by type; unknown ones are absent."""
    rows = (
        OnDemandPrice.objects.filter(
            instance_type__in=set(instance_types),
            region=region,
            product=LINUX,
            effective_from__lte=at,
        )
        .order_by("instance_type", "-effective_from")
        .distinct("instance_type")
    )
    return dict(rows.values_list("instance_type", "price"))


def on_demand_price(instance_type: str, region: str, *, at: datetime) -> Decimal | None:
    """One type's Linux on-demand price in force at a moment; None if it is not known."""
    return on_demand_prices([instance_type], region, at=at).get(instance_type)


def _arguments(
    pool_ids: Iterable[str], client_id: UUID | None, since: datetime, until: datetime
) -> dict[str, Any]:
    return {"pools": sorted(set(pool_ids)), "client": client_id, "since": since, "until": until}


def volatility(
    pool_ids: Iterable[str], *, now: datetime, client_id: UUID | None = None
) -> dict[str, float]:
    """Standard deviation over mean of the last 24 hours' clean prices; pools without any are absent."""
    with connection.cursor() as cursor:
        cursor.execute(_VOLATILITY, _arguments(pool_ids, client_id, now - DAY, now))
        return dict(cursor.fetchall())


def slope(
    pool_ids: Iterable[str], *, now: datetime, client_id: UUID | None = None
) -> dict[str, float]:
    """The last hour's relative change (.02: two percent dearer); pools without a price in it are absent."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, _arguments(pool_ids, client_id, now - HOUR, now))
        return {pool_id: float(last / first - 1) for pool_id, first, last in cursor.fetchall()}


def trend(change: float) -> str:
    """`rising` above one percent, `falling` below minus one, else `stable`."""
    if change > NOTABLE:
        return "rising"
    return "falling" if change < -NOTABLE else "stable"


def series_of(
    pool_ids: Iterable[str], *, client_id: UUID | None, since: datetime, until: datetime
) -> dict[str, list[SeriesPoint]]:
    """The clean series of each pool in the window, oldest first; one statement. Gaps are left out."""
    wanted = _arguments(pool_ids, client_id, buckets.start(since), until)
    found: dict[str, list[SeriesPoint]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_BEST, wanted)
        for pool_id, *row in cursor.fetchall():
            found.setdefault(pool_id, []).append(SeriesPoint(*row))
    return found


def series(
    pool_id: str, client_id: UUID | None, since: datetime, until: datetime
) -> list[SeriesPoint]:
    """One pool's clean series in the window, oldest first. Gaps are left out, never drawn as zero."""
    found = series_of([pool_id], client_id=client_id, since=since, until=until)
    return found.get(pool_id, [])
