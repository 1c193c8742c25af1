"""Whether a machine that an emergency bought on demand goes back to spot: a pure function.

    gain = saving · stay,  saving = on-demand price - spot price
    cost = spot price · T + on-demand price · wait + outage cost · pause

`stay` is how long the spot machine may be expected to last: 1 / hazard, at most a day, since prices are not
foreseen further. While the new machine comes up (`T`) and the old one waits for its end (`wait`), both bill;
while the workload quiesces (`pause`) it does not serve. Hours, and USD an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from replicas.sef_policy import Candidate, score

# A drought that ended a moment ago may not be over: pools that refuse do so on and off for minutes. Half an
# hour is the longest that a planned return may wait without the saving of a day being lost on it.
QUIET = timedelta(minutes=30)
LONGEST_STAY_HOURS = 24.0
LEAST_SAVING = 0.10


@dataclass(frozen=True)
class Calm:
    """A spot pool with what makes it quiet or not; `since_refusal` None: no refusal is known."""

    candidate: Candidate
    hazard: float
    since_refusal: timedelta | None = None


@dataclass(frozen=True)
class Exile:
    """A slot whose primary runs on demand. `on_demand_for`: since its promotion."""

    on_demand_for: timedelta
    price: Decimal | None
    pools: Sequence[Calm]
    time_to_ready: timedelta
    wait: timedelta = timedelta(0)
    pause: timedelta = timedelta(0)
    outage_cost_per_hour: Decimal = Decimal(0)


@dataclass(frozen=True)
class Way:
    """Where to, or empty; why; and the arithmetic."""

    pool_id: str
    reason: str
    terms: dict[str, float] = field(default_factory=dict)


def disquiet(calm: Calm) -> str:
    """Why this pool is not quiet; empty where it is."""
    hours = calm.candidate.hours_since_interruption
    if hours is not None and hours < QUIET / timedelta(hours=1):
        return f"lost a machine {hours * 60:.0f} minutes ago"
    if calm.since_refusal is not None and calm.since_refusal < QUIET:
        return f"refused a launch {calm.since_refusal / timedelta(minutes=1):.0f} minutes ago"
    if calm.candidate.spot_quarantined_until is not None:
        return "is in quarantine"
    return ""


def decide(exile: Exile) -> Way:
    """The quiet spot pool to return to, if one is worth the move."""
    if exile.on_demand_for < QUIET:
        minutes = exile.on_demand_for / timedelta(minutes=1)
        return Way("", f"on demand for {minutes:.0f} minutes only")
    if exile.price is None:
        return Way("", "the on-demand price is not known")
    whys = {calm.candidate.pool_id: disquiet(calm) for calm in exile.pools}
    quiet = [calm for calm in exile.pools if not whys[calm.candidate.pool_id]]
    if not quiet:
        first = "; ".join(f"{pool} {why}" for pool, why in sorted(whys.items())[:3])
        return Way("", f"no spot pool is quiet: {first}")
    best = Way("", "no quiet pool's price is known")
    for calm in sorted(quiet, key=_rank):
        if calm.candidate.price is None:
            continue
        best = _weigh(exile, calm, calm.candidate.price, exile.price)
        if best.pool_id:
            return best
    return best


def _rank(calm: Calm) -> tuple[float, str]:
    return float(score(calm.candidate)["score"] or 0), calm.candidate.pool_id


def _weigh(exile: Exile, calm: Calm, spot: Decimal, on_demand: Decimal) -> Way:
    pool = calm.candidate.pool_id
    saving = float(on_demand - spot)
    stay = min(1 / calm.hazard if calm.hazard > 0 else LONGEST_STAY_HOURS, LONGEST_STAY_HOURS)
    hour = timedelta(hours=1)
    cost = (
        float(spot) * (exile.time_to_ready / hour)
        + float(on_demand) * (exile.wait / hour)
        + float(exile.outage_cost_per_hour) * (exile.pause / hour)
    )
    terms = {
        "saving": round(saving, 6),
        "stay_hours": round(stay, 4),
        "gain": round(saving * stay, 6),
        "cost": round(cost, 6),
    }
    if saving < LEAST_SAVING * float(on_demand):
        return Way("", f"{pool} saves less than {LEAST_SAVING:.0%}", terms)
    if saving * stay <= cost:
        return Way("", f"{pool} gains {saving * stay:.4f} USD, the move costs {cost:.4f}", terms)
    return Way(pool, f"saves {saving:.4f} USD an hour in {pool}", terms)
