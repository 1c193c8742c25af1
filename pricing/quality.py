"""The clean series: one price a pool and bucket. The only writer of CleanPrice."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from pricing import buckets, dedupe, gaps, pools
from pricing.dedupe import Reported, Settled
from pricing.models import CleanPrice

STALE = timedelta(hours=36)  # every pool's price is repeated about daily
AT_ONCE = 100  # pools
Key = tuple[str, datetime]  # pool, start of the bucket

# OFFSET 0 keeps the planner to one look at the index per bucket, where it might read the whole table.
_REPORTED = """
SELECT touched.pool_id, touched.bucket, said.source, said.price, said.at
FROM unnest(%(pools)s::varchar[], %(buckets)s::timestamptz[]) AS touched(pool_id, bucket)
CROSS JOIN LATERAL (
    SELECT raw.source, raw.price, raw.at FROM pricing_rawprice AS raw
    WHERE raw.pool_id = touched.pool_id
        AND raw.at >= touched.bucket AND raw.at < touched.bucket + %(cadence)s
        AND raw.client_id IS NOT DISTINCT FROM %(client)s::uuid
    OFFSET 0) AS said
"""
# What was drawn between neighbours that have changed is drawn anew by the next filling.
_FORGET = """
DELETE FROM pricing_cleanprice WHERE id IN (
    SELECT near.id
    FROM unnest(%(pools)s::varchar[], %(buckets)s::timestamptz[]) AS touched(pool_id, bucket)
    CROSS JOIN LATERAL (
        SELECT clean.id FROM pricing_cleanprice AS clean
        WHERE clean.pool_id = touched.pool_id AND clean.flag = 'interpolated'
            AND clean.client_id IS NOT DISTINCT FROM %(client)s::uuid
            AND clean.bucket > touched.bucket - %(longest)s
            AND clean.bucket < touched.bucket + %(longest)s
        OFFSET 0) AS near)
"""
_WRITE = """
INSERT INTO pricing_cleanprice (pool_id, client_id, bucket, price, source, flag, confidence)
SELECT pool_id, %(client)s::uuid, bucket, price, source, flag, confidence
FROM unnest(%(pools)s::varchar[], %(buckets)s::timestamptz[], %(prices)s::numeric[],
    %(sources)s::varchar[], %(flags)s::varchar[], %(confidences)s::float8[])
    AS row(pool_id, bucket, price, source, flag, confidence)
ON CONFLICT (pool_id, bucket, client_id) DO UPDATE SET price = EXCLUDED.price,
    source = EXCLUDED.source, flag = EXCLUDED.flag, confidence = EXCLUDED.confidence
"""
_INTERPOLATED = """
INSERT INTO pricing_cleanprice (pool_id, client_id, bucket, price, source, flag, confidence)
SELECT row.pool_id, row.client_id, row.bucket, row.price, 'interpolated', 'interpolated', row.confidence
FROM unnest(%(pools)s::varchar[], %(clients)s::uuid[], %(buckets)s::timestamptz[],
    %(prices)s::numeric[], %(confidences)s::float8[])
    AS row(pool_id, client_id, bucket, price, confidence)
WHERE NOT EXISTS (SELECT FROM pricing_cleanprice AS known
    WHERE known.pool_id = row.pool_id AND known.bucket = row.bucket AND known.client_id IS NULL)
ON CONFLICT DO NOTHING
"""
# AWS tells changes alone, so its price holds until its next row: up to the last confirmation, and no
# longer than a pool ever is without a row.
_BACKFILL = """
INSERT INTO pricing_cleanprice AS clean
    (pool_id, client_id, bucket, price, source, flag, confidence)
SELECT pool.pool_id, NULL, step.bucket, held.price, 'aws', 'backfilled', 1.0
FROM pricing_pool AS pool
CROSS JOIN LATERAL generate_series(
    %(since)s::timestamptz, least(pool.spot_price_at, %(until)s::timestamptz), %(cadence)s) AS step(bucket)
CROSS JOIN LATERAL (
    SELECT raw.price FROM pricing_rawprice AS raw
    WHERE raw.pool_id = pool.pool_id AND raw.source = 'aws'
        AND raw.at < step.bucket + %(cadence)s AND raw.at > step.bucket - %(stale)s
    ORDER BY raw.at DESC LIMIT 1) AS held
WHERE pool.pool_id = ANY(%(pools)s)
ON CONFLICT (pool_id, bucket, client_id) DO UPDATE SET price = EXCLUDED.price
    WHERE clean.flag = 'backfilled' AND clean.price <> EXCLUDED.price
"""


def refresh(touched: Collection[Key], *, client_id: UUID | None) -> dict[Key, Settled]:
    """Settle these buckets anew from their raw rows; three statements, whatever their number.

    `client_id` None is AWS's own series. Runs in the caller's transaction, which holds the pools.
    """
    if not touched:
        return {}
    wanted = sorted(touched)
    names: dict[str, Any] = {
        "pools": [pool_id for pool_id, _ in wanted],
        "buckets": [bucket for _, bucket in wanted],
        "client": client_id,
        "cadence": buckets.CADENCE,
        "longest": gaps.LONGEST,
    }
    reports: dict[Key, list[Reported]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_REPORTED, names)
        for pool_id, bucket, source, price, at in cursor.fetchall():
            reports.setdefault((pool_id, bucket), []).append(Reported(source, price, at))
        settled = {key: dedupe.settle(found) for key, found in sorted(reports.items())}
        cursor.execute(_FORGET, names)
        cursor.execute(_WRITE, _columns(settled) | {"client": client_id})
    return settled


def _columns(settled: Mapping[Key, Settled]) -> dict[str, Any]:
    return {
        "pools": [pool_id for pool_id, _ in settled],
        "buckets": [bucket for _, bucket in settled],
        "prices": [row.price for row in settled.values()],
        "sources": [row.source for row in settled.values()],
        "flags": [row.flag for row in settled.values()],
        "confidences": [row.confidence for row in settled.values()],
    }


def interpolate(*, since: datetime, until: datetime, cadence: timedelta = buckets.CADENCE) -> int:
    """Fill the short gaps in what clients' agents reported; the number of rows made.

    A bucket that AWS's own history covers is left alone: that is known, and needs no guess.
    """
    rows = (
        CleanPrice.objects.filter(
            client_id__isnull=False, bucket__gte=since - gaps.LONGEST, bucket__lte=until
        )
        .exclude(flag=CleanPrice.Flag.INTERPOLATED)
        .order_by("pool_id", "client_id", "bucket")
        .values_list("pool_id", "client_id", "bucket", "price")
    )
    found: list[tuple[str, UUID, gaps.Filled]] = []
    for (pool_id, client_id), series in groupby(rows.iterator(), key=lambda row: (row[0], row[1])):
        if client_id is None:
            continue
        known = [gaps.Known(at, price) for _, _, at, price in series]
        drawn = gaps.interpolate(known, cadence=cadence)
        found += [(pool_id, client_id, filled) for filled in drawn]
    if not found:
        return 0
    names: dict[str, Any] = {
        "pools": [pool_id for pool_id, _, _ in found],
        "clients": [client_id for _, client_id, _ in found],
        "buckets": [filled.at for _, _, filled in found],
        "prices": [filled.price for _, _, filled in found],
        "confidences": [filled.confidence for _, _, filled in found],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INTERPOLATED, names)
        return int(cursor.rowcount)


def backfill(*, pool_ids: Collection[str], since: datetime, until: datetime) -> int:
    """Fill gaps of any length from AWS's own price history, as far as it is stored; the rows written."""
    wanted = sorted(set(pool_ids))
    names: dict[str, Any] = {
        "since": buckets.start(since),
        "until": until,
        "cadence": buckets.CADENCE,
        "stale": STALE,
    }
    return sum(_backfill(wanted[n : n + AT_ONCE], names) for n in range(0, len(wanted), AT_ONCE))


def _backfill(pool_ids: list[str], names: Mapping[str, Any]) -> int:
    """A few pools in a transaction, so that reports about them do not wait long."""
    with transaction.atomic(), connection.cursor() as cursor:
        pools.lock(pool_ids)
        cursor.execute(_BACKFILL, {**names, "pools": pool_ids})
        return int(cursor.rowcount)
