"""What is kept of a decision: its inputs, its arithmetic, its reason."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlengine.fleet import Slot
from mlengine.models import Decision
from mlengine.policies import Policy
from mlengine.situation import Place, Situation, Verdict
from spotopt.lib.times import rfc3339

BROKEN = "it could not be decided: an error, which the log tells"


def row(slot: Slot, situation: Situation, verdict: Verdict, *, policy: Policy) -> Decision:
    """Unsaved, and not acted upon yet."""
    current = situation.current
    stays = verdict.action == Decision.Action.STAY
    risk = verdict.terms.get("risk", current.risk if current else None)
    return Decision(
        **_about(slot, policy, situation.now),
        action=verdict.action,
        target_pool_id=None if stays else verdict.pool_id,
        target_mode="" if stays else verdict.mode,
        under_target=situation.under_target,
        saving=None if stays else verdict.terms.get("saving"),
        risk=risk,
        inputs=inputs(situation, chose=bool(verdict.passed_over) or not stays),
        terms=dict(verdict.terms),
        passed_over=dict(verdict.passed_over),
        reason=verdict.reason,
    )


def broken(slot: Slot, *, policy: Policy, now: datetime) -> Decision:
    """In the place of a decision that failed."""
    return Decision(**_about(slot, policy, now), action=Decision.Action.STAY, reason=BROKEN)


def inputs(situation: Situation, *, chose: bool) -> dict[str, Any]:
    """The snapshot as JSON: prices in USD per hour, times in RFC 3339. The other pools only where the policy
    came to look at them: most rows of a large fleet are of slots that may not move.
    """
    state, limits, current = situation.state, situation.limits, situation.current
    return {
        "current": None if current is None else {**_place(current), "mode": current.mode},
        "candidates": [_place(place) for place in situation.candidates] if chose else [],
        "limits": {
            "min_savings_threshold": limits.min_savings_threshold,
            "max_risk_score": limits.max_risk_score,
            "cooldown_minutes": limits.cooldown.total_seconds() / 60,
            "max_switches_per_day": limits.max_switches_per_day,
            "target_savings_percent": situation.target_savings_percent,
            "set_by_client": sorted(limits.own),
        },
        "switches_24h": state.switches_24h,
        "switches_7d": state.switches_7d,
        "last_switch_at": rfc3339(state.last_switch_at),
    }


def _about(slot: Slot, policy: Policy, now: datetime) -> dict[str, Any]:
    primary = slot.primary
    return {
        "id": uuid.uuid4(),
        "client": slot.client,
        "agent": slot.agent,
        "instance": primary,
        "pool_id": primary.pool_id if primary else None,
        "at": now,
        "policy": policy.name,
        "model_version": policy.model_version,
        "dry_run": slot.client.dry_run,
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "pool_id": place.pool_id,
        "price": _number(place.price),
        "on_demand_price": _number(place.on_demand_price),
        "risk": place.risk,
        "risk_terms": dict(place.risk_terms),
    }


def _number(price: Decimal | None) -> float | None:
    return None if price is None else float(price)
