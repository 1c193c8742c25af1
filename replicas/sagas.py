"""The state machine: opens a saga, escalates it, and advances it step by step under a lease.

    preparing → standing → quiescing → promoting → retiring → done
        ↘ failed    ↘ abandoning → abandoned

Every step is idempotent and re-reads the rows, so whoever holds the lease can go on from any point.
"""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from agents.models import Agent, Instance
from pricing.models import Pool
from replicas import leases
from replicas.leases import Clock, Lease
from replicas.models import Replica, Saga
from spotopt.cloud import errors
from spotopt.lib.errors import Conflict, Refused

log = logging.getLogger(__name__)

# A wait this short (EC2 throttles, or lost an answer) is sat out by whoever holds the lease, for so long.
SHORT = timedelta(seconds=1)
PATIENCE = timedelta(seconds=8)
BEGINNERS_TIME = timedelta(seconds=3)
# How long a caller waits while another process advances the saga it asks about.
OTHERS_TIME = timedelta(seconds=10)
# When a step that met an unexpected error is tried again.
AFTER_AN_ERROR = timedelta(seconds=2)


class AlreadyMoving(Conflict):
    """The agent has an active saga; there is one at a time."""

    code = "already_moving"


@dataclass(frozen=True)
class Wait:
    """Nothing to do until something happens, or until `due_at`."""

    due_at: datetime | None = None


class Again:
    """The saga has changed: look at it anew."""


Step = Callable[[Lease], Wait | Again]


def active_of(agent: Agent) -> Saga | None:
    """The agent's saga that prepares, keeps or promotes a replica, if there is one."""
    return Saga.objects.filter(agent=agent, status__in=Saga.ACTIVE).first()


def begin(
    *,
    agent: Agent,
    trigger: Saga.Trigger,
    goal: Saga.Goal,
    reason: str,
    now: datetime,
    deadline: datetime | None = None,
    wanted_pool: Pool | None = None,
    wanted_mode: str = "",
    command_id: uuid.UUID | None = None,
    retire_old: bool = True,
    keep_alive: bool = False,
) -> Saga:
    """Write the intent to move, or to keep a standby. Raises AlreadyMoving: the database allows one."""
    old = Instance.objects.primary().filter(agent=agent).first()
    try:
        with transaction.atomic():
            return Saga.objects.create(
                client_id=agent.client_id,
                agent=agent,
                trigger=trigger,
                goal=goal,
                reason=reason[:200],
                old_instance=old,
                wanted_pool=wanted_pool,
                wanted_mode=wanted_mode,
                command_id=command_id,
                retire_old=retire_old,
                keep_alive=keep_alive,
                created_at=now,
                deadline=deadline,
                # Whoever begins it also runs it; the guard looks in case that process dies.
                due_at=now + BEGINNERS_TIME,
            )
    except IntegrityError as error:
        raise AlreadyMoving("This agent already has a replica, or one on its way.") from error


def escalate(
    saga: Saga,
    *,
    trigger: Saga.Trigger,
    reason: str,
    now: datetime,
    deadline: datetime | None = None,
    quiesce_until: datetime | None = None,
) -> bool:
    """A standby's saga becomes a move: whoever escalates first sets its trigger. True if this call did."""
    changes: dict[str, object] = {
        "goal": Saga.Goal.PROMOTE,
        "trigger": trigger,
        "reason": reason[:200],
        "quiesce_until": quiesce_until,
    }
    if trigger != Saga.Trigger.PLANNED:
        changes["retire_old"] = True
    if deadline is not None:
        changes["deadline"] = deadline
    escalated = Saga.objects.filter(
        pk=saga.pk, goal=Saga.Goal.STANDBY, status__in=Saga.ACTIVE
    ).update(**changes)
    leases.poke(saga.pk, now=now)
    return bool(escalated)


def move_on(lease: Lease, status: Saga.Status, **changes: object) -> Again:
    """Transition under the lease; raises LeaseLost if it is not ours any more."""
    moved = Saga.objects.filter(
        pk=lease.saga.pk, lease_owner=lease.owner, status=lease.saga.status
    ).update(status=status, **changes)
    if not moved:
        raise leases.LeaseLost(str(lease.saga.pk))
    return Again()


def run(saga_id: uuid.UUID, *, clock: Clock) -> None:
    """Advance as far as possible now. Returns at once if another process is at it: it sees the poke."""
    lease = leases.take(saga_id, clock=clock)
    if lease is None:
        return
    impatient_at = clock() + PATIENCE
    try:
        while True:
            # Counted before the step looks: what comes up while it works has not been seen by it.
            seen = lease.saga.pokes
            outcome = _steps()[Saga.Status(lease.saga.status)](lease)
            lease.refresh()
            if lease.saga.status not in Saga.OPEN:
                lease.release(due_at=None, seen=lease.saga.pokes)
                return
            if isinstance(outcome, Wait):
                pause = _pause(outcome, now=clock(), until=impatient_at)
                if pause is not None:
                    time.sleep(pause)
                # A failed release means a poke came meanwhile: go round once more.
                elif lease.release(due_at=outcome.due_at, seen=seen):
                    return
            lease.refresh()
    except leases.LeaseLost:
        log.info("saga %s is somebody else's now", saga_id)
    except (Refused, errors.CloudError) as error:
        # A promotion has happened, or a machine waits for its end: the caller's request has not failed.
        log.warning("saga %s is held up: %s", saga_id, error)
        lease.give_back(due_at=clock() + AFTER_AN_ERROR)
    except Exception:
        lease.give_back(due_at=clock() + AFTER_AN_ERROR)
        raise


def settle(saga: Saga, *, clock: Clock) -> Saga:
    """Advance it, or wait until whoever holds it has got as far as can be got now; then as it is."""
    until = clock() + OTHERS_TIME
    while True:
        run(saga.pk, clock=clock)
        saga.refresh_from_db()
        if saga.lease_owner is None or saga.status not in Saga.OPEN or clock() >= until:
            return saga
        time.sleep(0.02)


def _pause(outcome: Wait, *, now: datetime, until: datetime) -> float | None:
    """Seconds to wait here rather than hand over to the guard; None to hand over."""
    if outcome.due_at is None or outcome.due_at - now > SHORT or outcome.due_at > until:
        return None
    return max(0.0, (outcome.due_at - now).total_seconds())


def live_replica(saga: Saga) -> Replica | None:
    """The machine this saga is about at present."""
    return (
        Replica.objects.filter(saga=saga, status__in=Replica.LIVE)
        .select_related("instance", "pool", "agent", "client")
        .first()
    )


def _steps() -> dict[Saga.Status, Step]:
    # Imported here: the steps use this module's transitions.
    from replicas import launching, promotion, retirement, standing

    return {
        Saga.Status.PREPARING: launching.prepare,
        Saga.Status.STANDING: standing.stand,
        Saga.Status.QUIESCING: standing.quiesce,
        Saga.Status.PROMOTING: promotion.advance,
        Saga.Status.RETIRING: retirement.retire_old,
        Saga.Status.ABANDONING: retirement.abandon,
    }
