"""The eleven features of an interruption, as of its time, from real rows; what is not known is null."""

from datetime import datetime, timedelta
from typing import Any

from agents.models import Instance, Mode
from pricing import queries
from pricing.models import Pool
from replicas.models import InterruptionEvent

LOSSES = (InterruptionEvent.Kind.NOTICE, InterruptionEvent.Kind.DEATH)
DAY = timedelta(hours=24)
MONTH = timedelta(days=30)


def of(event: InterruptionEvent) -> dict[str, Any]:
    """Rates are interruptions a day over the last 30 days; `price_change_percent` is over 24 hours."""
    at = event.received_at
    return {
        **_prices(event, at),
        "day_of_week": event.detected_at.isoweekday(),
        "hour_of_day": event.detected_at.hour,
        **_history(event, at),
    }


def _prices(event: InterruptionEvent, at: datetime) -> dict[str, Any]:
    unknown = dict.fromkeys(
        (
            "spot_price_at_interruption",
            "price_trend_before",
            "price_change_percent",
            "time_since_price_change_minutes",
        )
    )
    series = list(
        queries.series(event.pool_id, client_id=event.client_id, since=at - DAY, until=at)
    )
    if not series:
        return unknown
    last = series[-1]
    changed = next((point.at for point in reversed(series) if point.price != last.price), None)
    slope = queries.slope([event.pool_id], now=at).get(event.pool_id)
    return {
        "spot_price_at_interruption": float(last.price),
        "price_trend_before": None if slope is None else queries.trend(slope),
        "price_change_percent": round(float(last.price / series[0].price - 1) * 100, 3),
        "time_since_price_change_minutes": (
            None if changed is None else round((at - changed).total_seconds() / 60, 1)
        ),
    }


def _history(event: InterruptionEvent, at: datetime) -> dict[str, Any]:
    losses = InterruptionEvent.objects.filter(kind__in=LOSSES, received_at__lt=at).exclude(
        pk=event.pk
    )
    month = losses.filter(received_at__gt=at - MONTH)
    pool = event.pool
    pools = Pool.objects.filter(
        region=pool.region, instance_type=pool.instance_type, product=pool.product
    ).count()
    in_region = month.filter(pool__region=pool.region, pool__instance_type=pool.instance_type)
    last = losses.filter(pool_id=event.pool_id).order_by("-received_at").first()
    return {
        "pool_historical_interruption_rate": month.filter(pool_id=event.pool_id).count() / 30,
        "region_interruption_rate": in_region.count() / 30 / max(pools, 1),
        "competing_instances_count": Instance.objects.billing()
        .filter(pool_id=event.pool_id, mode=Mode.SPOT)
        .exclude(pk=event.instance_id)
        .count(),
        "previous_interruptions_count": losses.filter(agent_id=event.agent_id).count(),
        "time_since_last_interruption_hours": (
            None if last is None else round((at - last.received_at).total_seconds() / 3600, 3)
        ),
    }
