"""Spot prices of many clients' pools at once: `pricing.queries.current_prices` is for one client."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from pricing import buckets, quality
from pricing.models import Pool

Key = tuple[uuid.UUID, str]  # client, pool

_OWN = """
SELECT named.client_id, named.pool_id, last.price, last.bucket, last.source
FROM unnest(%(clients)s::uuid[], %(pools)s::varchar[]) AS named(client_id, pool_id)
CROSS JOIN LATERAL (
    SELECT price, bucket, source FROM pricing_cleanprice
    WHERE pool_id = named.pool_id AND client_id = named.client_id
        AND bucket <= %(now)s AND bucket >= %(since)s AND flag <> 'interpolated'
    ORDER BY bucket DESC LIMIT 1) AS last
"""


@dataclass(frozen=True)
class Quote:
    """USD per hour, when that was last confirmed, and by whom."""

    price: Decimal
    at: datetime
    source: str


def fresh(wanted: Collection[Key], *, pools: Mapping[str, Pool], now: datetime) -> dict[Key, Quote]:
    """The price of each pool as its client may know it; absent where unknown or stale. One statement.

    AWS's own word, which is in the pool's row, wins over what the client's agents said in the same five
    minutes.
    """
    keys = sorted(wanted)
    if not keys:
        return {}
    since = now - quality.STALE
    found: dict[Key, Quote] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _OWN,
            {
                "clients": [client_id for client_id, _ in keys],
                "pools": [pool_id for _, pool_id in keys],
                "now": now,
                "since": since,
            },
        )
        for client_id, pool_id, price, bucket, source in cursor.fetchall():
            found[client_id, pool_id] = Quote(price, bucket, source)
    for key in keys:
        pool = pools.get(key[1])
        if pool is None or pool.spot_price is None or pool.spot_price_at is None:
            continue
        said = found.get(key)
        confirmed = pool.spot_price_at
        if confirmed >= since and (said is None or said.at <= buckets.start(confirmed)):
            found[key] = Quote(pool.spot_price, confirmed, "aws")
    return found
