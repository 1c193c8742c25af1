"""Policy `seed`: rules over prices and a risk score. A pure function of a snapshot.

A pool passes if it saves more than `min_savings_threshold` of what staying costs and its risk is below
`max_risk_score`; a risk of .30 to .50 needs a saving over .50, a higher one is never taken. A limit that
the client has set itself holds for medium risks too. Where the machine's own risk is above .50 staying is no
choice: pools are held against the on-demand price, and on demand it is if none of them passes.

Of those that pass, the best net saving wins: the saving times the chance to keep the pool, less the cost of
the move spread over the time that the limits leave until the next one.

    net = (staying - price) · (1 - risk) - (price · before + staying · after) / hours
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from mlengine.situation import ON_DEMAND, SPOT, Current, Limits, Place, Situation, Verdict

NAME = "seed"
MEDIUM_RISK, HIGH_RISK = 0.30, 0.50
MEDIUM_RISK_SAVING = 0.50
HOUR = timedelta(hours=1)

STAY, SWITCH, TO_ON_DEMAND = "stay", "switch", "on_demand"


@dataclass(frozen=True)
class Judged:
    """One pool's arithmetic, and what speaks against it (empty: it passes)."""

    place: Place
    refusal: str
    saving: float | None = None
    net: float | None = None


def choose(situation: Situation) -> Verdict:
    """Stay, switch or go on demand, as if the slot might be moved; `mlengine.gates` says whether it may."""
    current = situation.current
    if current is None:
        return Verdict(STAY, "no machine serves this slot at present")
    leaving = current.mode == SPOT and current.risk > HIGH_RISK
    staying = current.on_demand_price if leaving else current.price
    if current.price is None or staying is None:
        which = "present price" if current.price is None else "on-demand price"
        return Verdict(STAY, f"the {which} is unknown or stale", terms=situation.present)
    others = [
        place
        for place in situation.candidates
        if (place.pool_id, SPOT) != (current.pool_id, current.mode)
    ]
    judged = [judge(place, staying, situation) for place in others]
    fit = [row for row in judged if not row.refusal]
    if fit:
        return _switch(situation, staying, _best(fit), judged)
    passed = {row.place.pool_id: row.refusal for row in judged}
    if leaving:
        return _on_demand(situation, current, passed)
    return Verdict(STAY, _why_none(judged), terms=situation.present, passed_over=passed)


def judge(place: Place, staying: Decimal, situation: Situation) -> Judged:
    """Hold a spot pool against what staying costs."""
    if place.price is None:
        return Judged(place, "its price is unknown or stale")
    saving = float(1 - place.price / staying)
    net = _net(place.price, place.risk, staying, situation)
    held = place.spot_quarantined_until
    if held is not None and held > situation.now:
        refusal = f"quarantined until {held:%H:%M:%S} after refusing a launch"
    else:
        refusal = refusal_of(saving=saving, risk=place.risk, limits=situation.limits)
    return Judged(place, refusal, saving, net)


def refusal_of(*, saving: float, risk: float, limits: Limits) -> str:
    """What the rule has against this saving at this risk, in words; empty: nothing.

    Put so that a number which is none (NaN) is refused.
    """
    if not risk <= HIGH_RISK:
        return f"risk {risk:.2f} is above {HIGH_RISK:.2f}"
    if "max_risk_score" in limits.own and not risk < limits.max_risk_score:
        return f"risk {risk:.2f} is not below the client's limit of {limits.max_risk_score:.2f}"
    if not saving > limits.min_savings_threshold:
        return f"saves {saving:.1%}, needs more than {limits.min_savings_threshold:.0%}"
    calm = risk < MEDIUM_RISK and risk < limits.max_risk_score
    if not calm and not saving > MEDIUM_RISK_SAVING:
        return f"at risk {risk:.2f} it needs to save more than {MEDIUM_RISK_SAVING:.0%}, saves {saving:.1%}"
    return ""


def _net(price: Decimal, risk: float, staying: Decimal, situation: Situation) -> float:
    limits = situation.limits
    hours = max(limits.cooldown / HOUR, 24 / max(limits.max_switches_per_day, 1), 1.0)
    move = (
        float(price) * (situation.overlap_before / HOUR)
        + float(staying) * (situation.overlap_after / HOUR)
    ) / hours
    return float(staying - price) * (1 - risk) - move


def _best(fit: list[Judged]) -> Judged:
    """The name decides between equals, so that two processes choose alike."""
    return min(fit, key=lambda row: (-(row.net or 0.0), row.place.risk, row.place.pool_id))


def _switch(situation: Situation, staying: Decimal, best: Judged, judged: list[Judged]) -> Verdict:
    place = best.place
    passed = {
        row.place.pool_id: row.refusal or f"passes, but nets {row.net:.4f} USD an hour"
        for row in judged
        if row is not best
    }
    terms = {
        **situation.present,
        "staying": float(staying),
        "price": float(place.price or 0),
        "saving": best.saving,
        "risk": place.risk,
        "net_usd_per_hour": best.net,
    }
    against = "" if situation.current and situation.current.price == staying else " of on-demand"
    reason = (
        f"{place.pool_id} saves {best.saving:.1%}{against} at risk {place.risk:.2f}:"
        f" {best.net:.4f} USD an hour net"
    )
    return Verdict(SWITCH, reason, place.pool_id, SPOT, terms, passed)


def _on_demand(situation: Situation, current: Current, passed: Mapping[str, str]) -> Verdict:
    """To the same pool on demand, or to the same type's next one where that has just refused."""
    own_type = [
        place
        for place in situation.candidates
        if place.instance_type == current.instance_type and place.pool_id != current.pool_id
    ]
    for place in (current, *sorted(own_type, key=lambda place: place.pool_id)):
        held = place.on_demand_quarantined_until
        if held is None or held <= situation.now:
            break
    else:
        reason = f"risk {current.risk:.2f}, but no pool launches on demand at present"
        return Verdict(STAY, reason, terms=situation.present, passed_over=passed)
    terms = {**situation.present, "price": float(current.on_demand_price or 0), "risk": 0.0}
    reason = (
        f"risk {current.risk:.2f} is above {HIGH_RISK:.2f} and no spot pool passes: on demand"
        " until one does"
    )
    return Verdict(TO_ON_DEMAND, reason, place.pool_id, ON_DEMAND, terms, passed)


def _why_none(judged: list[Judged]) -> str:
    known = [row for row in judged if row.saving is not None]
    if not judged:
        return "the slot may run nowhere else"
    if not known:
        return "no other pool's price is known"
    nearest = max(known, key=lambda row: (row.saving or 0.0, row.place.pool_id))
    if nearest.saving is not None and nearest.saving <= 0:
        return f"already in the best pool: none of {len(judged)} others is cheaper"
    return f"no pool passes; the cheapest, {nearest.place.pool_id}: {nearest.refusal}"
