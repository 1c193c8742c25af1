"""A ready replica: it stands until it is wanted; then the workload may quiesce first, within bounds."""

from datetime import datetime, timedelta

from agents import commands
from agents.models import Command, Instance
from replicas import journal, sagas
from replicas.leases import Lease
from replicas.models import Replica, Saga, Step
from replicas.sagas import Again, Wait
from replicas.standby_policy import RESERVE


def quiesce_end(*, seconds: int, machine_ends_at: datetime | None, now: datetime) -> datetime:
    """When a quiesce of `seconds` that begins now is over: in time to promote before the machine ends."""
    until = now + timedelta(seconds=seconds)
    if machine_ends_at is None:
        return until
    return max(now, min(until, machine_ends_at - RESERVE))


def stand(lease: Lease) -> Wait | Again:
    """Keep the standby, or begin to promote it."""
    saga, now = lease.saga, lease.clock()
    replica = sagas.live_replica(saga)
    if replica is None or replica.status != Replica.Status.READY:
        # A machine at risk still wants one: it is let go of when the risk has passed, not before.
        at_risk = saga.trigger == Saga.Trigger.REBALANCE
        if saga.goal == Saga.Goal.PROMOTE or saga.keep_alive or at_risk:
            return sagas.move_on(lease, Saga.Status.PREPARING)
        return sagas.move_on(lease, Saga.Status.ABANDONING, failure="its replica was lost")
    if saga.goal == Saga.Goal.STANDBY:
        return Wait()
    if saga.quiesce_until is not None:
        journal.intend(saga, "quiesce", now=now)
        return sagas.move_on(lease, Saga.Status.QUIESCING)
    seconds = saga.agent.quiesce_seconds
    old = saga.old_instance
    if seconds == 0 or old is None or old.terminated_at is not None:
        return sagas.move_on(lease, Saga.Status.PROMOTING)
    until = quiesce_end(seconds=seconds, machine_ends_at=saga.deadline, now=now)
    journal.intend(saga, "quiesce", now=now, detail={"asked": str(old)})
    _ask_to_quiesce(saga, old, lease=lease)
    return sagas.move_on(lease, Saga.Status.QUIESCING, quiesce_until=until)


def quiesce(lease: Lease) -> Wait | Again:
    """Wait for the agent's word, which ends the waiting, or for the end of its time."""
    saga, now = lease.saga, lease.clock()
    if saga.quiesce_until is None or now >= saga.quiesce_until:
        journal.end(journal.intend(saga, "quiesce", now=now), Step.Outcome.DONE, now=now)
        return sagas.move_on(lease, Saga.Status.PROMOTING)
    return Wait(saga.quiesce_until)


def _ask_to_quiesce(saga: Saga, old: Instance, *, lease: Lease) -> None:
    now = lease.clock()
    commands.issue(
        agent=saga.agent,
        instance=old,
        command_type=Command.Type.RUN_SYNC,
        priority=Command.Priority.EMERGENCY,
        parameters={"quiesce": True},
        dedupe_key=f"quiesce:{saga.pk}",
        now=now,
        lifetime=timedelta(minutes=5),
    )
