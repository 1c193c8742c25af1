"""The rule-based risk of losing a pool, 0..1: what serves when no trained model is active.

    score = .40 · interruptions in 30 days / 30 + .30 · volatility + .20 / (age in hours + 1) + .10 · trend

with volatility the standard deviation over the mean of 24 h of clean prices, trend 1 while the last hour
rose by more than 1 % and .5 otherwise, each term clipped to 0..1. A pool in which no instance runs has no
age: that term is left out and the other weights are scaled up to 1.

A rebalance recommendation is evidence of its own: `risk = 1 - (1 - score)(1 - p)`, with p the share of
earlier recommendations in the pool that a notice followed within the hour, fading over 60 minutes.

The score ranks and is compared with thresholds; it is no probability. What standbys are worth is reckoned
with `hourly`: the pool's measured losses per machine and hour, and the same evidence on top.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Sum
from django.db.models.functions import Coalesce, Greatest, Least

from agents.models import Instance, Mode
from pricing import queries
from replicas import losses, standby_policy
from replicas.models import InterruptionEvent

Kind = InterruptionEvent.Kind

HISTORY, VOLATILITY, AGE, TREND = 0.40, 0.30, 0.20, 0.10
RISING = 0.01
PRIOR_PRECISION, PRIOR_WEIGHT = 0.3, 10
FADES_OVER = timedelta(minutes=60)
# One loss in 5,000 machine hours, 14 % a month: the middle of what AWS's Spot Instance Advisor tells. It
# counts as three weeks of one machine, so that a pool's own losses soon outweigh it.
PRIOR_LOSSES, PRIOR_HOURS = 0.1, 500.0

STANDBY_ABOVE = standby_policy.STANDBY_ABOVE
ON_DEMAND_ABOVE = standby_policy.ON_DEMAND_ABOVE


@dataclass(frozen=True)
class Risk:
    """A score, and the terms it is the sum of."""

    value: float
    terms: dict[str, float | None]


def rule_based(
    *,
    interruptions_30d: int,
    volatility: float | None,
    slope: float | None,
    age_hours: float | None,
) -> Risk:
    """The formula alone; `slope` is the last hour's relative change. Unknown prices count as calm."""
    terms: dict[str, float | None] = {
        "history": _clip(interruptions_30d / 30),
        "volatility": _clip(volatility or 0.0),
        "trend": 1.0 if slope is not None and slope > RISING else 0.5,
        "age": None if age_hours is None else _clip(1 / (max(age_hours, 0.0) + 1)),
    }
    weights = {"history": HISTORY, "volatility": VOLATILITY, "trend": TREND, "age": AGE}
    present = {name: value for name, value in terms.items() if value is not None}
    total = sum(weights[name] for name in present)
    return Risk(_clip(sum(weights[name] * value for name, value in present.items()) / total), terms)


def with_recommendation(score: float, *, precision: float, since: timedelta) -> float:
    """Combine with a recommendation that came `since` ago."""
    share = _clip(1 - since / FADES_OVER)
    return 1 - (1 - score) * (1 - precision * share)


def precision(pool_id: str, *, now: datetime, client_id: UUID | None = None) -> float:
    """The share of the pool's recommendations that a notice followed within the hour, with its prior.

    Only machines that EC2 confirmed count, and the client's own.
    """
    followed = InterruptionEvent.objects.filter(
        instance=OuterRef("instance"),
        kind__in=(Kind.NOTICE, Kind.DEATH),
        received_at__gte=OuterRef("received_at"),
        received_at__lte=OuterRef("received_at") + timedelta(hours=1),
    )
    earlier = InterruptionEvent.objects.filter(
        losses.believed(client_id),
        pool_id=pool_id,
        kind=Kind.REBALANCE,
        received_at__lt=now - timedelta(hours=1),
    ).annotate(hit=Exists(followed))
    hits = [bool(hit) for hit in earlier.values_list("hit", flat=True)[:1000]]
    return (PRIOR_PRECISION * PRIOR_WEIGHT + sum(hits)) / (PRIOR_WEIGHT + len(hits))


def of_instance(instance: Instance, *, now: datetime) -> Risk:
    """The risk of a running instance, with the latest recommendation it got counted in."""
    pool_id = instance.pool_id
    lost = losses.by_pool([pool_id], client_id=instance.client_id, now=now)
    started = instance.launched_at or instance.registered_at
    base = rule_based(
        interruptions_30d=lost.get(pool_id, (0, now))[0],
        volatility=queries.volatility([pool_id], now=now).get(pool_id),
        slope=queries.slope([pool_id], now=now).get(pool_id),
        age_hours=None if started is None else (now - started).total_seconds() / 3600,
    )
    latest = recommended_at([instance], now=now).get(instance.pk)
    if latest is None:
        return base
    share = precision(pool_id, now=now, client_id=instance.client_id)
    value = with_recommendation(base.value, precision=share, since=now - latest)
    return Risk(value, {**base.terms, "score": base.value, "recommendation_precision": share})


def of_pools(pool_ids: Collection[str], *, client_id: UUID, now: datetime) -> dict[str, float]:
    """The score of pools as candidates, where no machine has an age yet; three statements."""
    lost = losses.by_pool(pool_ids, client_id=client_id, now=now)
    volatility = queries.volatility(pool_ids, now=now, client_id=client_id)
    slope = queries.slope(pool_ids, now=now, client_id=client_id)
    return {
        pool_id: rule_based(
            interruptions_30d=lost.get(pool_id, (0, now))[0],
            volatility=volatility.get(pool_id),
            slope=slope.get(pool_id),
            age_hours=None,
        ).value
        for pool_id in pool_ids
    }


def recommended_at(instances: Collection[Instance], *, now: datetime) -> dict[UUID, datetime]:
    """When each machine, by its row's id, got its latest recommendation; others are absent."""
    rows = (
        InterruptionEvent.objects.filter(
            instance__in=instances, kind=Kind.REBALANCE, received_at__lte=now
        )
        .order_by("instance_id", "-received_at")
        .distinct("instance_id")
    )
    return dict(rows.values_list("instance_id", "received_at"))


def hazards(pool_ids: Collection[str], *, client_id: UUID, now: datetime) -> dict[str, float]:
    """Losses per machine and hour of each pool, measured over 30 days on top of the prior; two statements."""
    since = now - losses.MONTH
    hours = (
        Instance.objects.filter(pool_id__in=list(pool_ids), mode=Mode.SPOT, verified=True)
        .annotate(
            begin=Greatest(Coalesce("launched_at", "registered_at"), since),
            end=Least(Coalesce("terminated_at", now), now),
        )
        .filter(end__gt=F("begin"))
        .values("pool_id")
        .annotate(span=Sum(F("end") - F("begin")))
    )
    stood = {row["pool_id"]: row["span"].total_seconds() / 3600 for row in hours}
    lost = losses.by_pool(pool_ids, client_id=client_id, now=now)
    return {
        pool_id: (PRIOR_LOSSES + lost.get(pool_id, (0, now))[0])
        / (PRIOR_HOURS + stood.get(pool_id, 0.0))
        for pool_id in pool_ids
    }


def hourly(
    hazard: float, *, precision: float = 0.0, recommended_since: timedelta | None = None
) -> float:
    """The probability of losing a machine within the hour, 0..1, from its pool's losses an hour and the
    recommendation that it got so long ago.
    """
    calm = 1 - math.exp(-max(hazard, 0.0))
    if recommended_since is None:
        return calm
    return with_recommendation(calm, precision=precision, since=recommended_since)


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
