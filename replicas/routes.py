"""Moving traffic: each call is a journaled, idempotent step that never keeps a promotion waiting for long.

Before the promotion each follower is asked; what did not answer is asked again after it, for a while.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import QuerySet

from agents.models import Instance
from clients import feed
from replicas import followers, health, journal
from replicas.followers import Follower
from replicas.leases import Lease
from replicas.models import Replica, Saga, Step
from spotopt.cloud import errors
from spotopt.lib.errors import Refused
from spotopt.lib.outbound import Undelivered

log = logging.getLogger(__name__)

TRIES = 3  # in a row, before the promotion
ALL_TRIES = 8  # over all; with the pauses between them about two minutes
LONGEST_PAUSE = timedelta(seconds=30)
OPEN = (Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)


def to(lease: Lease, instance: Instance) -> None:
    """Have traffic go to the new machine, in every way that the agent's settings name."""
    for follower in followers.BEFORE:
        _attempt(lease, follower, instance, tries=TRIES)


def away_from(lease: Lease, instance: Instance) -> bool:
    """Deregister the old one; a load balancer stops sending to it at once. True once that is settled."""
    return _attempt(lease, followers.AWAY, instance, tries=TRIES)


def has_left(lease: Lease, instance: Instance) -> bool:
    """Ask once more where AWS has not answered yet; True once it is settled, or was never begun."""
    if not _steps(lease.saga, followers.AWAY.name, instance).filter(outcome__in=OPEN).exists():
        return True
    return away_from(lease, instance)


def follow_up(lease: Lease) -> datetime | None:
    """After the promotion: what is still to be asked, and the webhook. When to look again; None: never.

    A machine that is no longer the primary gets no traffic any more: a later move has seen to that.
    """
    instance = promoted_machine(lease.saga)
    if instance is None:
        return None
    waiting = []
    for follower in (*followers.BEFORE, *followers.AFTER):
        if not follower.set_up(lease.saga.agent):
            continue
        due = _due(lease, follower, instance)
        if instance.role != Instance.Role.PRIMARY:
            _overtaken(lease, follower, instance)
        elif due is not None and due > lease.clock():
            waiting.append(due)
        elif not _attempt(lease, follower, instance, tries=1):
            waiting.append(_due(lease, follower, instance) or lease.clock())
    return min(waiting, default=None)


def not_yet_healthy(lease: Lease) -> datetime | None:
    """When to look again whether the new machine serves; None once it does, or is waited for no more."""
    instance = promoted_machine(lease.saga)
    if instance is None or not _steps(lease.saga, "route", instance).filter(
        outcome=Step.Outcome.DONE
    ):
        return None
    return health.look(lease, instance)


def promoted_machine(saga: Saga) -> Instance | None:
    """The machine that this saga has made the primary, as it is now."""
    replica = saga.replicas.filter(status=Replica.Status.PROMOTED).select_related("instance").last()
    return replica.instance if replica else None


def _steps(saga: Saga, name: str, instance: Instance) -> "QuerySet[Step]":
    # By machine: a saga whose first replica was lost at the last moment routes to another.
    return saga.steps.filter(name=name, detail__instance_id=instance.instance_id)


def _due(lease: Lease, follower: Follower, instance: Instance) -> datetime | None:
    """When a step that failed for the time being is tried again; None: at once."""
    step = _steps(lease.saga, follower.name, instance).filter(outcome__in=OPEN).last()
    if step is None or step.ended_at is None:
        return None
    pause = timedelta(seconds=2.0 ** int(step.detail.get("tries", 0)))
    ended: datetime = step.ended_at
    return ended + min(pause, LONGEST_PAUSE)


def _overtaken(lease: Lease, follower: Follower, instance: Instance) -> None:
    for step in _steps(lease.saga, follower.name, instance).filter(outcome__in=OPEN):
        journal.end(step, Step.Outcome.REFUSED, now=lease.clock(), error="moved on meanwhile")


def _attempt(lease: Lease, follower: Follower, instance: Instance, *, tries: int) -> bool:
    """True once it is settled: done, not wanted, or given up and told."""
    saga = lease.saga
    if not follower.set_up(saga.agent):
        return True
    steps = _steps(saga, follower.name, instance)
    if steps.exclude(outcome__in=OPEN).exists():
        return True
    for _ in range(tries):
        step = steps.filter(outcome__in=OPEN).last() or _begin(lease, follower, instance)
        lease.renew()
        count = int(step.detail.get("tries", 0)) + 1
        try:
            follower.act(saga, instance, lease.clock())
        except Exception as error:  # noqa: BLE001 - sorted by the next line, which raises the unexpected
            if _for_good(error) or count >= ALL_TRIES:
                journal.end(
                    step, Step.Outcome.REFUSED, now=lease.clock(), error=_why(error), tries=count
                )
                _tell(lease, follower, instance, _why(error))
                return True
            journal.end(
                step, Step.Outcome.UNKNOWN, now=lease.clock(), error=_why(error), tries=count
            )
            if isinstance(error, errors.UnreachableError | Undelivered):
                return False  # that took seconds: the promotion comes first
            continue
        journal.end(step, Step.Outcome.DONE, now=lease.clock(), tries=count)
        return True
    return False


def _begin(lease: Lease, follower: Follower, instance: Instance) -> Step:
    return Step.objects.create(
        saga=lease.saga,
        name=follower.name,
        attempt=journal.next_attempt(lease.saga, follower.name),
        started_at=lease.clock(),
        detail={"instance_id": instance.instance_id},
    )


def _for_good(error: Exception) -> bool:
    """Whether asking again is in vain. Raises what is none of these errors."""
    if isinstance(error, Undelivered):
        return error.permanent
    if isinstance(
        error, errors.ThrottleError | errors.UnreachableError | errors.NotYetVisibleError
    ):
        return False
    if isinstance(error, errors.CloudError | Refused):
        return True
    raise error


def _why(error: Exception) -> str:
    return (error.code if isinstance(error, errors.CloudError) else str(error))[:200]


def _tell(lease: Lease, follower: Follower, instance: Instance, why: str) -> None:
    # The machine is promoted all the same: a primary without traffic can be mended, no primary cannot.
    saga = lease.saga
    log.warning("%s of %s: %s", follower.name, instance, why)
    feed.record(
        client_id=saga.client_id,
        agent_id=saga.agent_id,
        event_type="routing_failed",
        severity="critical",
        message=f"Traffic of {saga.agent} could not be moved ({follower.name} {instance}): "
        f"look at its {follower.where} ({why})",
        now=lease.clock(),
    )
