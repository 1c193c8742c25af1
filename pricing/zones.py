"""What each account calls its zones."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from pricing.models import Zone
from spotopt.cloud import session
from spotopt.cloud import zones as cloud_zones
from spotopt.cloud.account import Account
from spotopt.cloud.zones import ZoneName


def learn(account_number: str, region: str, names: Collection[ZoneName], now: datetime) -> None:
    """Keep what the account calls the region's zones; what contradicts it is dropped."""
    rows = [
        Zone(
            account=account_number,
            region=region,
            az_name=name.az_name,
            az_id=name.az_id,
            seen_at=now,
        )
        for name in sorted(names, key=lambda name: name.az_name)
    ]
    if not rows:
        return
    outdated = Q()
    for row in rows:
        outdated |= Q(az_id=row.az_id) & ~Q(az_name=row.az_name)
    with transaction.atomic():
        Zone.objects.filter(outdated, account=account_number).delete()
        Zone.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["account", "az_name"],
            update_fields=["az_id", "region", "seen_at"],
        )


def az_id_of(account_number: str, az_name: str) -> str | None:
    """The id of what the account calls `az_name`; None if that was never learnt."""
    rows = Zone.objects.filter(account=account_number, az_name=az_name)
    return rows.values_list("az_id", flat=True).first()


def az_name_of(account_number: str, az_id: str) -> str | None:
    """What the account calls this zone; None if that was never learnt."""
    rows = Zone.objects.filter(account=account_number, az_id=az_id)
    return rows.values_list("az_name", flat=True).first()


def names_in(account_number: str, region: str) -> dict[str, str]:
    """Zone id by the account's name for it."""
    rows = Zone.objects.filter(account=account_number, region=region)
    return dict(rows.values_list("az_name", "az_id"))


def ensure(account: Account, region: str, now: datetime) -> None:
    """Ask EC2 for the account's zones of the region unless they are known. Raises CloudError."""
    number = session.account_number(account)
    if not Zone.objects.filter(account=number, region=region).exists():
        learn(number, region, cloud_zones.zones(account, region), now)
