"""Prices as they come in. The only writer of RawPrice and of a pool's own price."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from pricing import buckets, dedupe, pools, quality, queries
from pricing.models import LINUX, RawPrice
from spotopt.lib.errors import BadInput

AHEAD = timedelta(minutes=5)
OLDEST = timedelta(days=90)
TIMES_ON_DEMAND = 10
MOST = 1000  # reports in one call
BATCH = 5000
DUPLICATE = "duplicate"
_LIMIT = Decimal(1_000_000)  # what the column holds

_INSERT = """
INSERT INTO pricing_rawprice (pool_id, at, price, source, client_id, instance_id, received_at)
SELECT pool_id, at, price, source, %(client)s::uuid, %(instance)s, %(now)s
FROM unnest(%(pools)s::varchar[], %(times)s::timestamptz[], %(prices)s::numeric[],
    %(sources)s::varchar[]) AS row(pool_id, at, price, source)
ON CONFLICT DO NOTHING
RETURNING pool_id, at, source
"""
_CURRENT = """
UPDATE pricing_pool AS pool SET spot_price = latest.price, spot_price_at = greatest(
    pool.spot_price_at, latest.at,
    CASE WHEN latest.at > %(confirmed)s::timestamptz - %(stale)s THEN %(confirmed)s::timestamptz END)
FROM unnest(%(pools)s::varchar[]) AS named(pool_id)
CROSS JOIN LATERAL (SELECT raw.price, raw.at FROM pricing_rawprice AS raw
    WHERE raw.pool_id = named.pool_id AND raw.source = 'aws'
    ORDER BY raw.at DESC LIMIT 1) AS latest
WHERE pool.pool_id = named.pool_id
"""


class BadReport(BadInput):
    """Reports that are refused, and with them the whole call."""


@dataclass(frozen=True)
class Report:
    """A spot price that an agent saw, USD an hour; `source` where it is not the whole call's."""

    pool_id: str
    price: Decimal
    at: datetime
    source: str = ""


@dataclass(frozen=True)
class PoolPrice:
    """A row of AWS's own price history."""

    instance_type: str
    az_id: str
    price: Decimal
    at: datetime
    product: str = LINUX


def report_prices(
    *,
    client_id: UUID,
    instance_id: str,
    source: str,
    reports: Sequence[Report],
    now: datetime,
) -> list[str]:
    """Store what an agent reports, for its client alone; a flag for each report, in their order:
    `normal` or `averaged` as its bucket then stands, `duplicate` if it was stored before.

    `source` is one of RawPrice.Source but `aws`. At most 1000 reports. Raises BadReport, which names
    each bad value, and then stores none of them.
    """
    if RawPrice.Source.AWS in {source, *(report.source for report in reports)}:
        raise ValueError("agents do not speak for AWS")
    _check(reports, now)
    if not reports:
        return []
    with transaction.atomic():
        pools.ensure_many({pools.parse(report.pool_id) for report in reports})
        pools.lock(report.pool_id for report in reports)
        rows = [
            (report.pool_id, report.at, dedupe.rounded(report.price), report.source or source)
            for report in reports
        ]
        new = _insert(rows, client_id=client_id, instance_id=instance_id, now=now)
        settled = quality.refresh(
            {(pool_id, buckets.start(at)) for pool_id, at, _ in new}, client_id=client_id
        )
    flags = []
    for report in reports:
        key = (report.pool_id, report.at, report.source or source)
        flags.append(
            settled[report.pool_id, buckets.start(report.at)].flag if key in new else DUPLICATE
        )
        new.discard(key)
    return flags


def _check(reports: Sequence[Report], now: datetime) -> None:
    if len(reports) > MOST:
        raise BadReport.field("reports", f"At most {MOST} at a time.")
    limits = _limits(reports, now)
    errors: dict[str, list[str]] = {}
    for number, report in enumerate(reports):
        prefix = "" if len(reports) == 1 else f"reports.{number}."
        for name, text in _complaints(report, limits, now):
            errors.setdefault(prefix + name, []).append(text)
    if errors:
        name, texts = next(iter(errors.items()))
        raise BadReport(f"{name}: {texts[0]}", errors=errors)


def _complaints(
    report: Report, limits: dict[str, Decimal], now: datetime
) -> Iterator[tuple[str, str]]:
    try:
        pools.region_of(pools.parse(report.pool_id)[1])
    except BadInput as error:
        yield "pool_id", error.message.partition(": ")[2]
    price = report.price
    if not price.is_finite() or not 0 < price < _LIMIT or not dedupe.rounded(price):
        yield "spot_price", "A price lies above zero and below a million, in USD an hour."
    elif (limit := limits.get(report.pool_id)) is not None and price >= limit:
        yield "spot_price", f"Ten times the on-demand price or more: {limit} is the limit."
    if report.at > now + AHEAD:
        yield "timestamp", "More than five minutes ahead: check the machine's clock."
    elif report.at < now - OLDEST:
        yield "timestamp", "Older than 90 days."


def _limits(reports: Sequence[Report], now: datetime) -> dict[str, Decimal]:
    """Ten times the on-demand price by pool, where that is known."""
    places: dict[str, tuple[str, str]] = {}
    for report in reports:
        try:
            instance_type, az_id, product = pools.parse(report.pool_id)
            if product == LINUX:
                places[report.pool_id] = (instance_type, pools.region_of(az_id))
        except BadInput:
            continue
    found: dict[str, Decimal] = {}
    for region in sorted({region for _, region in places.values()}):
        prices = queries.on_demand_prices({kind for kind, _ in places.values()}, region, at=now)
        for pool_id, (instance_type, home) in places.items():
            if home == region and instance_type in prices:
                found[pool_id] = prices[instance_type] * TIMES_ON_DEMAND
    return found


def record_history(
    points: Iterable[PoolPrice], *, now: datetime, confirmed_at: datetime | None = None
) -> set[str]:
    """Store rows of AWS's own history, which hold for everybody; the pools they are of.

    `confirmed_at` is the moment up to which AWS was asked: the newest row was still in force then.
    """
    named: set[str] = set()
    rest = iter(points)
    while batch := list(islice(rest, BATCH)):
        named |= _record(batch, now=now)
    if named:
        given: dict[str, Any] = {
            "pools": sorted(named),
            "confirmed": confirmed_at,
            "stale": quality.STALE,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            pools.lock(named)
            cursor.execute(_CURRENT, given)
    return named


def _record(batch: Sequence[PoolPrice], *, now: datetime) -> set[str]:
    parts = {(point.instance_type, point.az_id, point.product) for point in batch}
    rows = [
        (
            pools.pool_id(point.instance_type, point.az_id, point.product),
            point.at,
            dedupe.rounded(point.price),
            RawPrice.Source.AWS.value,
        )
        for point in batch
    ]
    named = {row[0] for row in rows}
    with transaction.atomic():
        pools.ensure_many(parts)
        pools.lock(named)
        new = _insert(rows, client_id=None, instance_id="", now=now)
        touched = {(pool_id, buckets.start(at)) for pool_id, at, _ in new}
        quality.refresh(touched, client_id=None)
    return named


def _insert(
    rows: Sequence[tuple[str, datetime, Decimal, str]],
    *,
    client_id: UUID | None,
    instance_id: str,
    now: datetime,
) -> set[tuple[str, datetime, str]]:
    """The (pool, time, source) of those that were not there before."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "pools": [row[0] for row in rows],
                "times": [row[1] for row in rows],
                "prices": [row[2] for row in rows],
                "sources": [row[3] for row in rows],
                "client": client_id,
                "instance": instance_id,
                "now": now,
            },
        )
        return {(pool_id, at, source) for pool_id, at, source in cursor.fetchall()}
