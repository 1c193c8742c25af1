"""Who may touch which agent, and which machine a call is about: looking up and checking are one step.

Refusals come in this order: the kind of caller and its role (403), then the object (404 for a foreign or
a missing one alike), then its state (409 for a machine that was superseded).
"""

import uuid
from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q

from agents.models import Agent, Instance
from clients import access
from clients.auth import Caller
from clients.models import Client
from spotopt.lib.errors import Conflict, Forbidden, NotFound

# Kinds of caller. Enrolment tokens do nothing but register.
MACHINES: frozenset[str] = frozenset({"agent", "client", "staff"})
PEOPLE: frozenset[str] = frozenset({"client", "person", "staff"})
ANYBODY: frozenset[str] = MACHINES | PEOPLE
ENROLLERS: frozenset[str] = frozenset({"client", "enrolment"})


class Superseded(Conflict):
    """Another machine has taken this one's place: it is fenced, and its agent stops the workload."""

    code = "superseded"

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"{instance_id} was superseded: another machine serves in its place.")


class Released(Conflict):
    """The machine was taken out of management; it runs on, fenced from nothing."""

    code = "released"

    def __init__(self, instance_id: str) -> None:
        super().__init__(
            f"{instance_id} is no longer managed; register it with rejoin=true to take it back."
        )


def require_kind(caller: Caller, kinds: Collection[str]) -> None:
    """Forbidden for a kind of credential that has no business here."""
    if caller.kind not in kinds:
        raise Forbidden(f"This is not for {_called(caller)}.")


def agent_for(
    caller: Caller,
    agent_id: uuid.UUID | str,
    *,
    write: bool = False,
    kinds: Collection[str] = ANYBODY,
    fenced_ok: bool = False,
) -> Agent:
    """The agent with its client, in one query.

    Raises Forbidden, NotFound, and Superseded or Released for a machine's own token after its time,
    unless `fenced_ok` (a notice is answered for the fenced machine too).
    """
    require_kind(caller, kinds)
    if write and caller.kind == "person" and not any(map(caller.can_write, caller.roles)):
        raise Forbidden("Your role lets you look, not change.")
    key = access.parse_id(agent_id, "agent")
    missing = NotFound("There is no such agent.")
    if caller.kind == "agent" and caller.agent_id != key:
        raise missing
    agents = Agent.objects.select_related("client").filter(pk=key)
    if caller.kind == "agent":
        own = Instance.objects.filter(agent=OuterRef("pk"), instance_id=caller.instance_id)
        agents = agents.annotate(
            superseded=Exists(own.filter(role=Instance.Role.SUPERSEDED)),
            released=Exists(own.filter(role=Instance.Role.RELEASED)),
        )
    agent = agents.first()
    if agent is None or not caller.sees(agent.client_id):
        raise missing
    if write and not caller.can_write(agent.client_id):
        raise Forbidden("Your role lets you look, not change.")
    if not fenced_ok and getattr(agent, "superseded", False):
        raise Superseded(caller.instance_id)
    if not fenced_ok and getattr(agent, "released", False):
        raise Released(caller.instance_id)
    return agent


def machine_for(
    caller: Caller, agent: Agent, *, instance_id: str | None = None, fenced_ok: bool = False
) -> Instance:
    """The machine a call is about: the token's own, else the named one, else the primary.

    A machine's own token naming another machine is Forbidden. Raises NotFound, Superseded, Released.
    """
    if caller.kind == "agent":
        if instance_id and instance_id != caller.instance_id:
            raise Forbidden(f"This token belongs to {caller.instance_id}, not to {instance_id}.")
        instance_id = caller.instance_id
    mine = Q(instance_id=instance_id) if instance_id else Q(role=Instance.Role.PRIMARY)
    instance = Instance.objects.filter(mine, agent=agent).first()
    if instance is None:
        raise NotFound(
            f"This agent has no instance {instance_id}."
            if instance_id
            else "This agent has no primary instance at present; name one by instance_id."
        )
    instance.agent = agent
    if not fenced_ok:
        refuse_fenced(instance)
    return instance


def refuse_fenced(instance: Instance) -> None:
    """Raise for a machine that no longer stands in its slot."""
    if instance.role == Instance.Role.SUPERSEDED:
        raise Superseded(instance.instance_id)
    if instance.role == Instance.Role.RELEASED:
        raise Released(instance.instance_id)


def enrolled_client(caller: Caller) -> Client:
    """The client for which this credential may register machines."""
    require_kind(caller, ENROLLERS)
    client = Client.objects.get(pk=caller.client_id or uuid.UUID(int=0))
    if client.status != Client.Status.ACTIVE:
        raise Conflict("This client is being deleted: it takes no new machines.")
    return client


def _called(caller: Caller) -> str:
    return {
        "agent": "a machine's token",
        "client": "a client token",
        "enrolment": "an enrolment token",
        "person": "people's sessions",
    }.get(caller.kind, "this kind of caller")
