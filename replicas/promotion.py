"""Promotion: route, then rebind and fence in one transaction; what follows is retirement."""

from django.db import transaction

from agents import costs
from agents import instances as machines
from agents.models import Switch
from clients import feed
from replicas import journal, lifecycle, routes, sagas, sef
from replicas.leases import Lease
from replicas.models import Saga, Step
from replicas.sagas import Again, Wait

SWITCH_TYPES = {
    Saga.Trigger.PLANNED: Switch.Type.PLANNED,
    Saga.Trigger.REBALANCE: Switch.Type.REBALANCE,
    Saga.Trigger.EMERGENCY: Switch.Type.EMERGENCY,
    Saga.Trigger.MANUAL: Switch.Type.MANUAL,
}


def advance(lease: Lease) -> Wait | Again:
    """Make the ready replica the primary."""
    saga = lease.saga
    replica = sagas.live_replica(saga)
    if replica is None or replica.instance is None or not lifecycle.promoting(replica=replica):
        return sagas.move_on(lease, Saga.Status.PREPARING)
    routes.to(lease, replica.instance)
    lease.renew()
    now = lease.clock()
    prices = costs.at_switch(old=saga.old_instance, new=replica.instance, now=now)
    with transaction.atomic():
        step = journal.intend(saga, "rebind", now=now, replica=replica)
        machines.rebind(
            agent=saga.agent,
            old=saga.old_instance,
            new=replica.instance,
            switch_type=SWITCH_TYPES[Saga.Trigger(saga.trigger)],
            reason=saga.reason,
            started_at=saga.created_at if saga.trigger != Saga.Trigger.MANUAL else now,
            prices=prices,
            now=now,
        )
        lifecycle.promoted(replica=replica, now=now)
        journal.end(step, Step.Outcome.DONE, now=now, fenced=str(saga.old_instance or ""))
        sef.promoted(saga, instance=replica.instance, now=now)
        sagas.move_on(lease, Saga.Status.RETIRING, promoted_at=now)
        feed.wake_guard()  # manual mode wants its next standby at once
    return Again()
