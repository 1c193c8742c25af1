"""Manual mode: exactly one standby per agent, whatever the number of processes; off again, none.

Also the end of standbys whose slot has ended.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from agents.models import Agent
from clients import installation
from replicas import lifecycle, sagas
from replicas.leases import Clock
from replicas.models import Replica, Saga
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

REASON = "manual replica mode"
# After a failure (a cap, a permission) the next try waits, so that it is not repeated every two seconds.
PAUSE_AFTER_FAILURE = timedelta(minutes=1)


def ensure(agent: Agent, *, clock: Clock) -> Saga | None:
    """The agent's standby, launched if there is none. The database allows one active saga per agent."""
    active = sagas.active_of(agent)
    if active is not None:
        return active
    try:
        saga = sagas.begin(
            agent=agent,
            trigger=Saga.Trigger.MANUAL,
            goal=Saga.Goal.STANDBY,
            reason=REASON,
            now=clock(),
            keep_alive=True,
        )
    except sagas.AlreadyMoving:
        return sagas.active_of(agent)
    sagas.run(saga.pk, clock=clock)
    return saga


def maintain(*, clock: Clock) -> None:
    """Launch what manual mode lacks, and end what it has left behind: the guard's sweep."""
    for agent in wanting(clock()):
        if not installation.automation_on(agent.client):
            continue
        try:
            ensure(agent, clock=clock)
        except Refused as error:
            log.warning("no standby for %s: %s", agent.pk, error.message)
    for replica in left_over():
        _end(replica, "manual replica mode was switched off", clock)
    for saga in of_slots_that_ended():
        lifecycle.abandon(saga, reason="its agent is no longer managed", now=clock())
        sagas.run(saga.pk, clock=clock)


def _end(replica: Replica, reason: str, clock: Clock) -> None:
    try:
        lifecycle.delete(replica=replica, reason=reason, clock=clock)
    except lifecycle.Gone:
        log.info("%s was promoted before it could be ended", replica)


def of_slots_that_ended() -> list[Saga]:
    """Standbys, also on their way, of agents that were withdrawn or replaced."""
    return list(
        Saga.objects.filter(
            status__in=(Saga.Status.PREPARING, Saga.Status.STANDING, Saga.Status.QUIESCING),
            agent__status=Agent.Status.TERMINATED,
        )[:50]
    )


def wanting(now: datetime) -> list[Agent]:
    """Agents in manual mode, with a machine, that have neither a standby nor one on its way."""
    return list(
        Agent.objects.live()
        .filter(enabled=True, manual_replica_enabled=True, instances__role="primary")
        .filter(client__automation=True)
        .exclude(sagas__status__in=Saga.ACTIVE)
        # Not two conditions in `exclude`, which may each be met by another saga.
        .exclude(Exists(_just_failed(now)))
        .select_related("client")[:50]
    )


def _just_failed(now: datetime) -> QuerySet[Saga]:
    return Saga.objects.filter(
        agent=OuterRef("pk"),
        status=Saga.Status.FAILED,
        ended_at__gt=now - PAUSE_AFTER_FAILURE,
    )


def left_over() -> list[Replica]:
    """Standbys kept for manual mode after it was switched off."""
    return list(
        Replica.objects.filter(
            status__in=Replica.LIVE,
            saga__status__in=(Saga.Status.PREPARING, Saga.Status.STANDING),
            saga__goal=Saga.Goal.STANDBY,
            saga__trigger=Saga.Trigger.MANUAL,
            saga__reason=REASON,
            agent__manual_replica_enabled=False,
        ).select_related("saga", "instance", "agent", "client", "pool")[:50]
    )
