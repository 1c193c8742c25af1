"""Which machine stands where in a slot: the only writer of an instance's role, and of switches.

Fencing is a row: the moment another machine is primary, the old one is `superseded` and every call it makes
is refused.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from agents import commands, heartbeats, workload
from agents.models import Agent, Command, Instance, Switch
from clients import feed
from pricing.models import Pool
from spotopt.lib.errors import Conflict


class LostRace(Conflict):
    """The slot is not as the caller saw it: somebody else moved it first."""

    code = "lost_race"


@dataclass(frozen=True)
class Prices:
    """USD per hour at the moment of a switch; None where unknown."""

    old: Decimal | None = None
    new: Decimal | None = None
    on_demand: Decimal | None = None

    def as_columns(self) -> dict[str, Decimal | None]:
        """By the names of a switch row's columns."""
        return {
            "from_price": self.old,
            "to_price": self.new,
            "on_demand_price": self.on_demand,
        }


def primary_of(agent: Agent) -> Instance | None:
    """The machine that serves the slot."""
    return Instance.objects.primary().filter(agent=agent).select_related("pool").first()


def standbys_of(agent: Agent) -> QuerySet[Instance]:
    """Machines that stand by in the slot and are not known to be gone, the newest first."""
    return (
        Instance.objects.billing()
        .filter(agent=agent, role=Instance.Role.STANDBY)
        .select_related("pool")
    )


def by_ec2_id(*, client_id: uuid.UUID, instance_id: str) -> Instance | None:
    """A client's machine by EC2's id, with agent and pool."""
    return (
        Instance.objects.filter(client_id=client_id, instance_id=instance_id)
        .select_related("agent", "pool")
        .first()
    )


def record_launch(
    *,
    agent: Agent,
    instance_id: str,
    pool: Pool,
    mode: str,
    now: datetime,
    az_name: str = "",
    private_ip: str | None = None,
    launched_at: datetime | None = None,
) -> Instance:
    """EC2 has started this machine for the slot: note it as a standby, verified and ours.

    Asked again, or after the machine has already registered, it completes the row that is there.
    Raises LostRace if the id stands in another slot of the client.
    """
    known = {
        "az_name": az_name,
        "private_ip": private_ip,
        "launched_at": launched_at or now,
        "verified": True,
        "ours": True,
    }
    instance, created = Instance.objects.get_or_create(
        client_id=agent.client_id,
        instance_id=instance_id,
        defaults={
            "agent": agent,
            "role": Instance.Role.STANDBY,
            "mode": mode,
            "instance_type": pool.instance_type,
            "region": pool.region,
            "az_id": pool.az_id,
            "pool": pool,
            **known,
        },
    )
    if instance.agent_id != agent.pk:
        raise LostRace(f"{instance_id} stands in another slot of this client.")
    if not created:
        for name, value in known.items():
            setattr(instance, name, value or getattr(instance, name))
        instance.save(update_fields=list(known))
    instance.agent = agent
    return instance


def rebind(
    *,
    agent: Agent,
    new: Instance,
    old: Instance | None,
    switch_type: Switch.Type,
    reason: str,
    started_at: datetime,
    prices: Prices,
    now: datetime,
    tell: bool = True,
    old_alive: bool = False,
) -> Switch:
    """Make `new` the primary in place of `old`, in one transaction: roles, switch row, commands, wake-ups.

    `old` is None where the slot has no primary. `started_at` is the time of the decision. With `tell` the
    new machine gets a `promote` command. `old_alive`: the workload still ran on `old`, and is stopped by its
    fencing if it did not report its stop before; of one that died, nobody knows. A repetition returns the
    switch that was made. Raises LostRace
    unless `old` is still the primary and `new` a standby of a slot that is still managed.
    """
    with transaction.atomic():
        slot = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        # Roles change under the slot's lock alone, so this reading holds until the end.
        rows = {row.pk: row for row in Instance.objects.select_for_update().filter(agent=slot)}
        done = Switch.objects.filter(to_instance_id=new.pk).first()
        if done is not None and done.agent_id == slot.pk:
            return done
        primary = next((r for r in rows.values() if r.role == Instance.Role.PRIMARY), None)
        _require_movable(slot=slot, rows=rows, primary=primary, old=old, new=new)
        if old is not None:
            Instance.objects.filter(pk=old.pk).update(
                role=Instance.Role.SUPERSEDED, superseded_at=now, suspect_after=None
            )
        Instance.objects.filter(pk=new.pk).update(role=Instance.Role.PRIMARY)
        switch = write_switch(
            agent=slot,
            new=new,
            old=old,
            switch_type=switch_type,
            reason=reason,
            started_at=started_at,
            prices=prices,
            now=now,
            old_alive=old_alive,
        )
        heartbeats.begin(agent=slot, now=now)
        if old is not None:
            commands.close_for(old=old, new=new, seconds=switch.duration_seconds, now=now)
        if tell:
            commands.issue(
                agent=slot,
                instance=new,
                command_type=Command.Type.PROMOTE,
                priority=Command.Priority.EMERGENCY
                if switch_type == Switch.Type.EMERGENCY
                else Command.Priority.MANUAL,
                now=now,
            )
        _announce(slot, new=new, old=old, switch=switch, now=now)
    new.role = Instance.Role.PRIMARY
    if old is not None:
        old.role, old.superseded_at = Instance.Role.SUPERSEDED, now
    return switch


def _require_movable(
    *,
    slot: Agent,
    rows: dict[uuid.UUID, Instance],
    primary: Instance | None,
    old: Instance | None,
    new: Instance,
) -> None:
    if slot.status == Agent.Status.TERMINATED:
        raise LostRace("This agent is no longer managed.")
    if (primary and primary.pk) != (old and old.pk):
        raise LostRace(f"The primary is {primary or 'nobody'} by now, not {old or 'nobody'}.")
    candidate = rows.get(new.pk)
    if candidate is None or candidate.role != Instance.Role.STANDBY:
        raise LostRace(f"{new} does not stand by in this slot.")
    if candidate.terminated_at is not None:
        raise LostRace(f"{new} is gone.")


def write_switch(
    *,
    agent: Agent,
    new: Instance,
    old: Instance | None,
    switch_type: Switch.Type,
    reason: str,
    started_at: datetime,
    prices: Prices,
    now: datetime,
    old_alive: bool = False,
) -> Switch:
    """The row of a completed move, with what the agents have already told of the workload's pause."""
    return Switch.objects.create(
        client_id=agent.client_id,
        agent=agent,
        switch_type=switch_type,
        reason=reason[:200],
        from_instance=old,
        to_instance=new,
        **prices.as_columns(),
        started_at=started_at,
        executed_at=now,
        workload_stopped_at=(
            _stopped_at(old, since=started_at, alive=old_alive, now=now) if old else None
        ),
        workload_started_at=workload.running_since(new),
    )


def _stopped_at(old: Instance, *, since: datetime, alive: bool, now: datetime) -> datetime | None:
    """The old machine's own report; else, if it lives, the moment it is fenced and with that told to stop."""
    return workload.stopped_at(old, since=since) or (now if alive else None)


def _announce(
    agent: Agent, *, new: Instance, old: Instance | None, switch: Switch, now: datetime
) -> None:
    if old is not None:
        feed.wake_machine(old.pk)
    feed.wake_machine(new.pk)
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type="switch_completed",
        severity="info",
        message=f"Agent {agent} moved from {old or 'nowhere'} to {new} ({switch.switch_type})."[
            :500
        ],
        now=now,
    )
    feed.publish(client_id=agent.client_id, kind="switch", id=str(switch.pk), agent_id=agent.pk)


def fence(instance: Instance, *, now: datetime) -> bool:
    """Supersede a machine that no other replaces in its slot (its whole slot was replaced)."""
    fenced = (
        Instance.objects.filter(pk=instance.pk)
        .exclude(role__in=(Instance.Role.SUPERSEDED, Instance.Role.RELEASED))
        .update(role=Instance.Role.SUPERSEDED, superseded_at=now, suspect_after=None)
    )
    if fenced:
        feed.wake_machine(instance.pk)
    return bool(fenced)


def release(instance: Instance, *, now: datetime) -> bool:
    """Take a machine out of management: not fenced, it runs on, and we no longer act on it."""
    released = (
        Instance.objects.filter(pk=instance.pk)
        .exclude(role__in=(Instance.Role.SUPERSEDED, Instance.Role.RELEASED))
        .update(role=Instance.Role.RELEASED, suspect_after=None)
    )
    if released:
        feed.wake_machine(instance.pk)
    return bool(released)


def retire_asked(instance: Instance, *, now: datetime) -> bool:
    """EC2 has been asked to terminate it. False if it had been asked before."""
    return bool(
        Instance.objects.filter(pk=instance.pk, retire_asked_at=None).update(retire_asked_at=now)
    )


def retire_withdrawn(instance: Instance) -> None:
    """It cannot be terminated by us: it runs on, and is nobody's of ours to end until it enrols again."""
    instance.retire_asked_at, instance.ours = None, False
    Instance.objects.filter(pk=instance.pk).update(retire_asked_at=None, ours=False)


def confirm_gone(instance: Instance, *, now: datetime) -> bool:
    """EC2 has confirmed that it is gone: it bills no more. False if that was known."""
    gone = Instance.objects.filter(pk=instance.pk, terminated_at=None).update(
        terminated_at=now, suspect_after=None
    )
    if gone:
        feed.publish(
            client_id=instance.client_id,
            kind="instance",
            id=str(instance.pk),
            agent_id=instance.agent_id,
        )
    return bool(gone)


def note_ec2(instance: Instance, *, image_id: str, ours: bool) -> None:
    """What EC2 tells beyond what the machine says of itself; `ours`: tagged, so that we may end it."""
    instance.image_id, instance.ours = image_id or instance.image_id, ours or instance.ours
    Instance.objects.filter(pk=instance.pk).update(image_id=instance.image_id, ours=instance.ours)


def note_launch_facts(instance: Instance, facts: dict[str, Any]) -> None:
    """How it was launched; kept with the row so that an emergency needs no call to find out."""
    instance.launch_facts = facts
    Instance.objects.filter(pk=instance.pk).update(launch_facts=facts)
