"""On-demand prices by type and date. The only writer of OnDemandPrice."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from pricing import dedupe
from pricing.models import LINUX, OnDemandPrice
from spotopt.cloud import prices as cloud_prices
from spotopt.cloud.account import Account
from spotopt.cloud.errors import CloudError
from spotopt.cloud.prices import OnDemandOffer

log = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)  # a type that was not to be had is not asked for before
_asked: dict[tuple[str, str], datetime] = {}


def collect(
    account: Account, region: str, *, instance_types: Collection[str], now: datetime
) -> int:
    """Ask the Pricing API for these types, and keep what is new; the number of rows. Raises CloudError."""
    if not instance_types:
        return 0
    offers = cloud_prices.on_demand_offers(
        instance_types=instance_types, region=region, account=account
    )
    return record(offers, region=region, now=now)


def record(offers: dict[str, OnDemandOffer], *, region: str, now: datetime) -> int:
    """Keep prices that differ from the ones before, from the day AWS names, else from today's start."""
    before = {
        row.instance_type: row
        for row in OnDemandPrice.objects.filter(
            instance_type__in=offers, region=region, product=LINUX
        )
        .order_by("instance_type", "-effective_from")
        .distinct("instance_type")
    }
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for instance_type, offer in sorted(offers.items()):
        price = dedupe.rounded(offer.price)
        known = before.get(instance_type)
        if price <= 0 or (known is not None and known.price == price):
            continue
        since = offer.since if offer.since is not None and offer.since <= now else today
        if known is not None and since <= known.effective_from:
            since = max(today, known.effective_from)
        rows.append(
            OnDemandPrice(
                instance_type=instance_type, region=region, price=price, effective_from=since
            )
        )
    OnDemandPrice.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instance_type", "region", "product", "effective_from"],
        update_fields=["price"],
    )
    return len(rows)


def ensure(
    account: Account, region: str, *, instance_types: Collection[str], now: datetime
) -> None:
    """Fetch those of which nothing is known. A failure is logged: the rest works without."""
    rows = OnDemandPrice.objects.filter(
        instance_type__in=instance_types, region=region, product=LINUX
    )
    missing = {
        instance_type
        for instance_type in set(instance_types) - set(rows.values_list("instance_type", flat=True))
        if now - _asked.get((instance_type, region), now - AGAIN) >= AGAIN
    }
    try:
        collect(account, region, instance_types=missing, now=now)
    except CloudError as error:
        log.warning("no on-demand prices in %s: %s", region, error)
    _asked.update({(instance_type, region): now for instance_type in missing})
