"""Automatic standbys, looked at again: kept while the risk that called for them lasts, then let go."""

import logging

from clients import feed
from replicas import lifecycle, risk, sagas, sef
from replicas.leases import Clock
from replicas.models import Replica, Saga

log = logging.getLogger(__name__)

# Called for above the threshold, let go well below it, so that a risk around it does not flap.
RELEASE_BELOW = 0.9 * risk.STANDBY_ABOVE


def reevaluate(*, clock: Clock) -> int:
    """Let go of standbys whose machine is no longer at risk; returns how many were."""
    released = 0
    rows = Replica.objects.filter(
        status__in=(Replica.Status.LAUNCHING, Replica.Status.SYNCING, Replica.Status.READY),
        saga__trigger=Saga.Trigger.REBALANCE,
        saga__goal=Saga.Goal.STANDBY,
        saga__status__in=(Saga.Status.PREPARING, Saga.Status.STANDING),
    ).select_related("saga__old_instance", "instance", "agent", "client", "pool")
    for replica in rows:
        primary = replica.saga.old_instance
        if primary is None:
            continue
        now = clock()
        value = risk.of_instance(primary, now=now).value
        if value >= RELEASE_BELOW:
            continue
        reason = f"risk fell to {value:.2f}, below {RELEASE_BELOW:.2f}"
        if not lifecycle.abandon(replica.saga, reason=reason, now=now):
            continue
        feed.record(
            client_id=replica.client_id,
            agent_id=replica.agent_id,
            event_type="standby_released",
            severity="info",
            message=f"The standby of {replica.agent} was let go: {reason}",
            now=now,
        )
        sef.came_to_nothing(replica.saga, now=now)
        sagas.settle(replica.saga, clock=clock)
        released += 1
    return released
