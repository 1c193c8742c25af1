"""Pools that refuse launches are passed over a while: 3 minutes, doubling with each refusal, at most 1 h."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from replicas.models import Quarantine

FIRST = timedelta(minutes=3)
LONGEST = timedelta(hours=1)
# A pool that has kept the peace this long starts again with the short sentence.
FORGIVEN = timedelta(hours=6)


def sentence(strikes: int) -> timedelta:
    """How long after the n-th refusal in a row (n from 1)."""
    return min(FIRST * float(2 ** (min(strikes, 10) - 1)), LONGEST)


def strike(*, pool_id: str, mode: str, code: str, now: datetime) -> Quarantine:
    """Count a refusal. `code` is EC2's own error code."""
    with transaction.atomic():
        row, created = Quarantine.objects.select_for_update().get_or_create(
            pool_id=pool_id,
            mode=mode,
            defaults={"until": now + FIRST, "strikes": 1, "code": code, "struck_at": now},
        )
        if not created:
            row.strikes = 1 if now - row.struck_at > FORGIVEN else row.strikes + 1
            row.until, row.code, row.struck_at = now + sentence(row.strikes), code, now
            row.save(update_fields=["strikes", "until", "code", "struck_at"])
    return row


def lift(*, pool_id: str, mode: str) -> None:
    """The pool has answered: forget its refusals."""
    Quarantine.objects.filter(pool_id=pool_id, mode=mode).delete()


def until_by_pool(*, pool_ids: Iterable[str], now: datetime) -> dict[tuple[str, str], datetime]:
    """(pool_id, mode) → until, for those in force."""
    rows = Quarantine.objects.filter(pool_id__in=list(pool_ids), until__gt=now)
    return {
        (pool_id, mode): until
        for pool_id, mode, until in rows.values_list("pool_id", "mode", "until")
    }
