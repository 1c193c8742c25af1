"""Whether a standby earns its keep: a pure function of what is known of one slot.

    value = hazard · outage · cost
    outage = (1 - u) · max(0, T - covered) + u · T
    covered = 120 s of notice - 5 s reserve for the promotion - the agent's quiesce seconds

`hazard` is the probability of losing the primary within the hour, `T` the measured time from a launch to a
ready machine, `u` the share of losses without a notice, `cost` what an hour of outage costs the client. All
in hours and USD an hour. With a notice a launch that takes no longer than what is covered costs no outage,
with or without a standby; without one it is `T` that a standby saves: the time until the silence is noticed
passes either way. A standby is kept while its value exceeds the price of its machine.

Above that stands the rule for rebalance recommendations: a risk over .30 wants a standby.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

OFF, ADAPTIVE, ALWAYS = "off", "adaptive", "always"

STANDBY_ABOVE = 0.30
ON_DEMAND_ABOVE = 0.50
# Called for above the threshold, let go well below it, so that a risk around it does not flap.
RELEASE_RISK_BELOW = 0.9 * STANDBY_ABOVE
RELEASE_VALUE_BELOW = 0.7
# A machine that has just come up is not let go of at once: the launch has been paid for.
SHORTEST_STAY = timedelta(minutes=10)

NOTICE = timedelta(minutes=2)
RESERVE = timedelta(seconds=5)


@dataclass(frozen=True)
class View:
    """One slot. `risk` is the score of `replicas.risk` (0..1), `hazard` a probability within the hour.

    `price`: USD an hour of the standby that stands, or of the one that would be launched; None if unknown.
    `kept_for`: how long a standby has been there, or on its way; None where there is none.
    """

    policy: str
    hazard: float
    outage_cost_per_hour: Decimal
    time_to_ready: timedelta
    unannounced: float
    price: Decimal | None
    risk: float = 0.0
    recommended: bool = False
    on_demand: bool = False
    quiesce: timedelta = timedelta(0)
    kept_for: timedelta | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a standby should be there, why, and the arithmetic."""

    wanted: bool
    reason: str
    terms: dict[str, float | None] = field(default_factory=dict)


def outage_hours(*, time_to_ready: timedelta, quiesce: timedelta, unannounced: float) -> float:
    """The outage that a standby saves at a loss, on average, in hours."""
    covered = max(NOTICE - RESERVE - quiesce, timedelta(0))
    late = max(time_to_ready - covered, timedelta(0))
    return ((1 - unannounced) * late + unannounced * time_to_ready) / timedelta(hours=1)


def decide(view: View) -> Verdict:
    """Whether this slot should have an automatic standby now."""
    outage = outage_hours(
        time_to_ready=view.time_to_ready, quiesce=view.quiesce, unannounced=view.unannounced
    )
    hazard = 0.0 if view.on_demand else view.hazard
    value = hazard * outage * float(view.outage_cost_per_hour)
    terms: dict[str, float | None] = {
        "hazard": round(hazard, 6),
        "outage_hours": round(outage, 6),
        "outage_cost_per_hour": float(view.outage_cost_per_hour),
        "value": round(value, 6),
        "price": None if view.price is None else float(view.price),
        "risk": round(view.risk, 4),
    }
    kept = view.kept_for is not None
    if view.policy == OFF:
        return Verdict(False, "standbys are switched off for this client", terms)
    if view.policy == ALWAYS:
        return Verdict(True, "the client always keeps a standby", terms)
    if view.recommended and (
        view.risk > STANDBY_ABOVE or (kept and view.risk >= RELEASE_RISK_BELOW)
    ):
        return Verdict(True, f"risk {view.risk:.2f} after a recommendation", terms)
    if view.kept_for is not None and view.kept_for < SHORTEST_STAY:
        return Verdict(True, "it has only just been launched", terms)
    return _by_value(view, value, terms, kept=kept)


def _by_value(view: View, value: float, terms: dict[str, float | None], *, kept: bool) -> Verdict:
    risk = ""
    if view.recommended:
        risk = f"risk {view.risk:.2f} is not above {STANDBY_ABOVE:.2f}; "
    if view.recommended and kept:
        risk = f"risk fell to {view.risk:.2f}, below {RELEASE_RISK_BELOW:.2f}; "
    if view.on_demand:
        return Verdict(False, f"{risk}an on-demand machine is not interrupted", terms)
    if view.price is None:
        return Verdict(False, f"{risk}what a standby costs is not known", terms)
    worth = f"it is worth {value:.4f} USD an hour and costs {view.price:.4f}"
    if value > float(view.price):
        return Verdict(True, worth, terms)
    if kept and value >= RELEASE_VALUE_BELOW * float(view.price):
        return Verdict(True, f"{worth}: not yet too little", terms)
    return Verdict(False, f"{risk}{worth}", terms)


def mode(*, risk: float, calmest: float | None) -> str:
    """How a standby after a recommendation is bought: on demand where the risk is over .50 and even the
    calmest spot pool's own risk is over .30; otherwise empty, and the choice of a pool is free.
    """
    if risk > ON_DEMAND_ABOVE and (calmest is None or calmest > STANDBY_ABOVE):
        return "on-demand"
    return ""
