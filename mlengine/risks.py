"""The rule-based risk of many pools at once; the formula is `replicas.risk`'s.

A notice or a death from a machine that EC2 does not know counts for its own client alone.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, OuterRef

from agents.models import Instance, Mode
from pricing import queries
from replicas import risk
from replicas.models import InterruptionEvent
from replicas.risk import Risk

Kind = InterruptionEvent.Kind
LOSSES = (Kind.NOTICE, Kind.DEATH)
MONTH = timedelta(days=30)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Risks:
    """What the scores are made of, by pool; `recommended` by instance row."""

    now: datetime
    confirmed: Mapping[str, int]
    unconfirmed: Mapping[tuple[uuid.UUID, str], int]
    volatility: Mapping[str, float]
    slope: Mapping[str, float]
    recommended: Mapping[uuid.UUID, datetime]
    precision: Mapping[str, float]

    def of_pool(
        self, pool_id: str, *, client_id: uuid.UUID, age_hours: float | None = None
    ) -> Risk:
        """For whoever would launch there now: no age."""
        return risk.rule_based(
            interruptions_30d=self.confirmed.get(pool_id, 0)
            + self.unconfirmed.get((client_id, pool_id), 0),
            volatility=self.volatility.get(pool_id),
            slope=self.slope.get(pool_id),
            age_hours=age_hours,
        )

    def of_instance(self, instance: Instance) -> Risk:
        """Of a running machine, its latest recommendation counted in; on demand there is none."""
        if instance.mode == Mode.ON_DEMAND:
            return Risk(0.0, {})
        started = instance.launched_at or instance.registered_at
        age = None if started is None else (self.now - started) / HOUR
        base = self.of_pool(instance.pool_id, client_id=instance.client_id, age_hours=age)
        at = self.recommended.get(instance.pk)
        if at is None:
            return base
        share = self.precision.get(instance.pool_id, risk.PRIOR_PRECISION)
        value = risk.with_recommendation(base.value, precision=share, since=self.now - at)
        terms = {**base.terms, "score": base.value, "recommendation_precision": share}
        return Risk(value, terms)


def read(pool_ids: Collection[str], *, instances: Collection[Instance], now: datetime) -> Risks:
    """Five statements, whatever the numbers."""
    confirmed: dict[str, int] = {}
    unconfirmed: dict[tuple[uuid.UUID, str], int] = {}
    losses = (
        InterruptionEvent.objects.filter(
            pool_id__in=pool_ids, kind__in=LOSSES, received_at__gt=now - MONTH
        )
        .order_by()
        .values_list("pool_id", "client_id", "instance__verified")
        .annotate(times=Count("pk"))
    )
    for pool_id, client_id, verified, times in losses:
        if verified:
            confirmed[pool_id] = confirmed.get(pool_id, 0) + times
        else:
            unconfirmed[client_id, pool_id] = times
    recommended = _recommended(instances, now)
    homes = {row.pool_id for row in instances if row.pk in recommended}
    return Risks(
        now=now,
        confirmed=confirmed,
        unconfirmed=unconfirmed,
        volatility=queries.volatility(pool_ids, now=now),
        slope=queries.slope(pool_ids, now=now),
        recommended=recommended,
        precision=_precision(homes, now) if homes else {},
    )


def _recommended(instances: Collection[Instance], now: datetime) -> dict[uuid.UUID, datetime]:
    """The latest of each machine that has not faded yet."""
    rows = (
        InterruptionEvent.objects.filter(
            instance__in=[row.pk for row in instances],
            kind=Kind.REBALANCE,
            received_at__gt=now - risk.FADES_OVER,
        )
        .order_by()
        .values_list("instance_id")
        .annotate(latest=Max("received_at"))
    )
    return dict(rows)


def _precision(pool_ids: Collection[str], now: datetime) -> dict[str, float]:
    """As `replicas.risk.precision`, for many pools."""
    followed = InterruptionEvent.objects.filter(
        instance=OuterRef("instance"),
        kind__in=LOSSES,
        received_at__gte=OuterRef("received_at"),
        received_at__lte=OuterRef("received_at") + HOUR,
    )
    rows = (
        InterruptionEvent.objects.filter(
            pool_id__in=pool_ids, kind=Kind.REBALANCE, received_at__lt=now - HOUR
        )
        .order_by()
        .annotate(hit=Exists(followed))
        .values_list("pool_id", "hit")
        .annotate(times=Count("pk"))
    )
    seen: dict[str, int] = {}
    hits: dict[str, int] = {}
    for pool_id, hit, times in rows:
        seen[pool_id] = seen.get(pool_id, 0) + times
        hits[pool_id] = hits.get(pool_id, 0) + (times if hit else 0)
    prior = risk.PRIOR_PRECISION * risk.PRIOR_WEIGHT
    return {
        pool_id: (prior + hits.get(pool_id, 0)) / (risk.PRIOR_WEIGHT + seen.get(pool_id, 0))
        for pool_id in pool_ids
    }
