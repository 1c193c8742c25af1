"""What people and agents ask of replicas, and who may ask it."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from agents import access, commands
from agents import instances as machines
from agents.models import Agent, Command, Instance, Mode
from clients import connection
from clients.auth import Caller
from pricing import pools
from pricing.models import Pool
from replicas import lifecycle, sagas
from replicas.leases import Clock
from replicas.models import Replica, Saga
from spotopt.lib.errors import BadInput, Conflict, Forbidden, NotFound

SWITCH_LIFETIME = timedelta(minutes=30)


class NothingYet(Conflict):
    """No pool gave a machine; the request is withdrawn, so that it can be made again."""


def ask(*, caller: Caller, agent: Agent, wish: Mapping[str, Any], clock: Clock) -> Replica:
    """Endpoint 10. An agent's own token may ask for the switch it was ordered, and for nothing else."""
    if agent.status == Agent.Status.TERMINATED:
        raise Conflict("This agent is no longer managed.")
    if machines.primary_of(agent) is None:
        raise Conflict("This agent has no primary machine to stand by for.")
    command = _ordered_switch(caller, agent, wish, clock())
    if wish["replica_type"] == "switch" and command is None:
        raise BadInput.field("replica_type", "no open switch command asks for this replica")
    pool = _pool(agent, wish["pool_id"]) if wish["pool_id"] else None
    mode = wish["mode"]
    if command is not None:
        # What was ordered counts, not what is asked for.
        pool = _pool(agent, str(command.parameters["target_pool_id"]))
        mode = str(command.parameters.get("target_mode", Mode.SPOT))
        already = _replica_of(command)
        if already is not None:
            return already
    connection.account_for(agent.client)
    replica = lifecycle.create(
        agent=agent,
        trigger=Saga.Trigger.PLANNED if command else Saga.Trigger.MANUAL,
        reason=str(command.parameters.get("reason", "switch")) if command else "asked for",
        pool=pool,
        mode=mode,
        keep_alive=wish["keep_alive"],
        command=command,
        clock=clock,
    )
    if replica is None or replica.instance is None:
        saga = Saga.objects.filter(agent=agent).order_by("-created_at")[0]
        # Whatever may still come of it is ended as it comes: a refused request leaves nothing behind.
        if lifecycle.abandon(saga, reason="no pool answered", now=clock()):
            saga = sagas.settle(saga, clock=clock)
        raise NothingYet(f"No standby could be launched: {saga.failure or 'no pool answered'}.")
    return replica


def _ordered_switch(
    caller: Caller, agent: Agent, wish: Mapping[str, Any], now: datetime
) -> Command | None:
    if caller.kind != "agent" and wish["replica_type"] != "switch":
        return None
    rows = Command.objects.filter(
        agent=agent,
        command_type=Command.Type.SWITCH,
        status__in=Command.OPEN,
        expires_at__gt=now,
    )
    if wish["command_id"]:
        rows = rows.filter(pk=wish["command_id"])
    command = rows.first()
    if caller.kind == "agent" and command is None:
        raise Forbidden("A machine may ask for a replica only for a switch that it was ordered.")
    return command


def _replica_of(command: Command) -> Replica | None:
    """The replica that this switch has got already: the answer may have been lost."""
    return (
        Replica.objects.filter(saga__command_id=command.pk, status__in=Replica.LIVE)
        .select_related("instance", "saga")
        .first()
    )


def check_steering(caller: Caller, agent: Agent, replica: Replica) -> None:
    """An agent's token promotes and deletes the replica of its own ordered switch alone."""
    if caller.kind != "agent":
        return
    if replica.saga.command_id is None:
        raise Forbidden("A machine may steer only the switch that it was ordered.")


def check_own(caller: Caller, replica: Replica) -> None:
    """Endpoint 14: a machine's token speaks for the replica on its machine, or for the one it feeds."""
    if caller.kind != "agent" or replica.instance is None:
        return
    mine = {replica.instance.instance_id}
    if replica.saga.old_instance is not None:
        mine.add(replica.saga.old_instance.instance_id)
    if caller.instance_id not in mine:
        raise Forbidden("This token belongs to another machine.")


def synced(
    *, replica: Replica, status: str, at: datetime | None, lag: float | None, clock: Clock
) -> None:
    """Record a sync report, and let the saga go on if it waited for this."""
    lifecycle.synced(replica=replica, status=status, at=at, lag=lag, now=clock())
    sagas.run(replica.saga_id, clock=clock)


def termination_accepted(saga: Saga, instance: Instance | None) -> bool:
    """Whether EC2 has accepted to end this machine, or never had it."""
    if instance is None:
        return True
    instance.refresh_from_db()
    if instance.terminated_at is not None:
        return True
    return (
        saga.steps.filter(name="retire", detail__instance_id=instance.instance_id)
        .exclude(detail__has_key="error")
        .exists()
    )


class SwitchSerializer(serializers.Serializer[Any]):
    """Endpoint 26."""

    target_pool_id = serializers.CharField(max_length=80)
    target_mode = serializers.ChoiceField(choices=Mode.choices, default=Mode.SPOT)
    reason = serializers.CharField(max_length=200, default="manual")


def force_switch(
    *,
    caller: Caller,
    instance_id: str,
    client_id: str | None,
    body: Any,
    now: datetime,
) -> Command:
    """Order the slot's primary to move to the named pool, bypassing the decision engine."""
    access.require_kind(caller, access.PEOPLE)
    form = SwitchSerializer(data=body)
    instance = find_instance(caller, instance_id, client_id)
    agent = access.agent_for(caller, instance.agent_id, write=True, kinds=access.PEOPLE)
    form.is_valid(raise_exception=True)
    data = form.validated_data
    if instance.role != Instance.Role.PRIMARY:
        raise Conflict(f"{instance_id} is not the primary of its agent.")
    pool = _pool(agent, data["target_pool_id"], field="target_pool_id")
    if pool.pk == instance.pool_id and data["target_mode"] == instance.mode:
        raise BadInput.field("target_pool_id", "the machine is in this pool already")
    if sagas.active_of(agent) is not None:
        raise sagas.AlreadyMoving("This agent already has a replica, or one on its way.")
    return commands.issue(
        agent=agent,
        instance=instance,
        command_type=Command.Type.SWITCH,
        priority=Command.Priority.MANUAL,
        parameters={
            "target_pool_id": pool.pk,
            "target_mode": data["target_mode"],
            "reason": data["reason"],
        },
        now=now,
        lifetime=SWITCH_LIFETIME,
    )


def find_instance(caller: Caller, instance_id: str, client_id: str | None) -> Instance:
    """A machine by EC2's id, among those this caller sees; `client_id` where two clients have it."""
    rows = Instance.objects.filter(instance_id=instance_id).select_related("agent", "pool")
    if client_id:
        try:
            rows = rows.filter(client_id=uuid.UUID(client_id))
        except ValueError:
            raise BadInput.field("client_id", "not an id") from None
    seen = [row for row in rows[:50] if caller.sees(row.client_id)]
    if not seen:
        raise NotFound("There is no such instance.")
    if len(seen) > 1:
        raise BadInput.field("client_id", "several clients have this instance: say whose")
    return seen[0]


def _pool(agent: Agent, text: str, *, field: str = "pool_id") -> Pool:
    """The pool of this id, in the agent's own region."""
    primary = machines.primary_of(agent)
    try:
        instance_type, az_id, product = pools.parse(text)
        region = pools.region_of(az_id)
    except BadInput as error:
        raise BadInput.field(field, error.message.removeprefix("pool_id: ")) from error
    if primary is not None:
        if region != primary.region:
            raise BadInput.field(field, f"this pool is in {region}, the agent in {primary.region}")
        if instance_type not in (primary.instance_type, *agent.client.allowed_types):
            raise BadInput.field(field, f"{instance_type} is not among the client's allowed types")
    return pools.ensure(instance_type=instance_type, az_id=az_id, region=region, product=product)
