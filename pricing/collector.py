"""Fetches what AWS itself says of prices."""

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from threading import Lock

from pricing import ingest, ondemand, pools, quality, zones
from pricing.ingest import PoolPrice
from pricing.models import LINUX, Pool
from spotopt.cloud import prices as cloud_prices
from spotopt.cloud import session
from spotopt.cloud.account import Account
from spotopt.cloud.errors import CloudError, PermanentError
from spotopt.cloud.prices import PricePoint
from spotopt.lib.errors import BadInput, Conflict, Unavailable

log = logging.getLogger(__name__)

FIRST = timedelta(hours=48)  # how far back a pool's first fetch goes
OVERLAP = timedelta(minutes=15)  # rows appear in the history a little late
_locks: dict[tuple[Account, str], Lock] = {}


class PricesRefused(Conflict):
    """AWS does not let this account read its prices."""


def collect(
    account: Account,
    region: str,
    *,
    instance_types: Collection[str],
    now: datetime,
    since: datetime | None = None,
) -> set[str]:
    """Fetch these types' spot prices in all zones of the region since the last time (or `since`), and fill
    the clean series with them; the pools that have a price. Raises CloudError.
    """
    if not instance_types:
        return set()
    zones.ensure(account, region, now)
    names = zones.names_in(session.account_number(account), region)
    start = since or _last_time(instance_types, region, now) - OVERLAP
    points = cloud_prices.spot_history(
        account, region, instance_types=instance_types, since=start, until=now
    )
    named = ingest.record_history(_placed(points, names, region), now=now, confirmed_at=now)
    filled = quality.backfill(pool_ids=named, since=start, until=now)
    log.info("prices of %d pools in %s, %d buckets filled", len(named), region, filled)
    return named


def _last_time(instance_types: Collection[str], region: str, now: datetime) -> datetime:
    """The earliest moment up to which a type was fetched; pools AWS no longer tells of don't hold it back."""
    rows = Pool.objects.filter(
        instance_type__in=instance_types, region=region, spot_price_at__gt=now - FIRST
    ).values_list("instance_type", "spot_price_at")
    last: dict[str, datetime] = {}
    for instance_type, at in rows:
        if at is not None:
            last[instance_type] = max(at, last.get(instance_type, at))
    if set(instance_types) - set(last):
        return now - FIRST
    return min(last.values())


def _placed(
    points: Iterator[PricePoint], names: Mapping[str, str], region: str
) -> Iterator[PoolPrice]:
    """Points by zone id; what lies in no availability zone of the region is left out."""
    for point in points:
        az_id = point.az_id or names.get(point.az_name, "")
        try:
            if pools.region_of(az_id) != region:
                continue
        except BadInput:
            continue
        yield PoolPrice(
            instance_type=point.instance_type,
            az_id=az_id,
            price=point.price,
            at=point.at,
            product=pools.usual_product(point.product),
        )


def _fresh(instance_types: Collection[str], region: str, after: datetime) -> set[str]:
    rows = Pool.objects.filter(
        instance_type__in=instance_types,
        region=region,
        product=LINUX,
        spot_price_at__gte=after,
    )
    return set(rows.values_list("instance_type", flat=True))


def ensure_fresh(
    account: Account,
    region: str,
    *,
    instance_types: Collection[str],
    now: datetime,
    max_age: timedelta,
) -> None:
    """Have spot prices of these types no older than `max_age`, and their on-demand prices, asking AWS
    only if they are not there. Where AWS fails, prices that are not stale yet will do.

    Raises Unavailable (AWS does not answer) or PricesRefused (it refuses) if there are none.
    """
    with _locks.setdefault((account, region), Lock()):  # one fetch serves all who wait for it
        missing = set(instance_types) - _fresh(instance_types, region, now - max_age)
        try:
            if missing:
                collect(account, region, instance_types=missing, now=now)
        except CloudError as error:
            if missing - _fresh(missing, region, now - quality.STALE):
                raise _refusal(error, region) from error
            log.warning("prices in %s stay as they are: %s", region, error)
        ondemand.ensure(account, region, instance_types=instance_types, now=now)


def _refusal(error: CloudError, region: str) -> Conflict | Unavailable:
    if isinstance(error, PermanentError):
        return PricesRefused(
            f"AWS refuses to tell spot prices in {region} ({error.code}):"
            " allow ec2:DescribeSpotPriceHistory and ec2:DescribeAvailabilityZones to the client's role."
        )
    return Unavailable(f"AWS does not tell spot prices in {region} now; try again.")
