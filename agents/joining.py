"""Where a machine that has never registered comes to stand: a new slot, a standby's place, a lost one's."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents import commands, configuration_rules, costs, heartbeats, instances
from agents.models import Agent, Instance, Switch
from agents.placement import Place, Seen
from clients import feed
from clients.models import Client
from spotopt.lib.errors import Conflict, NotFound


class LimitReached(Conflict):
    """The client has as many agents as it may have."""

    code = "agent_limit"


class SlotTaken(Conflict):
    """The slot has a primary that is alive."""

    code = "slot_taken"


@dataclass(frozen=True)
class Claim:
    """What a machine says of itself. EC2's own word, where there is one, goes before it."""

    instance_id: str
    instance_type: str
    region: str
    mode: str
    az_name: str = ""
    az_id: str = ""
    private_ip: str | None = None
    agent_version: str = ""
    hooks: Sequence[str] = ()
    logical_agent_id: str = ""
    is_replica: bool = False
    parent_agent_id: uuid.UUID | None = None
    recovery_mode: bool = False
    replacing_agent_id: uuid.UUID | None = None
    rejoin: bool = False


@dataclass(frozen=True)
class Newcomer:
    """A machine at the door; `place` is None only for one that comes back (`released`)."""

    client: Client
    claim: Claim
    machine: Seen | None
    place: Place | None
    released: Instance | None
    now: datetime


def join(newcomer: Newcomer) -> Instance:
    """Give the machine its place, under the lock of its client's row. Raises what `register` raises."""
    client, claim, now = newcomer.client, newcomer.claim, newcomer.now
    if claim.is_replica:
        agent = _slot(client, claim.parent_agent_id, "parent_agent_id")
        instance = _enter(newcomer, agent, Instance.Role.STANDBY)
        tell(agent, "standby_registered", f"{instance} stands by for agent {agent}.", now)
        return instance
    if claim.recovery_mode:
        return _replace(newcomer)
    if claim.logical_agent_id:
        slots = Agent.objects.live().filter(client=client, logical_agent_id=claim.logical_agent_id)
        if slot := slots.select_for_update(no_key=True).first():
            return _take(newcomer, slot)
    if Agent.objects.live().filter(client=client).count() >= client.agent_limit:
        raise LimitReached(f"{client} may have {client.agent_limit} agents, and has them.")
    agent = Agent.objects.create(
        client=client,
        logical_agent_id=claim.logical_agent_id,
        target_savings_percent=client.target_savings_percent,
        max_switches_per_day=client.max_switches_per_day,
    )
    instance = _enter(newcomer, agent, Instance.Role.PRIMARY)
    tell(agent, "agent_registered", f"Agent {agent} joined on {instance}.", now)
    return instance


def _slot(client: Client, agent_id: uuid.UUID | None, field: str) -> Agent:
    rows = Agent.objects.filter(client=client).select_for_update(no_key=True)
    agent = rows.filter(pk=agent_id).first() if agent_id else None
    if agent is None:
        raise NotFound("There is no such agent.", errors={field: ["There is no such agent."]})
    if agent.status == Agent.Status.TERMINATED:
        text = f"Agent {agent} is no longer managed."
        raise Conflict(text, errors={field: [text]})
    return agent


def _replace(newcomer: Newcomer) -> Instance:
    """A new agent in place of one that was lost: linked to it, with its name and its configuration."""
    claim, now = newcomer.claim, newcomer.now
    lost = _slot(newcomer.client, claim.replacing_agent_id, "replacing_agent_id")
    old = instances.primary_of(lost)
    heartbeats.end(agent=lost)
    commands.withdraw(agent=lost)
    if old is not None:
        instances.fence(old, now=now)
    agent = Agent.objects.create(
        client=newcomer.client,
        replaces=lost,
        logical_agent_id=claim.logical_agent_id or lost.logical_agent_id,
        state=lost.state,
        state_at=lost.state_at,
        **{name: getattr(lost, name) for name in configuration_rules.FIELDS},
    )
    instance = _enter(newcomer, agent, Instance.Role.PRIMARY)
    instances.write_switch(
        agent=agent,
        new=instance,
        old=old,
        switch_type=Switch.Type.EMERGENCY,
        reason="replaced by a machine started elsewhere",
        started_at=now,
        prices=costs.at_switch(old=old, new=instance, now=now),
        now=now,
    )
    tell(agent, "agent_replaced", f"{instance} replaces {old or f'agent {lost}'}.", now)
    # What stood by for the lost one is no longer wanted.
    feed.wake_guard()
    return instance


def _take(newcomer: Newcomer, agent: Agent) -> Instance:
    """A logical id outlives instances: the next machine that names it takes the slot if it is vacant."""
    now = newcomer.now
    old = instances.primary_of(agent)
    if old is not None and old.terminated_at is None and agent.status == Agent.Status.ONLINE:
        raise SlotTaken(
            f"{old} serves as {agent}: register with is_replica or recovery_mode, or under another name.",
            errors={"logical_agent_id": [f"{old} serves under this name."]},
        )
    instance = _enter(newcomer, agent, Instance.Role.STANDBY)
    instances.rebind(
        agent=agent,
        new=instance,
        old=old,
        switch_type=Switch.Type.EMERGENCY,
        reason="the slot was vacant",
        started_at=now,
        prices=costs.at_switch(old=old, new=instance, now=now),
        now=now,
        tell=False,
    )
    return instance


def _enter(newcomer: Newcomer, agent: Agent, role: Instance.Role) -> Instance:
    released, place, machine = newcomer.released, newcomer.place, newcomer.machine
    if released is not None:
        released.agent, released.role = agent, role
        released.save(update_fields=["agent", "role"])
        return released
    if place is None:  # the row that was there a moment ago has been deleted
        raise instances.LostRace("This machine's record has just changed; try again.")
    # The record of its launch may be written at this very moment: then that row is it.
    instance, _ = Instance.objects.get_or_create(
        client_id=agent.client_id,
        instance_id=newcomer.claim.instance_id,
        defaults={
            "agent": agent,
            "role": role,
            "mode": machine.mode if machine else newcomer.claim.mode,
            "instance_type": place.pool.instance_type,
            "region": place.pool.region,
            "az_name": place.az_name,
            "az_id": place.pool.az_id,
            "pool": place.pool,
        },
    )
    if instance.agent_id != agent.pk:
        raise Conflict(f"{instance} belongs to another agent.")
    return instance


def tell(agent: Agent, event_type: str, message: str, now: datetime) -> None:
    """A line in the activity feed about a slot that came, changed or went, and a hint to its pages."""
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type=event_type,
        severity="info",
        message=message,
        now=now,
    )
    feed.publish(client_id=agent.client_id, kind="agent", id=str(agent.pk), agent_id=agent.pk)
