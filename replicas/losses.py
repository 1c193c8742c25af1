"""Pools' losses as our own machines lived them: how many, how fresh, and which pools fall together."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from replicas.models import InterruptionEvent

Kind = InterruptionEvent.Kind
KINDS = (Kind.NOTICE, Kind.DEATH)
MONTH = timedelta(days=30)

# Two pools lost within this span were lost together.
TOGETHER = timedelta(minutes=10)
FATE_WINDOW = timedelta(days=90)
# Public traces: zones fall together by chance in .07 of cases, CPU types little more often than that.
# The prior counts as many cases as `PRIOR_WEIGHT`, so that a handful of our own begins to tell.
PRIOR_FATE, PRIOR_WEIGHT = 0.07, 10
# Machines that die without a notice: rare, and worth a standby. No figure is published; ours is a guess
# that counts as much as ten losses.
PRIOR_UNANNOUNCED, UNANNOUNCED_WEIGHT = 0.05, 10
# The latest so many of the failing pool's losses: enough to measure with, and a bound on the work.
MOST_EPISODES = 200

# A loss of the failing pool says something of another pool only where a machine of ours stood in it.
_FATES = """
WITH events AS (
    SELECT event.pool_id, event.received_at AS at
    FROM replicas_interruptionevent AS event
    JOIN agents_instance AS machine ON machine.id = event.instance_id
    WHERE event.kind IN ('notice', 'death')
        AND (machine.verified OR event.client_id = %(client)s)
        AND event.received_at > %(since)s
        AND (event.pool_id = %(failing)s OR event.pool_id = ANY(%(others)s))
), episodes AS (
    SELECT at FROM (
        SELECT at, lag(at) OVER (ORDER BY at) AS before FROM events WHERE pool_id = %(failing)s
    ) AS losses
    WHERE (before IS NULL OR at - before > %(together)s) AND at <= %(until)s
    ORDER BY at DESC LIMIT %(most)s
)
SELECT other.pool_id, count(*), count(*) FILTER (WHERE EXISTS (
    SELECT 1 FROM events WHERE events.pool_id = other.pool_id
        AND events.at BETWEEN episodes.at - %(together)s AND episodes.at + %(together)s))
FROM unnest(%(others)s::varchar[]) AS other(pool_id) CROSS JOIN episodes
WHERE EXISTS (
    SELECT 1 FROM agents_instance AS machine
    WHERE machine.pool_id = other.pool_id AND machine.mode = 'spot'
        AND coalesce(machine.launched_at, machine.registered_at) <= episodes.at
        AND (machine.terminated_at IS NULL OR machine.terminated_at > episodes.at - %(together)s))
GROUP BY other.pool_id
"""


@dataclass(frozen=True)
class Fate:
    """How a pool fared when another was lost: `together` of `cases` times it was lost too."""

    cases: int = 0
    together: int = 0

    @property
    def share(self) -> float:
        """The probability of falling together, 0..1: what was seen, on top of the prior."""
        return (PRIOR_FATE * PRIOR_WEIGHT + self.together) / (PRIOR_WEIGHT + self.cases)


def believed(client_id: UUID | None) -> Q:
    """Signals of machines that EC2 confirmed; those of unverified ones count for their own client alone."""
    trusted = Q(instance__verified=True)
    return trusted if client_id is None else trusted | Q(client_id=client_id)


def by_pool(
    pool_ids: Collection[str], *, client_id: UUID, now: datetime
) -> dict[str, tuple[int, datetime]]:
    """Losses in the last 30 days and the time of the last; pools without any are absent. One statement."""
    rows = InterruptionEvent.objects.filter(
        believed(client_id),
        pool_id__in=list(pool_ids),
        kind__in=KINDS,
        received_at__gt=now - MONTH,
        received_at__lte=now,
    ).values_list("pool_id", "received_at")
    found: dict[str, tuple[int, datetime]] = {}
    for pool_id, at in rows:
        count, last = found.get(pool_id, (0, at))
        found[pool_id] = (count + 1, max(last, at))
    return found


def fates(
    failing: str, others: Collection[str], *, client_id: UUID, now: datetime
) -> dict[str, Fate]:
    """How each of the other pools fared when the failing one was lost, over 90 days. One statement.

    Losses within ten minutes of each other are one case. A case counts for a pool in which a spot machine
    of ours stood at that time, and once its ten minutes are over. Pools without a case are absent.
    """
    wanted: dict[str, Any] = {
        "failing": failing,
        "others": sorted(set(others) - {failing}),
        "client": client_id,
        "since": now - FATE_WINDOW,
        "until": now - TOGETHER,
        "together": TOGETHER,
        "most": MOST_EPISODES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FATES, wanted)
        return {pool_id: Fate(cases, together) for pool_id, cases, together in cursor.fetchall()}


def unannounced(*, client_id: UUID, now: datetime) -> float:
    """The share of losses that no notice came before, 0..1: the last 30 days' on top of the prior."""
    kinds = list(
        InterruptionEvent.objects.filter(
            believed(client_id), kind__in=KINDS, received_at__gt=now - MONTH, received_at__lte=now
        ).values_list("kind", flat=True)
    )
    deaths = sum(kind == Kind.DEATH for kind in kinds)
    return (PRIOR_UNANNOUNCED * UNANNOUNCED_WEIGHT + deaths) / (UNANNOUNCED_WEIGHT + len(kinds))
