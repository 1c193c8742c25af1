"""How a standby after a recommendation is bought: on demand where spot itself is at risk in the region."""

from datetime import datetime

from agents.models import Instance
from replicas import risk, situation, standby_policy
from replicas.models import InterruptionEvent, Saga
from spotopt.lib.errors import Refused


def wanted(primary: Instance, *, risk_score: float, now: datetime) -> str:
    """`on-demand`, or empty where any pool may serve. `risk_score` is the primary's, 0..1."""
    if risk_score <= standby_policy.ON_DEMAND_ABOVE:
        return ""
    try:
        found = situation.candidate_pools(agent=primary.agent, pool=primary.pool)
    except Refused:
        return ""
    outside = [pool.pool_id for pool in found if pool.az_id != primary.az_id]
    scores = risk.of_pools(outside, client_id=primary.client_id, now=now)
    return standby_policy.mode(risk=risk_score, calmest=min(scores.values(), default=None))


def may_fall_back(saga: Saga) -> bool:
    """Whether this standby goes on demand where every spot pool refuses: its machine's risk is over .50."""
    if saga.trigger != Saga.Trigger.REBALANCE or saga.goal != Saga.Goal.STANDBY:
        return False
    return InterruptionEvent.objects.filter(
        saga=saga,
        kind=InterruptionEvent.Kind.REBALANCE,
        risk_score__gt=standby_policy.ON_DEMAND_ABOVE,
    ).exists()
