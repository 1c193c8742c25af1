"""The rule-based risk of losing a pool, 0..1: what serves when no trained model is active.

    score = .40 · interruptions in 30 days / 30 + .30 · volatility + .20 / (age in hours + 1) + .10 · trend

with volatility the standard deviation over the mean of 24 h of clean prices, trend 1 while the last hour
rose by more than 1 % and .5 otherwise, each term clipped to 0..1. A pool in which no instance runs has no
age: that term is left out and the other weights are scaled up to 1.

A rebalance recommendation is evidence of its own: `risk = 1 - (1 - score)(1 - p)`, with p the share of
earlier recommendations in the pool that a notice followed within the hour, fading over 60 minutes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from agents.models import Instance
from pricing import queries
from replicas.models import InterruptionEvent

Kind = InterruptionEvent.Kind

HISTORY, VOLATILITY, AGE, TREND = 0.40, 0.30, 0.20, 0.10
RISING = 0.01
PRIOR_PRECISION, PRIOR_WEIGHT = 0.3, 10
FADES_OVER = timedelta(minutes=60)

STANDBY_ABOVE = 0.30
ON_DEMAND_ABOVE = 0.50


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
    share = max(0.0, 1 - since / FADES_OVER)
    return 1 - (1 - score) * (1 - precision * share)


def precision(pool_id: str, *, now: datetime) -> float:
    """The share of the pool's recommendations that a notice followed within the hour, with its prior."""
    followed = InterruptionEvent.objects.filter(
        instance=OuterRef("instance"),
        kind__in=(Kind.NOTICE, Kind.DEATH),
        received_at__gte=OuterRef("received_at"),
        received_at__lte=OuterRef("received_at") + timedelta(hours=1),
    )
    earlier = InterruptionEvent.objects.filter(
        pool_id=pool_id, kind=Kind.REBALANCE, received_at__lt=now - timedelta(hours=1)
    ).annotate(hit=Exists(followed))
    hits = [bool(hit) for hit in earlier.values_list("hit", flat=True)[:1000]]
    return (PRIOR_PRECISION * PRIOR_WEIGHT + sum(hits)) / (PRIOR_WEIGHT + len(hits))


def of_instance(instance: Instance, *, now: datetime) -> Risk:
    """The risk of a running instance, with the latest recommendation it got counted in."""
    pool_id = instance.pool_id
    losses = InterruptionEvent.objects.filter(
        pool_id=pool_id,
        kind__in=(Kind.NOTICE, Kind.DEATH),
        received_at__gt=now - timedelta(days=30),
    ).count()
    started = instance.launched_at or instance.registered_at
    base = rule_based(
        interruptions_30d=losses,
        volatility=queries.volatility([pool_id], now=now).get(pool_id),
        slope=queries.slope([pool_id], now=now).get(pool_id),
        age_hours=None if started is None else (now - started).total_seconds() / 3600,
    )
    latest = (
        InterruptionEvent.objects.filter(instance=instance, kind=Kind.REBALANCE)
        .order_by("-received_at")
        .values_list("received_at", flat=True)
        .first()
    )
    if latest is None:
        return base
    share = precision(pool_id, now=now)
    value = with_recommendation(base.value, precision=share, since=now - latest)
    return Risk(value, {**base.terms, "score": base.value, "recommendation_precision": share})


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
