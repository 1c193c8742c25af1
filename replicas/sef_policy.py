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
# A pool that always falls with the failing one is as bad as one that is lost every day.
SHARED_FATE_WEIGHT = 0.4
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
    # The probability of being lost together with the failing pool, 0..1; None where none fails.
    shared_fate: float | None = None
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


Terms = dict[str, float | str | None]


def score(candidate: Candidate, *, on_demand_price: Decimal | None = None) -> Terms:
    """The terms of one spot pool, and their sum under `score`: lower is better.

    An unknown price counts as the full on-demand price: it may be that bad, and never wins over a known one.
    `on_demand_price`: what the price is a share of, by default the pool's own type's; for pools of several
    types it is the workload's, or a large type at a discount would look cheaper than a small one.
    """
    whole = on_demand_price or candidate.on_demand_price
    share = 1.0
    if candidate.price is not None and whole:
        share = float(candidate.price / whole)
    losses = min(candidate.interruptions_30d / 30.0, 1.0)
    fresh = 0.0
    if candidate.hours_since_interruption is not None:
        fresh = 0.5 ** (max(candidate.hours_since_interruption, 0.0) / FRESH_LOSS_HALF_LIFE_HOURS)
    total = PRICE_WEIGHT * share + INTERRUPTION_WEIGHT * losses + FRESH_LOSS_WEIGHT * fresh
    terms: Terms = {
        "price": None if candidate.price is None else float(candidate.price),
        "price_share": round(share, 4),
        "losses_a_day": round(losses, 4),
        "fresh_loss": round(fresh, 4),
    }
    if candidate.shared_fate is not None:
        total += SHARED_FATE_WEIGHT * candidate.shared_fate
        terms["shared_fate"] = round(candidate.shared_fate, 4)
    return {**terms, "score": round(total, 4)}


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

    Order: the pool a person or decision named; outside the failing zone spot of the workload's own type,
    then spot of other allowed types that is cheaper than its own on demand, then its own on demand, then
    whatever else is allowed; then the same inside the failing zone. Within a step the lowest score wins,
    then the pool's name, so that two processes choose alike.
    """
    passed: dict[str, str] = {}
    if situation.wanted_pool:
        named = [c for c in situation.candidates if c.pool_id == situation.wanted_pool]
        choice = _best(situation, named, situation.wanted_mode or SPOT, passed)
        if choice is not None:
            return choice
    outside = [c for c in situation.candidates if c.az_id != situation.failing_az]
    inside = [c for c in situation.candidates if c.az_id == situation.failing_az]
    limit = next(
        (
            c.on_demand_price
            for c in situation.candidates
            if c.instance_type == situation.current_type
        ),
        None,
    )
    for group in (outside, inside):
        own = [c for c in group if c.instance_type == situation.current_type]
        other = [c for c in group if c.instance_type != situation.current_type]
        cheap = [c for c in other if _cheaper_than(limit, c)]
        dear = [c for c in other if not _cheaper_than(limit, c)]
        steps = ((own, SPOT), (cheap, SPOT), (own, ON_DEMAND), (other, ON_DEMAND), (dear, SPOT))
        for step, mode in steps:
            choice = _best(situation, step, mode, passed, limit)
            if choice is not None:
                return choice
    return None


def _cheaper_than(limit: Decimal | None, candidate: Candidate) -> bool:
    """Spot of another type is worth its risk only below what the own type costs on demand."""
    return limit is None or (candidate.price is not None and candidate.price < limit)


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
    situation: Situation,
    group: Sequence[Candidate],
    mode: str,
    passed: dict[str, str],
    whole: Decimal | None = None,
) -> Choice | None:
    allowed = situation.spot_allowed if mode == SPOT else situation.on_demand_allowed
    if not allowed:
        return None
    ranked: list[tuple[tuple[float, str], Candidate, Terms]] = []
    for candidate in group:
        if why := refusal_of(candidate, mode, situation.now):
            passed[f"{candidate.pool_id} {mode}"] = why
            continue
        spot = mode == SPOT
        terms = score(candidate, on_demand_price=whole) if spot else _on_demand_terms(candidate)
        ranked.append(((float(terms["score"] or 0), candidate.pool_id), candidate, terms))
    if not ranked:
        return None
    ranked.sort(key=lambda row: row[0])
    _, winner, terms = ranked[0]
    for (value, _), candidate, _ in ranked[1:]:
        passed[f"{candidate.pool_id} {mode}"] = f"scores {value:.4f}"
    return Choice(pool_id=winner.pool_id, mode=mode, terms=terms, passed_over=dict(passed))


def _on_demand_terms(candidate: Candidate) -> Terms:
    price = None if candidate.on_demand_price is None else float(candidate.on_demand_price)
    return {"price": price, "score": price if price is not None else 1e9}
