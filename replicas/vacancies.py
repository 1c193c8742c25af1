"""Slots whose machine is gone and whose emergency has failed: they are tried again, ever more slowly.

An emergency ends without a machine when a cap, a quota or a permission stood in its way and a person was
told. What stood in the way may be mended while nobody thinks of the slot that is still empty.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from agents.models import Agent, Instance
from clients import installation
from replicas import sagas
from replicas.leases import Clock
from replicas.models import Saga

log = logging.getLogger(__name__)

FIRST = timedelta(minutes=1)
LONGEST = timedelta(minutes=30)
REMEMBERED = timedelta(hours=6)


def pause(failures: int) -> timedelta:
    """How long after the n-th failure of the last six hours (n from 1) the slot is tried again."""
    return min(FIRST * float(2 ** (min(failures, 10) - 1)), LONGEST)


def fill(*, clock: Clock) -> int:
    """Begin an emergency for each vacant slot whose pause is over; how many were begun."""
    begun = 0
    for agent in vacant():
        now = clock()
        if not _pause_is_over(agent, now) or not installation.automation_on(agent.client):
            continue
        try:
            saga = sagas.begin(
                agent=agent,
                trigger=Saga.Trigger.EMERGENCY,
                goal=Saga.Goal.PROMOTE,
                reason="the slot has no machine, and an earlier emergency failed",
                now=now,
            )
        except sagas.AlreadyMoving:
            continue
        log.warning("agent %s is vacant: tried again", agent.pk)
        sagas.run(saga.pk, clock=clock)
        begun += 1
    return begun


def vacant() -> list[Agent]:
    """Agents under management whose primary EC2 says is gone, and for whom nothing is under way."""
    primary = Instance.objects.primary().filter(agent=OuterRef("pk"))
    active = Saga.objects.filter(agent=OuterRef("pk"), status__in=Saga.ACTIVE)
    failed = Saga.objects.filter(
        agent=OuterRef("pk"), status=Saga.Status.FAILED, trigger=Saga.Trigger.EMERGENCY
    )
    rows = Agent.objects.live().filter(
        Exists(primary.exclude(terminated_at=None)), ~Exists(active), Exists(failed), enabled=True
    )
    return list(rows.select_related("client")[:50])


def _pause_is_over(agent: Agent, now: datetime) -> bool:
    ends = Saga.objects.filter(
        agent=agent,
        status=Saga.Status.FAILED,
        trigger=Saga.Trigger.EMERGENCY,
        ended_at__gt=now - REMEMBERED,
    ).values_list("ended_at", flat=True)
    latest = max((end for end in ends if end is not None), default=None)
    return latest is None or now - latest >= pause(len(ends))
