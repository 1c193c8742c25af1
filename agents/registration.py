"""How a machine joins, comes again, and leaves. The same client and instance id again is the same agent."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from agents import access, commands, heartbeats, instances, joining, placement
from agents.joining import Claim, Newcomer
from agents.models import Agent, Instance
from clients import feed, tokens
from clients.auth import Caller
from clients.models import Client
from spotopt.lib.errors import BadInput, Conflict, Forbidden


class Unverified(Conflict):
    """This installation takes only machines that EC2 knows in the client's account."""

    code = "unverified"


@dataclass(frozen=True)
class Registered:
    """What came of it. `created`: it had not registered before. `token`: in the clear, this once."""

    agent: Agent
    instance: Instance
    created: bool
    token: str
    role: str


def register(
    *,
    caller: Caller,
    claim: Claim,
    machine: placement.Seen | None,
    now: datetime,
    expected_instance_id: str = "",
) -> Registered:
    """Let a machine in. `machine` is what EC2 says of it, asked by the caller; None if EC2 does not know it.

    `expected_instance_id`: the machine that an enrolment token was made for, where its launch has been
    recorded. Raises Forbidden, NotFound, BadInput, Unavailable, and Conflicts: Superseded, Released,
    Unverified, LimitReached, SlotTaken, LostRace.
    """
    client = access.enrolled_client(caller)
    claim = _bound(caller, claim, expected_instance_id)
    known = instances.by_ec2_id(client_id=client.pk, instance_id=claim.instance_id)
    verified = machine is not None or (known is not None and known.verified)
    if settings.REQUIRE_VERIFIED_INSTANCES and not verified:
        raise Unverified(f"EC2 does not know {claim.instance_id} in this client's account.")
    place = None
    if known is None:
        # May ask EC2 for the account's zones: before the transaction.
        place = _place(client=client, claim=claim, machine=machine, now=now)
    with transaction.atomic():
        # One registration of a client at a time: ids and limits are then simply looked at.
        Client.objects.select_for_update(no_key=True).get(pk=client.pk)
        known = instances.by_ec2_id(client_id=client.pk, instance_id=claim.instance_id)
        if known is not None and not (claim.rejoin and known.role == Instance.Role.RELEASED):
            created = known.registered_at is None
            instance = _again(known, claim)
        else:
            created = known is None
            instance = joining.join(Newcomer(client, claim, machine, place, known, now))
        _note(instance, claim=claim, machine=machine, now=now)
        token = tokens.issue_agent(client, instance.agent_id, instance.instance_id, now)
    agent = Agent.objects.select_related("client").get(pk=instance.agent_id)
    instance.agent = agent
    return Registered(agent, instance, created, token, instance.role)


def _bound(caller: Caller, claim: Claim, expected_instance_id: str) -> Claim:
    """An enrolment token lets in one machine, as a standby of one slot."""
    if expected_instance_id and claim.instance_id != expected_instance_id:
        raise Forbidden("This enrolment token was made for another machine.")
    if caller.kind == "enrolment":
        if claim.parent_agent_id not in (None, caller.agent_id) or claim.recovery_mode:
            raise Forbidden("This enrolment token was made for a replica of another agent.")
        return dataclasses.replace(claim, is_replica=True, parent_agent_id=caller.agent_id)
    if claim.is_replica and claim.recovery_mode:
        raise BadInput.field("recovery_mode", "A machine is either a replica or a replacement.")
    if claim.is_replica and claim.parent_agent_id is None:
        raise BadInput.field("parent_agent_id", "A replica names the agent it stands by for.")
    if claim.recovery_mode and claim.replacing_agent_id is None:
        raise BadInput.field("replacing_agent_id", "A replacement names the agent it replaces.")
    return claim


def _place(
    *, client: Client, claim: Claim, machine: placement.Seen | None, now: datetime
) -> placement.Place:
    return placement.locate(
        client=client,
        instance_type=machine.instance_type if machine else claim.instance_type,
        region=claim.region,
        az_name=(machine.az_name if machine else "") or claim.az_name,
        az_id=(machine.az_id if machine else "") or claim.az_id,
        now=now,
    )


def _again(known: Instance, claim: Claim) -> Instance:
    """The machine is known: from an earlier registration, or from the record of its launch."""
    access.refuse_fenced(known)
    if claim.is_replica and claim.parent_agent_id != known.agent_id:
        raise Conflict(f"{known} belongs to another agent.")
    return known


def _note(
    instance: Instance, *, claim: Claim, machine: placement.Seen | None, now: datetime
) -> None:
    """What each registration writes; the role has been settled, and the instance is heard as of now."""
    facts: dict[str, object] = {
        "private_ip": (machine.private_ip if machine else None) or claim.private_ip,
        "registered_at": instance.registered_at or now,
        "agent_version": claim.agent_version,
        "hooks": list(claim.hooks),
        "launched_at": (machine.launched_at if machine else None) or instance.launched_at or now,
    }
    if machine is not None:
        facts |= {"verified": True, "mode": machine.mode}
    for name, value in facts.items():
        setattr(instance, name, value)
    instance.save(update_fields=list(facts))
    heartbeats.enter(instance=instance, now=now)


def withdraw(*, agent: Agent, now: datetime) -> Instance | None:
    """Take a slot out of management: its primary runs on, released; its standbys are no longer wanted.

    Returns the primary. Raises Conflict if it was withdrawn before. The machines' tokens stay, so that
    they are told `released`.
    """
    with transaction.atomic():
        slot = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        if not heartbeats.end(agent=slot):
            raise Conflict("This agent is no longer managed.")
        commands.withdraw(agent=slot)
        primary = instances.primary_of(slot)
        if primary is not None:
            instances.release(primary, now=now)
        joining.tell(slot, "agent_deleted", f"Agent {slot} is no longer managed.", now)
        # The standbys are retired by who launched them.
        feed.wake_guard()
    return primary
