"""Replica status: every transition is a conditional UPDATE, and this is the only place that makes one.

    launching → syncing → ready → promoting → promoted
         ↘ terminating → terminated      ↘ failed

Also the doors that pages, the API and SEF go through: `promote`, `delete`.
"""

import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import F

from agents import instances as machines
from agents.models import Agent, Command, Instance
from clients import feed
from pricing.models import Pool
from replicas import leases, sagas
from replicas.leases import Clock
from replicas.models import Replica, Saga
from spotopt.lib.errors import Conflict, NotFound

Status = Replica.Status


class NotReady(Conflict):
    """There is no ready replica to promote."""

    code = "not_ready"


class Gone(Conflict):
    """The replica has been promoted or terminated."""

    code = "replica_gone"


def _move(replica: Replica, *allowed: Status, to: Status, **changes: object) -> bool:
    moved = Replica.objects.filter(pk=replica.pk, status__in=allowed).update(status=to, **changes)
    if moved:
        replica.refresh_from_db()
        feed.publish(client_id=replica.client_id, kind="replica", id=str(replica.pk))
    return bool(moved)


def retarget(*, replica: Replica, pool_id: str, mode: str, attempt: int) -> None:
    """The pool refused: the same intent, elsewhere."""
    Replica.objects.filter(pk=replica.pk, status=Status.LAUNCHING, instance=None).update(
        pool_id=pool_id, mode=mode, attempt=attempt
    )


def launched(*, replica: Replica, instance: Instance, give_up_at: datetime, now: datetime) -> bool:
    """EC2 has given a machine. If it is no longer wanted it is marked to be retired at once."""
    linked = Replica.objects.filter(pk=replica.pk, instance=None).update(
        instance=instance, launched_at=now, give_up_at=give_up_at
    )
    replica.refresh_from_db()
    if replica.status not in Replica.LIVE:
        machines.retire_asked(instance, now=now)
    return bool(linked)


def registered(*, replica: Replica, now: datetime) -> None:
    """The machine's agent has enrolled: syncing, or ready at once where nothing is synced."""
    _move(replica, Status.LAUNCHING, to=Status.SYNCING, registered_at=now)
    if replica.agent.sync_kind == Agent.SyncKind.NONE:
        ready(replica=replica, now=now)
    leases.poke(replica.saga_id, now=now)


def synced(
    *, replica: Replica, status: str, at: datetime | None, lag: float | None, now: datetime
) -> None:
    """Record a sync report (lag in seconds); `synced` makes a syncing replica ready.

    Raises Gone once it is promoted, terminated or failed.
    """
    recorded = Replica.objects.filter(
        pk=replica.pk, status__in=(Status.LAUNCHING, Status.SYNCING, Status.READY, Status.PROMOTING)
    ).update(sync_status=status, last_sync_at=at or now, lag_seconds=lag)
    if not recorded:
        raise Gone("This replica is no longer being synchronised.")
    if status == "synced":
        ready(replica=replica, now=now)
    feed.publish(client_id=replica.client_id, kind="replica", id=str(replica.pk))


def ready(*, replica: Replica, now: datetime) -> None:
    """It could serve at once."""
    if not _move(replica, Status.SYNCING, to=Status.READY, ready_at=now, give_up_at=None):
        return
    feed.record(
        client_id=replica.client_id,
        agent_id=replica.agent_id,
        event_type="replica_ready",
        severity="info",
        message=f"Ready: {replica.replica_type} replica of {replica.agent} in {replica.pool_id}",
        now=now,
    )
    leases.poke(replica.saga_id, now=now)


def promoting(*, replica: Replica) -> bool:
    """Claim it for promotion; True also when it was claimed before."""
    return _move(replica, Status.READY, Status.PROMOTING, to=Status.PROMOTING)


def promoted(*, replica: Replica, now: datetime) -> bool:
    """It is the primary now; part of the transaction that rebinds. False if it was given up meanwhile."""
    return _move(replica, Status.PROMOTING, to=Status.PROMOTED, promoted_at=now)


def give_up(*, replica: Replica, why: str, now: datetime) -> None:
    """It failed, or is not wanted any more: its machine, if there is one, is to be retired."""
    with transaction.atomic():
        if not _move(replica, *Replica.LIVE, to=Status.TERMINATING, failure=why[:300]):
            return
        if replica.instance is not None:
            machines.retire_asked(replica.instance, now=now)


def gone(*, replica: Replica, now: datetime) -> None:
    """EC2 confirms that the machine is no more, or that there never was one."""
    final = Status.FAILED if replica.failure else Status.TERMINATED
    _move(replica, Status.TERMINATING, to=final, terminated_at=now)


def lost(*, replica: Replica, why: str, now: datetime) -> None:
    """The replica's own machine went away: the saga looks for another, or ends."""
    give_up(replica=replica, why=why, now=now)
    leases.poke(replica.saga_id, now=now)


# --- the doors ---------------------------------------------------------------------------------


def find(*, agent: Agent, replica_id: uuid.UUID | str) -> Replica:
    """A replica of this agent; NotFound otherwise."""
    try:
        wanted = uuid.UUID(str(replica_id))
    except ValueError:
        raise NotFound("There is no such replica.") from None
    replica = (
        Replica.objects.filter(pk=wanted, agent=agent)
        .select_related("saga", "instance", "pool", "agent", "client")
        .first()
    )
    if replica is None:
        raise NotFound("There is no such replica.")
    return replica


def create(
    *,
    agent: Agent,
    trigger: Saga.Trigger,
    reason: str,
    clock: Clock,
    pool: Pool | None = None,
    mode: str = "",
    keep_alive: bool = False,
    command: Command | None = None,
) -> Replica | None:
    """Ask for a standby and launch it now. None if nothing could be launched yet; it is tried further.

    Raises `sagas.AlreadyMoving` while there is another.
    """
    saga = sagas.begin(
        agent=agent,
        trigger=trigger,
        goal=Saga.Goal.STANDBY,
        reason=reason,
        now=clock(),
        wanted_pool=pool,
        wanted_mode=mode,
        keep_alive=keep_alive,
        command_id=command.pk if command else None,
        retire_old=trigger == Saga.Trigger.MANUAL or agent.auto_terminate_enabled,
    )
    sagas.settle(saga, clock=clock)
    return saga.replicas.order_by("created_at").last()


def promote(*, replica: Replica, quiesced: bool, clock: Clock) -> Saga:
    """Make this replica the primary. Raises NotReady or Gone.

    With `quiesced` the workload has been quiesced already (an agent that steers a switch); otherwise the
    agent's own `quiesce_seconds` are granted, and the answer comes back before the promotion.
    """
    saga = replica.saga
    if replica.status in (Status.PROMOTED, Status.TERMINATING, Status.TERMINATED, Status.FAILED):
        raise Gone("This replica has been promoted or is gone.")
    if replica.status not in (Status.READY, Status.PROMOTING):
        raise NotReady("This replica is not ready yet.")
    now = clock()
    sagas.escalate(
        saga,
        trigger=Saga.Trigger(saga.trigger),
        reason=saga.reason,
        now=now,
        quiesce_until=now if quiesced else None,
    )
    saga = sagas.settle(saga, clock=clock)
    if saga.status in (*Saga.ENDED_WITHOUT, Saga.Status.ABANDONING):
        raise Gone("This replica has just been given up.")
    return saga


def delete(*, replica: Replica, reason: str, clock: Clock) -> None:
    """Terminate a standby: its saga ends; the termination is retried until EC2 confirms. Idempotent.

    Raises Gone for one that has become the primary. One that had ended before leaves its saga alone:
    another may stand in its place by now.
    """
    if replica.status in Replica.LIVE:
        abandon(replica.saga, reason=reason, now=clock())
        sagas.settle(replica.saga, clock=clock)
        replica.refresh_from_db()
    if replica.status in (Status.PROMOTED, Status.PROMOTING):
        raise Gone("This replica is the primary now.")


def abandon(saga: Saga, *, reason: str, now: datetime) -> bool:
    """The saga is not wanted any more. False if it has promoted, or ended, before."""
    abandoned = Saga.objects.filter(
        pk=saga.pk, status__in=(Saga.Status.PREPARING, Saga.Status.STANDING, Saga.Status.QUIESCING)
    ).update(
        status=Saga.Status.ABANDONING,
        failure=reason[:300],
        lease_owner=None,
        lease_until=None,
        due_at=now,
        pokes=F("pokes") + 1,
    )
    return bool(abandoned)
