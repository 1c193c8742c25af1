"""The preparing step: choose a pool, write the intent, launch, adopt; on a refusal, the next pool.

The intent, with its ClientToken, is committed before EC2 is asked. Whoever finds it open asks again with
the same token and gets the same machine, so a crash or a lost answer never launches twice.
"""

import logging
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents import instances
from agents.models import Instance, Mode
from clients import connection, feed, tokens
from pricing import zones
from pricing.models import Pool
from replicas import (
    caps,
    journal,
    lifecycle,
    obstacles,
    quarantine,
    recipes,
    sagas,
    sef,
    sef_policy,
    situation,
    standby_budget,
    standby_mode,
    tags,
    userdata,
)
from replicas.leases import Lease
from replicas.models import Replica, Saga, Step
from replicas.sagas import Again, Wait
from spotopt.cloud import compute, errors, session
from spotopt.cloud.compute import LaunchSpec, Machine
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

# How long a machine may take from launch to a registered, synced agent.
EMERGENCY_PATIENCE = timedelta(minutes=3)
PATIENCE = timedelta(minutes=10)
# All pools have just refused: ask again soon while it burns, later when it drags on.
ASK_AGAIN = timedelta(seconds=3)
MAX_PERMANENT_REFUSALS = 3

REPLICA_TYPES = {
    Saga.Trigger.PLANNED: Replica.Type.SWITCH,
    Saga.Trigger.REBALANCE: Replica.Type.AUTOMATIC,
    Saga.Trigger.EMERGENCY: Replica.Type.EMERGENCY,
    Saga.Trigger.MANUAL: Replica.Type.MANUAL,
}


def prepare(lease: Lease) -> Wait | Again:
    """One step towards a ready replica. What keeps us out of the account ends the saga; people are told."""
    try:
        return _prepare(lease)
    except Refused as error:
        return fail(lease, error.message)
    except (errors.ThrottleError, errors.UnreachableError):
        # Not the launch, whose answers are sorted below: who we are, or what the zones are called.
        return Wait(lease.clock() + ASK_AGAIN * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    except errors.CloudError as error:
        return fail(lease, f"AWS does not let us into the account: {error.code}")


def _prepare(lease: Lease) -> Wait | Again:
    saga = lease.saga
    now = lease.clock()
    replica = sagas.live_replica(saga)
    if replica is None:
        return _intend(lease, None)
    if replica.status == Replica.Status.READY:
        return sagas.move_on(lease, Saga.Status.STANDING)
    if replica.instance is None:
        step = _open_launch(saga, replica)
        return _intend(lease, replica) if step is None else _launch(lease, replica, step)
    if replica.give_up_at is not None and now >= replica.give_up_at:
        lifecycle.give_up(replica=replica, why="it did not become ready in time", now=now)
        return Again()
    return Wait(replica.give_up_at)


def _open_launch(saga: Saga, replica: Replica) -> Step | None:
    return (
        saga.steps.filter(
            replica=replica,
            name="launch",
            outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN),
        )
        .select_related("pool")
        .first()
    )


def _intend(lease: Lease, replica: Replica | None) -> Wait | Again:
    """Choose, and commit the intent: a new row, or the next attempt of the one that was refused."""
    saga, now = lease.saga, lease.clock()
    emergency = saga.trigger == Saga.Trigger.EMERGENCY
    if replica is None and (cap := caps.reached(agent=saga.agent, emergency=emergency, now=now)):
        return fail(lease, cap)
    if replica is None and saga.goal == Saga.Goal.STANDBY and saga.replicas.exists():
        # Another in place of one that was lost: churn is bounded.
        spent = standby_budget.spent(saga.agent, now=now)
        if spent and saga.trigger == Saga.Trigger.REBALANCE:
            return fail(lease, spent)
    if len(_refusals(saga, "permanent")) >= MAX_PERMANENT_REFUSALS:
        return fail(lease, f"EC2 refuses for good: {_refusals(saga, 'permanent')[-1]}")
    old_pool = _present_pool(saga)
    seen = situation.look(saga=saga, pool=old_pool, failing_az=old_pool.az_id, now=now)
    spot_quota = _refused_lately(saga, "quota", Mode.SPOT, now)
    on_demand_quota = _refused_lately(saga, "quota", Mode.ON_DEMAND, now)
    if spot_quota and on_demand_quota:
        return fail(lease, f"the account's quota is used up, on demand too: {on_demand_quota}")
    # What was asked for binds a standby; an emergency takes what it gets.
    only_on_demand = saga.goal == Saga.Goal.STANDBY and saga.wanted_mode == Mode.ON_DEMAND
    seen = replace(
        seen,
        spot_allowed=not spot_quota and not only_on_demand,
        # A standby that nobody needs at once may wait for spot capacity.
        on_demand_allowed=(not on_demand_quota and saga.goal == Saga.Goal.PROMOTE)
        or only_on_demand
        or (not on_demand_quota and standby_mode.may_fall_back(saga)),
    )
    choice = sef_policy.choose(seen)
    if choice is None and saga.goal == Saga.Goal.PROMOTE:
        choice = sef_policy.choose(sef_policy.without_quarantine(seen))
    if _elsewhere(saga, choice):
        return fail(lease, f"{saga.wanted_pool_id} was named for this move, and refuses at present")
    if choice is None:
        return Wait(now + ASK_AGAIN * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    with transaction.atomic():
        # Inside: whoever abandons the saga at this moment waits, and then finds what is written here.
        lease.renew()
        if replica is None:
            replica = Replica.objects.create(
                client_id=saga.client_id,
                agent_id=saga.agent_id,
                saga=saga,
                replica_type=REPLICA_TYPES[Saga.Trigger(saga.trigger)],
                mode=choice.mode,
                pool_id=choice.pool_id,
                created_at=now,
            )
            attempt = journal.next_attempt(saga, "launch")
        else:
            attempt = journal.next_attempt(saga, "launch")
            lifecycle.retarget(
                replica=replica, pool_id=choice.pool_id, mode=choice.mode, attempt=attempt
            )
        Step.objects.create(
            saga=saga,
            replica=replica,
            name="launch",
            attempt=attempt,
            key=journal.client_token(
                saga=saga, attempt=attempt, pool_id=choice.pool_id, mode=choice.mode
            ),
            pool_id=choice.pool_id,
            mode=choice.mode,
            started_at=now,
            detail={
                "terms": choice.terms,
                "passed_over": choice.passed_over,
                "spec": recipes.where(saga),
            },
        )
    return Again()


def _elsewhere(saga: Saga, choice: sef_policy.Choice | None) -> bool:
    """A planned move goes where it was ordered to go, or not at all; once it is an emergency, anywhere."""
    planned = saga.trigger == Saga.Trigger.PLANNED and saga.goal == Saga.Goal.STANDBY
    if not planned or saga.wanted_pool_id is None:
        return False
    return choice is None or choice.pool_id != saga.wanted_pool_id


def _launch(lease: Lease, replica: Replica, step: Step) -> Wait | Again:
    saga = lease.saga
    if step.pool is None:
        raise ValueError("a launch step has a pool")
    account = connection.account_for(saga.client)
    spec = _spec(replica, step, step.pool, session.account_number(account))
    lease.renew()
    try:
        machine = compute.launch(account, step.pool.region, spec=spec, client_token=step.key)
    except errors.UnreachableError as error:
        # It may have been launched. The same token asks again; another pool would risk a second one.
        journal.end(step, Step.Outcome.UNKNOWN, now=lease.clock(), error=error.code)
        return Wait(lease.clock() + timedelta(milliseconds=random.randint(200, 600)))  # noqa: S311
    except errors.ThrottleError as error:
        journal.end(step, Step.Outcome.INTENDED, now=lease.clock(), throttled=error.code)
        return Wait(lease.clock() + timedelta(milliseconds=random.randint(100, 900)))  # noqa: S311
    except errors.CloudError as error:
        return _refused(lease, step, error)
    adopt(replica=replica, step=step, machine=machine, now=lease.clock())
    return Again()


def _refused(lease: Lease, step: Step, error: errors.CloudError) -> Wait | Again:
    now = lease.clock()
    kind = "permanent"
    if isinstance(error, errors.CapacityError):
        kind = "capacity"
        quarantine.strike(pool_id=step.pool_id or "", mode=step.mode, code=error.code, now=now)
    elif isinstance(error, errors.QuotaError):
        kind = "quota"
    elif error.code == "IdempotentParameterMismatch":
        # The client's settings changed between two tries with one token: what the first launched is ours.
        found = _tagged(lease, step)
        if found is not None and step.replica is not None:
            adopt(replica=step.replica, step=step, machine=found, now=now)
            return Again()
        kind = "mismatch"
    log.warning("launch in %s refused: %s", step.pool_id, error.code)
    journal.end(step, Step.Outcome.REFUSED, now=now, error=error.code, kind=kind)
    feed.record(
        client_id=lease.saga.client_id,
        agent_id=lease.saga.agent_id,
        event_type="launch_refused",
        severity="warning",
        message=f"{step.pool_id} refused a {step.mode} launch: {error.code}",
        now=now,
    )
    return Again()


def _tagged(lease: Lease, step: Step) -> Machine | None:
    if step.pool is None:
        return None
    account = connection.account_for(lease.saga.client)
    lease.renew()
    try:
        found = compute.find_tagged(
            account, step.pool.region, tags={tags.REPLICA: str(step.replica_id)}
        )
    except errors.CloudError:
        return None
    return next((machine for machine in found if not machine.gone), None)


def adopt(*, replica: Replica, step: Step | None, machine: Machine, now: datetime) -> None:
    """EC2 has answered with a machine: its row, the replica's and the journal's in one transaction."""
    patience = EMERGENCY_PATIENCE if replica.replica_type == Replica.Type.EMERGENCY else PATIENCE
    with transaction.atomic():
        instance = instances.record_launch(
            agent=replica.agent,
            instance_id=machine.instance_id,
            pool=replica.pool,
            mode=replica.mode,
            az_name=machine.az_name,
            private_ip=machine.private_ip,
            launched_at=machine.launched_at,
            now=now,
        )
        _note_origin(instance, replica=replica, image_id=machine.image_id)
        lifecycle.launched(replica=replica, instance=instance, give_up_at=now + patience, now=now)
        if step is not None:
            journal.end(step, Step.Outcome.DONE, now=now, instance_id=machine.instance_id)
            quarantine.lift(pool_id=replica.pool_id, mode=replica.mode)
        sef.launched(replica, now=now)
        feed.publish(client_id=replica.client_id, kind="replica", id=str(replica.pk))


def adopt_registered(
    *, replica: Replica, step: Step | None, instance: Instance, now: datetime
) -> None:
    """The machine has enrolled before the answer to its launch was written down: it is the one."""
    with transaction.atomic():
        image_id = str(step.detail.get("spec", {}).get("image_id", "")) if step else ""
        _note_origin(instance, replica=replica, image_id=image_id)
        lifecycle.launched(replica=replica, instance=instance, give_up_at=now + PATIENCE, now=now)
        if step is not None:
            journal.end(step, Step.Outcome.DONE, now=now, instance_id=instance.instance_id)
        sef.launched(replica, now=now)


def _note_origin(instance: Instance, *, replica: Replica, image_id: str) -> None:
    """So that the next machine, in place of this one, is launched alike."""
    instances.note_ec2(instance, image_id=image_id, ours=True)
    old = replica.saga.old_instance
    if old is not None and old.launch_facts:
        alike = {k: v for k, v in old.launch_facts.items() if k not in obstacles.OWN}
        instances.note_launch_facts(instance, alike)


def fail(lease: Lease, why: str) -> Again:
    """End the saga without a machine; a person is told."""
    saga, now = lease.saga, lease.clock()
    replica = sagas.live_replica(saga)
    if replica is not None:
        lifecycle.give_up(replica=replica, why=why, now=now)
    sagas.move_on(lease, Saga.Status.FAILED, failure=why[:300], ended_at=now)
    sef.failed(saga, why=why, now=now)
    feed.record(
        client_id=saga.client_id,
        agent_id=saga.agent_id,
        event_type="launch_failed",
        severity="critical" if saga.goal == Saga.Goal.PROMOTE else "warning",
        message=f"No machine for agent {saga.agent} ({saga.trigger}): {why}"[:500],
        now=now,
    )
    log.error("saga %s failed: %s", saga.pk, why)
    return Again()


def _refusals(saga: Saga, kind: str) -> list[str]:
    rows = saga.steps.filter(name="launch", outcome=Step.Outcome.REFUSED, detail__kind=kind)
    return [str(detail.get("error", "")) for detail in rows.values_list("detail", flat=True)]


def _refused_lately(saga: Saga, kind: str, mode: str, now: datetime) -> str:
    row = saga.steps.filter(
        name="launch",
        outcome=Step.Outcome.REFUSED,
        detail__kind=kind,
        mode=mode,
        ended_at__gt=now - sef_policy.REFUSAL_FORGOTTEN,
    ).last()
    return str(row.detail.get("error", "")) if row else ""


def _present_pool(saga: Saga) -> Pool:
    if saga.old_instance is not None:
        return saga.old_instance.pool
    if saga.wanted_pool is not None:
        return saga.wanted_pool
    raise ValueError("a saga starts from an instance or towards a pool")


def _spec(replica: Replica, step: Step, pool: Pool, account_number: str) -> LaunchSpec:
    chosen: dict[str, Any] = step.detail["spec"]
    if not chosen["launch_template"] and not chosen["image_id"]:
        raise NothingToLaunch(
            "There is no image to launch: name a launch template or an image for the client."
        )
    az_name = zones.az_name_of(account_number, pool.az_id)
    if az_name is None:
        raise NothingToLaunch(f"The account has no name for zone {pool.az_id}.")
    client = replica.client
    token = tokens.issue_enrolment(
        client=client,
        agent_id=replica.agent_id,
        replica_id=replica.pk,
        attempt=step.attempt,
        now=step.started_at,
    )
    return LaunchSpec(
        instance_type=pool.instance_type,
        mode=step.mode,
        az_name=az_name,
        image_id=chosen["image_id"],
        launch_template=chosen["launch_template"],
        user_data=userdata.render(replica=replica, token=token, client_script=chosen["script"]),
        tags=tags.for_replica(replica) | recipes.carried_tags(chosen, replica),
        **recipes.likeness(chosen, client=client, pool=pool),
    )


class NothingToLaunch(Refused):
    """The client's settings do not say what to launch, or where."""

    status = 409
