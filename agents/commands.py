"""What agents are asked to do: the only writer of a command's status.

A command belongs to one machine. It is delivered at least once, the most urgent first, until the machine
reports it executed or its time runs out; reporting it twice has no second effect.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from agents.models import Agent, Command, Instance
from clients import feed
from spotopt.lib.errors import NotFound

LIFETIME = timedelta(hours=1)
# A held request is not answered again at once with what it has just been answered with.
REDELIVER_AFTER = timedelta(seconds=2)
SWEEP = 500
ERROR_LENGTH = 2000


def issue(
    *,
    agent: Agent,
    instance: Instance,
    command_type: Command.Type,
    priority: Command.Priority,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
    dedupe_key: str = "",
    lifetime: timedelta = LIFETIME,
) -> Command:
    """Ask `instance` for something. An open command with the same key is that command, and is returned.

    The key defaults to the type and the machine; a more urgent repetition raises the priority of the first.
    """
    key = dedupe_key or f"{command_type}:{instance.pk}"
    # What has run out no longer stands in the way, though no sweep has come by.
    _open(agent_id=agent.pk, dedupe_key=key, expires_at__lte=now).update(
        status=Command.Status.EXPIRED
    )
    wanted = Command(
        agent=agent,
        instance=instance,
        command_type=command_type,
        priority=priority,
        parameters=dict(parameters or {}),
        dedupe_key=key,
        created_at=now,
        expires_at=now + lifetime,
    )
    command: Command | None = None
    while command is None:
        Command.objects.bulk_create([wanted], ignore_conflicts=True)
        # None: the rival that held the key has just ended, so the key is free again.
        command = (
            Command.objects.filter(pk=wanted.pk).first()
            or _open(agent_id=agent.pk, dedupe_key=key).first()
        )
    if command.priority < priority:
        _open(pk=command.pk).update(priority=priority)
        command.priority = priority
    feed.wake_machine(command.instance_id)
    return command


def waiting(instance: Instance, *, now: datetime) -> bool:
    """Whether anything is open for the machine: one EXISTS."""
    return _open(instance_id=instance.pk, expires_at__gt=now).exists()


def news(now: datetime) -> Q:
    """Open commands that a held request is answered with at once."""
    return Q(status=Command.Status.PENDING, expires_at__gt=now) | Q(
        status=Command.Status.DELIVERED,
        delivered_at__lte=now - REDELIVER_AFTER,
        expires_at__gt=now,
    )


def pending(instance: Instance, *, now: datetime) -> list[Command]:
    """What the machine has to do, the most urgent first, then the oldest; marks it delivered."""
    found = list(
        _open(instance_id=instance.pk, expires_at__gt=now).order_by("-priority", "created_at", "id")
    )
    if found:
        _open(pk__in=[command.pk for command in found]).update(
            status=Command.Status.DELIVERED, delivered_at=now
        )
    return found


def executed(
    *,
    agent: Agent,
    instance: Instance | None,
    command_id: uuid.UUID | str,
    success: bool,
    result: Mapping[str, Any],
    error: str,
    now: datetime,
) -> Command:
    """The machine's report (`instance` None: any machine of the agent). Raises NotFound.

    A report that comes after the time ran out is still kept: it tells what happened.
    """
    mine = Command.objects.filter(agent=agent, pk=command_id)
    if instance is not None:
        mine = mine.filter(instance=instance)
    status = Command.Status.EXECUTED if success else Command.Status.FAILED
    with transaction.atomic():
        reported = mine.filter(status__in=(*Command.OPEN, Command.Status.EXPIRED)).update(
            status=status, executed_at=now, result=dict(result), error=error[:ERROR_LENGTH]
        )
        command = mine.first()
        if command is None:
            raise NotFound("There is no such command for this machine.")
        if reported:
            _tell(command, now)
    return command


def _tell(command: Command, now: datetime) -> None:
    agent = command.agent
    if command.status == Command.Status.FAILED:
        feed.record(
            client_id=agent.client_id,
            agent_id=agent.pk,
            event_type="command_failed",
            severity="warning",
            message=f"Agent {agent} could not {command.command_type}: {command.error or 'no reason given'}"[
                :500
            ],
            now=now,
        )
    else:
        feed.publish(
            client_id=agent.client_id, kind="command", id=str(command.pk), agent_id=agent.pk
        )


def withdraw(*, agent: Agent, command_types: tuple[Command.Type, ...] = ()) -> int:
    """Take back the agent's open commands, of these types or all; returns how many."""
    rows = _open(agent_id=agent.pk)
    if command_types:
        rows = rows.filter(command_type__in=command_types)
    return rows.update(status=Command.Status.EXPIRED)


def close_for(*, old: Instance, new: Instance, seconds: float, now: datetime) -> None:
    """`new` has taken over from `old`: the switch asked for is done, the rest is void.

    `seconds` is the time from the decision to the promotion.
    """
    _open(instance_id=old.pk, command_type=Command.Type.SWITCH).update(
        status=Command.Status.EXECUTED,
        executed_at=now,
        result={"new_instance_id": new.instance_id, "switch_duration_seconds": round(seconds, 3)},
    )
    _open(instance_id=old.pk).update(status=Command.Status.EXPIRED)


def expire(*, now: datetime) -> list[Command]:
    """Close what has run out; returns it. People are told of a switch that nobody carried out."""
    with transaction.atomic():
        late = list(
            _open(expires_at__lte=now)
            .select_related("agent")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("expires_at", "pk")[:SWEEP]
        )
        if late:
            Command.objects.filter(pk__in=[command.pk for command in late]).update(
                status=Command.Status.EXPIRED
            )
        for command in late:
            command.status = Command.Status.EXPIRED
            if command.command_type == Command.Type.SWITCH:
                feed.record(
                    client_id=command.agent.client_id,
                    agent_id=command.agent_id,
                    event_type="command_expired",
                    severity="warning",
                    message=f"Agent {command.agent} did not carry out a switch in time.",
                    now=now,
                )
    return late


def _open(**which: Any) -> models.QuerySet[Command]:
    return Command.objects.filter(status__in=Command.OPEN, **which)
