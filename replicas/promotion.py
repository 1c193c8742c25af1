"""Promotion: route, then rebind and fence in one transaction; what follows is retirement."""

from django.db import transaction

from agents import costs
from agents import instances as machines
from agents.models import Agent, Instance, Switch
from clients import feed
from replicas import journal, lifecycle, routes, sagas, sef
from replicas.leases import Lease
from replicas.models import Replica, Saga, Step
from replicas.sagas import Again, Wait

SWITCH_TYPES = {
    Saga.Trigger.PLANNED: Switch.Type.PLANNED,
    Saga.Trigger.REBALANCE: Switch.Type.REBALANCE,
    Saga.Trigger.EMERGENCY: Switch.Type.EMERGENCY,
    Saga.Trigger.MANUAL: Switch.Type.MANUAL,
}


class GivenUp(Exception):
    """The replica was given up between its claim and its promotion: its own machine is going."""


def advance(lease: Lease) -> Wait | Again:
    """Make the ready replica the primary."""
    saga = lease.saga
    replica = sagas.live_replica(saga)
    if replica is None or replica.instance is None or not lifecycle.promoting(replica=replica):
        return sagas.move_on(lease, Saga.Status.PREPARING)
    routes.to(lease, replica.instance)
    lease.renew()
    try:
        _rebind(lease, replica, replica.instance)
    except GivenUp:
        return sagas.move_on(lease, Saga.Status.PREPARING)
    except machines.LostRace as error:
        return _lost(lease, replica, error.message)
    return Again()


def _rebind(lease: Lease, replica: Replica, new: Instance) -> None:
    saga, now = lease.saga, lease.clock()
    prices = costs.at_switch(old=saga.old_instance, new=new, now=now)
    with transaction.atomic():
        # First: whoever gives it up from here on waits, and then finds it promoted.
        if not lifecycle.promoted(replica=replica, now=now):
            raise GivenUp
        step = journal.intend(saga, "rebind", now=now, replica=replica)
        machines.rebind(
            agent=saga.agent,
            old=saga.old_instance,
            new=new,
            switch_type=SWITCH_TYPES[Saga.Trigger(saga.trigger)],
            reason=saga.reason,
            started_at=saga.created_at if saga.trigger != Saga.Trigger.MANUAL else now,
            prices=prices,
            now=now,
            old_alive=not sef.died(saga),
        )
        journal.end(step, Step.Outcome.DONE, now=now, fenced=str(saga.old_instance or ""))
        sef.promoted(saga, instance=new, now=now)
        sagas.move_on(lease, Saga.Status.RETIRING, promoted_at=now)
        feed.wake_guard()  # manual mode wants its next standby at once


def _lost(lease: Lease, replica: Replica, why: str) -> Again:
    """The slot is not as it was: this machine is gone, or another has taken the place meanwhile."""
    saga, now = lease.saga, lease.clock()
    lifecycle.give_up(replica=replica, why=why, now=now)
    managed = Agent.objects.live().filter(pk=saga.agent_id).exists()
    if managed and machines.primary_of(saga.agent) == saga.old_instance:
        return sagas.move_on(lease, Saga.Status.PREPARING)
    sef.failed(saga, why=why, now=now)
    return sagas.move_on(lease, Saga.Status.ABANDONING, failure=why[:300])
