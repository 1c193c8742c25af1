"""The end of a machine: asked for in a row first, then of EC2, again and again until EC2 confirms."""

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from agents import instances as machines
from agents.models import Instance
from clients import connection, feed
from clients.models import Client
from replicas import journal, leases, lifecycle, obstacles, routes, sagas, tags
from replicas.leases import Clock, Lease
from replicas.models import Replica, Saga, Step
from replicas.sagas import Again, Wait
from spotopt.cloud import compute, errors
from spotopt.cloud.account import Account
from spotopt.cloud.compute import Machine
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=2)
# EC2 lists a fresh launch by its tags within seconds; after this long without one there is none.
NEVER_LAUNCHED = timedelta(minutes=2)
# For so long after a launch "unknown" may mean "not yet visible" (InvalidInstanceID.NotFound).
NOT_YET_VISIBLE = timedelta(minutes=2)


def retire_old(lease: Lease) -> Wait | Again:
    """After promotion: traffic away from the old machine, then its termination, where that is ours to do."""
    saga, now = lease.saga, lease.clock()
    old = saga.old_instance
    if old is None:
        return _end(lease)
    pending = routes.follow_up(lease)
    if old.terminated_at is None:
        # Where there is time, the old target goes once the new one serves.
        if saga.trigger != Saga.Trigger.EMERGENCY:
            unhealthy = routes.not_yet_healthy(lease)
            if unhealthy is not None:
                return Wait(min(filter(None, (unhealthy, pending))))
        left = routes.away_from(lease, old)
        if not left and not (saga.retire_old and old.ours):
            return Wait(now + LOOK_AGAIN)
        if not saga.retire_old:
            return _leave_running(lease, old, "automatic termination is off for this agent")
        if not old.ours:
            return _leave_running(lease, old, "it is not tagged as ours to terminate")
        if saga.trigger == Saga.Trigger.PLANNED and saga.promoted_at is not None:
            due = saga.promoted_at + timedelta(seconds=saga.agent.terminate_wait_seconds)
            if now < due:
                return Wait(min(filter(None, (due, pending))))
        lease.renew()
        if why := obstacles.clear(connection.account_for(saga.client), old):
            machines.retire_withdrawn(old)
            return _leave_running(lease, old, why)
        if not _terminate(lease, old):
            if not old.ours:
                return _leave_running(lease, old, "its termination protection is on")
            return Wait(now + LOOK_AGAIN)
    _close_step(lease, old)
    # Its end waits for no load balancer; the saga's does.
    if not routes.has_left(lease, old):
        return Wait(now + LOOK_AGAIN)
    return _end(lease)


def abandon(lease: Lease) -> Wait | Again:
    """A standby nobody wants: its machine goes, also one whose launch was never answered."""
    saga, now = lease.saga, lease.clock()
    for replica in saga.replicas.filter(status__in=Replica.LIVE):
        lifecycle.give_up(replica=replica, why="", now=now)
    settled = [
        settle(lease, replica)
        for replica in saga.replicas.filter(status=Replica.Status.TERMINATING).select_related(
            "instance", "agent", "pool", "client"
        )
    ]
    if all(settled):
        # The sweep may have seen the machine's end before us.
        for gone in Instance.objects.filter(replica__saga=saga).exclude(terminated_at=None):
            _close_step(lease, gone)
        return sagas.move_on(lease, Saga.Status.ABANDONED, ended_at=lease.clock())
    return Wait(lease.clock() + LOOK_AGAIN)


def settle(lease: Lease, replica: Replica) -> bool:
    """Bring a terminating replica to its end; True once EC2 confirms, or there never was a machine."""
    now = lease.clock()
    if replica.instance is None:
        step = _open_launch(replica)
        if step is not None and not _found_late(lease, replica, step):
            if now - step.started_at < NEVER_LAUNCHED:
                return False
            journal.end(step, Step.Outcome.REFUSED, now=now, error="never launched")
        replica.refresh_from_db()
        if replica.instance is None:
            lifecycle.gone(replica=replica, now=now)
            return True
    if not _terminate(lease, replica.instance):
        if replica.instance.ours:
            return False
        # Protected, by its template: nothing that we do ends it.
        _left(replica.instance, "its termination protection is on", now=lease.clock())
    lifecycle.gone(replica=replica, now=lease.clock())
    return True


def _found_late(lease: Lease, replica: Replica, step: Step) -> bool:
    from replicas import launching

    account = connection.account_for(replica.client)
    lease.renew()
    try:
        found = compute.find_tagged(
            account, replica.pool.region, tags={tags.REPLICA: str(replica.pk)}
        )
    except errors.CloudError as error:
        log.warning("cannot look for the machine of replica %s: %s", replica.pk, error.code)
        return False
    for machine in found:
        launching.adopt(replica=replica, step=step, machine=machine, now=lease.clock())
        return True
    return False


def _terminate(lease: Lease, instance: Instance) -> bool:
    """Ask, and look; True once EC2 says terminated, or knows it no more."""
    now = lease.clock()
    machines.retire_asked(instance, now=now)
    instance.refresh_from_db()
    if instance.terminated_at is not None:
        _close_step(lease, instance)
        return True
    account = connection.account_for(lease.saga.client)
    lease.renew()
    step = journal.intend(
        lease.saga, "retire", now=now, detail={"instance_id": instance.instance_id}
    )
    obstacles.note_volumes(account, instance, now=now)
    try:
        compute.terminate(account, instance.region, [instance.instance_id])
        found = compute.describe(account, instance.region, [instance.instance_id])
    except errors.CloudError as error:
        log.warning("retiring %s: %s", instance.instance_id, error.code)
        if error.code == obstacles.PROTECTED:
            machines.retire_withdrawn(instance)
            journal.end(step, Step.Outcome.REFUSED, now=lease.clock(), error=error.code)
            return False
        journal.end(step, Step.Outcome.UNKNOWN, now=lease.clock(), error=error.code)
        return False
    if not really_gone(instance, found.get(instance.instance_id), now=now):
        return False
    machines.confirm_gone(instance, now=lease.clock())
    _close_step(lease, instance)
    return True


def _close_step(lease: Lease, instance: Instance) -> None:
    """EC2 has confirmed, to us or to whoever asked for us."""
    for step in lease.saga.steps.filter(
        name="retire",
        detail__instance_id=instance.instance_id,
        outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN),
    ):
        journal.end(step, Step.Outcome.DONE, now=lease.clock())


def _leave_running(lease: Lease, old: Instance, why: str) -> Wait | Again:
    saga = lease.saga
    if not journal.done_already(saga, "left"):
        feed.record(
            client_id=saga.client_id,
            agent_id=saga.agent_id,
            event_type="old_machine_left_running",
            severity="warning",
            message=f"{old.instance_id} was left running, and bills: {why}",
            now=lease.clock(),
        )
        left = journal.intend(saga, "left", now=lease.clock(), detail={"why": why})
        journal.end(left, Step.Outcome.DONE, now=lease.clock())
    return _end(lease)


def _end(lease: Lease) -> Wait | Again:
    """Nothing is left of the old machine; of the new one's traffic there may be."""
    due = [moment for moment in (routes.follow_up(lease), routes.not_yet_healthy(lease)) if moment]
    if due:
        return Wait(min(due))
    return sagas.move_on(lease, Saga.Status.DONE, ended_at=lease.clock())


def sweep(*, clock: Clock, client: Client | None = None) -> int:
    """Machines asked to go that EC2 has not confirmed, whatever became of their sagas; how many are left.

    Everybody's, or one client's.
    """
    waiting = (
        Instance.objects.billing().exclude(retire_asked_at=None).select_related("client", "replica")
    )
    if client is not None:
        waiting = waiting.filter(client=client)
    groups: dict[tuple[Client, str], list[Instance]] = defaultdict(list)
    for instance in waiting:
        groups[instance.client, instance.region].append(instance)
    left = 0
    for (owner, region), instances in groups.items():
        left += _sweep_region(owner, region, instances, now=clock())
    _close_rows(now=clock())
    return left


def _close_rows(*, now: datetime) -> None:
    """Replicas whose machine is known to be gone, or that never had one: nothing else will end their rows."""
    rows = Replica.objects.filter(status=Replica.Status.TERMINATING).exclude(
        saga__status=Saga.Status.ABANDONING
    )
    for replica in rows.filter(instance__terminated_at__isnull=False):
        lifecycle.gone(replica=replica, now=now)
    for replica in rows.filter(instance=None):
        step = _open_launch(replica)
        # One that was launched after all is found by its tags, and adopted, before that.
        if step is None or now - step.started_at >= NEVER_LAUNCHED:
            lifecycle.gone(replica=replica, now=now)


def _open_launch(replica: Replica) -> Step | None:
    return replica.steps.filter(
        name="launch", outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
    ).first()


def really_gone(instance: Instance, machine: Machine | None, *, now: datetime) -> bool:
    """Whether EC2's answer means that it bills no more. A fresh launch is unknown to EC2 for a while."""
    if machine is not None:
        return machine.state == "terminated"
    return instance.launched_at is None or now - instance.launched_at > NOT_YET_VISIBLE


def _going(machine: Machine | None) -> bool:
    return machine is not None and machine.gone


def _end_all(account: Account, region: str, instances: list[Instance], *, now: datetime) -> None:
    """One call for all of them; EC2 refuses it whole for the sake of one that is protected."""
    free = []
    for instance in instances:
        if why := obstacles.clear(account, instance):
            _left(instance, why, now=now)
            continue
        obstacles.note_volumes(account, instance, now=now)
        free.append(instance)
    if not free:
        return
    try:
        compute.terminate(account, region, [one.instance_id for one in free])
    except errors.PermanentError as error:
        if error.code != obstacles.PROTECTED:
            raise
        if len(free) == 1:
            _left(free[0], "its termination protection is on", now=now)
            return
        for one in free:
            _end_all(account, region, [one], now=now)


def _left(instance: Instance, why: str, *, now: datetime) -> None:
    machines.retire_withdrawn(instance)
    feed.record(
        client_id=instance.client_id,
        agent_id=instance.agent_id,
        event_type="old_machine_left_running",
        severity="warning",
        message=f"{instance.instance_id} was left running, and bills: {why}",
        now=now,
    )


def _sweep_region(client: Client, region: str, instances: list[Instance], *, now: datetime) -> int:
    ids = [instance.instance_id for instance in instances]
    try:
        account = connection.account_for(client)
        found = compute.describe(account, region, ids)
        again = [i for i in instances if not _going(found.get(i.instance_id))]
        _end_all(account, region, again, now=now)
    except (errors.CloudError, Refused) as error:
        log.warning("cannot retire %d machines of %s in %s: %s", len(ids), client.pk, region, error)
        return len(ids)
    left = 0
    for instance in instances:
        if not really_gone(instance, found.get(instance.instance_id), now=now):
            left += 1
            continue
        machines.confirm_gone(instance, now=now)
        replica = Replica.objects.filter(instance=instance).first()
        if replica is not None:
            lifecycle.gone(replica=replica, now=now)
            leases.poke(replica.saga_id, now=now)
    return left
