"""Scheduled work on prices. What is in use is told by the caller, who stands higher on the ladder."""

import logging
from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from pricing import collector, ondemand, quality
from pricing.models import Pool
from spotopt.cloud.account import Account
from spotopt.cloud.errors import CloudError

log = logging.getLogger(__name__)

REFILLED = timedelta(hours=24)


def collect_prices(account: Account, region: str, instance_types: Collection[str]) -> int:
    """Spot prices of these types; the number of pools that have one. AWS's refusals are logged."""
    try:
        return len(
            collector.collect(account, region, instance_types=instance_types, now=timezone.now())
        )
    except CloudError as error:
        log.warning("no prices from %s: %s", region, error)
        return 0


def collect_on_demand_prices(account: Account, region: str, instance_types: Collection[str]) -> int:
    """On-demand prices of these types, once a day; the number of changes. AWS's refusals are logged."""
    try:
        return ondemand.collect(account, region, instance_types=instance_types, now=timezone.now())
    except CloudError as error:
        log.warning("no on-demand prices from %s: %s", region, error)
        return 0


def fill_gaps(pool_ids: Collection[str] | None = None) -> int:
    """Fill the last day's gaps: these pools' (or all that were fetched in it) from AWS's stored history,
    then the short ones left in what agents reported; the number of buckets.
    """
    now = timezone.now()
    if pool_ids is None:
        fetched = Pool.objects.filter(spot_price_at__gt=now - REFILLED)
        pool_ids = list(fetched.values_list("pool_id", flat=True))
    filled = quality.backfill(pool_ids=pool_ids, since=now - REFILLED, until=now)
    return filled + quality.interpolate(since=now - REFILLED, until=now)
