"""Where the next machine goes: a pure function of a snapshot.

No clock, no database, no model. Every pool that is passed over carries its reason, and the chosen one
its arithmetic, so that a person can follow the decision afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

SPOT = "spot"
ON_DEMAND = "on-demand"

# Price weighs .6 and interruptions .4, both as shares: of the on-demand price, and of one loss a day.
PRICE_WEIGHT = 0.6
INTERRUPTION_WEIGHT = 0.4
# A loss says most while it is fresh: its weight halves every six hours.
FRESH_LOSS_HALF_LIFE_HOURS = 6.0
FRESH_LOSS_WEIGHT = 0.3
# After this long a pool's refusal within the same move no longer counts: capacity comes and goes.
REFUSAL_FORGOTTEN = timedelta(seconds=30)


@dataclass(frozen=True)
class Candidate:
    """One pool as it looks now. Prices are USD per hour; None where nobody has told us."""

    pool_id: str
    az_id: str
    instance_type: str
    price: Decimal | None
    on_demand_price: Decimal | None
    interruptions_30d: int = 0
    hours_since_interruption: float | None = None
    spot_quarantined_until: datetime | None = None
    on_demand_quarantined_until: datetime | None = None
    spot_refused_at: datetime | None = None
    on_demand_refused_at: datetime | None = None


@dataclass(frozen=True)
class Situation:
    """All that the choice may depend on."""

    now: datetime
    candidates: Sequence[Candidate]
    current_type: str
    # The zone that is failing, if one is: used only when no other answers.
    failing_az: str = ""
    # For a standby: the zone of the primary, which should not share its fate.
    spot_allowed: bool = True
    on_demand_allowed: bool = True
    wanted_pool: str = ""
    wanted_mode: str = ""


@dataclass(frozen=True)
class Choice:
    """The pool to ask, how, and why."""

    pool_id: str
    mode: str
    terms: dict[str, float | str | None]
    passed_over: dict[str, str] = field(default_factory=dict)


def score(candidate: Candidate) -> dict[str, float | str | None]:
    """The terms of one spot pool, and their sum under `score`: lower is better.

    An unknown price counts as the full on-demand price: it may be that bad, and never wins over a known one.
    """
    share = 1.0
    if candidate.price is not None and candidate.on_demand_price:
        share = float(candidate.price / candidate.on_demand_price)
    losses = min(candidate.interruptions_30d / 30.0, 1.0)
    fresh = 0.0
    if candidate.hours_since_interruption is not None:
        fresh = 0.5 ** (max(candidate.hours_since_interruption, 0.0) / FRESH_LOSS_HALF_LIFE_HOURS)
    total = PRICE_WEIGHT * share + INTERRUPTION_WEIGHT * losses + FRESH_LOSS_WEIGHT * fresh
    return {
        "price": None if candidate.price is None else float(candidate.price),
        "price_share": round(share, 4),
        "losses_a_day": round(losses, 4),
        "fresh_loss": round(fresh, 4),
        "score": round(total, 4),
    }


def refusal_of(candidate: Candidate, mode: str, now: datetime) -> str:
    """Why this pool is not to be asked at present; empty when it may be."""
    if mode == SPOT:
        refused_at, until = candidate.spot_refused_at, candidate.spot_quarantined_until
    else:
        refused_at, until = candidate.on_demand_refused_at, candidate.on_demand_quarantined_until
    if refused_at is not None and now - refused_at < REFUSAL_FORGOTTEN:
        return "refused a launch in this very move"
    if until is not None and until > now:
        return f"quarantined until {until:%H:%M:%S} after refusing a launch"
    return ""


def choose(situation: Situation) -> Choice | None:
    """The best pool that may be asked; None when each has just refused: then one waits and asks again.

    Order: the pool a person or decision named; spot outside the failing zone; on demand outside it; spot
    and then on demand inside it. Within a step the lowest score wins, then the workload's own type, then
    the pool's name, so that two processes choose alike.
    """
    passed: dict[str, str] = {}
    if situation.wanted_pool:
        named = [c for c in situation.candidates if c.pool_id == situation.wanted_pool]
        choice = _best(situation, named, situation.wanted_mode or SPOT, passed)
        if choice is not None:
            return choice
    outside = [c for c in situation.candidates if c.az_id != situation.failing_az]
    inside = [c for c in situation.candidates if c.az_id == situation.failing_az]
    for group in (outside, inside):
        for mode in (SPOT, ON_DEMAND):
            choice = _best(situation, group, mode, passed)
            if choice is not None:
                return choice
    return None


def without_quarantine(situation: Situation) -> Situation:
    """For an emergency that finds every pool held: better to ask one that may refuse than none."""
    return replace(
        situation,
        candidates=tuple(
            replace(c, spot_quarantined_until=None, on_demand_quarantined_until=None)
            for c in situation.candidates
        ),
    )


def _best(
    situation: Situation, group: Sequence[Candidate], mode: str, passed: dict[str, str]
) -> Choice | None:
    allowed = situation.spot_allowed if mode == SPOT else situation.on_demand_allowed
    if not allowed:
        return None
    ranked: list[tuple[tuple[float, bool, str], Candidate, dict[str, float | str | None]]] = []
    for candidate in group:
        if why := refusal_of(candidate, mode, situation.now):
            passed[f"{candidate.pool_id} {mode}"] = why
            continue
        terms = score(candidate) if mode == SPOT else _on_demand_terms(candidate)
        other_type = candidate.instance_type != situation.current_type
        ranked.append(
            ((float(terms["score"] or 0), other_type, candidate.pool_id), candidate, terms)
        )
    if not ranked:
        return None
    ranked.sort(key=lambda row: row[0])
    _, winner, terms = ranked[0]
    for (value, _, _), candidate, _ in ranked[1:]:
        passed[f"{candidate.pool_id} {mode}"] = f"scores {value:.4f}"
    return Choice(pool_id=winner.pool_id, mode=mode, terms=terms, passed_over=dict(passed))


def _on_demand_terms(candidate: Candidate) -> dict[str, float | str | None]:
    price = None if candidate.on_demand_price is None else float(candidate.on_demand_price)
    return {"price": price, "score": price if price is not None else 1e9}
