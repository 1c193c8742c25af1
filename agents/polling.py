"""Endpoint 4's answer, the same for a request that is held open and for one that is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from agents import access, commands
from agents.models import Command, Instance
from clients.auth import Caller
from spotopt.lib.errors import BadInput
from spotopt.lib.times import rfc3339

LONGEST_WAIT = 25


@dataclass(frozen=True)
class Question:
    """Who asks for which agent's commands, on which machine's behalf (None: the token's own)."""

    caller: Caller
    agent_id: str
    instance_id: str | None


def wait_seconds(query: Mapping[str, str]) -> int:
    """`wait` from the query string: whole seconds from 0 to 25, 0 if absent. Raises BadInput."""
    text = query.get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= LONGEST_WAIT):
        raise BadInput.field("wait", f"Give whole seconds from 0 to {LONGEST_WAIT}.")
    return int(text)


def machine(question: Question) -> Instance:
    """The machine whose commands are asked for. Raises Forbidden, NotFound, Superseded, Released."""
    agent = access.agent_for(question.caller, question.agent_id, kinds=access.MACHINES)
    return access.machine_for(question.caller, agent, instance_id=question.instance_id)


def has_news(instance: Instance, *, now: datetime) -> bool:
    """Whether a held request is to be answered: there is something new, or the machine's standing changed.

    One query, asked on every hint.
    """
    news = Command.objects.filter(commands.news(now), instance=OuterRef("pk"))
    quiet = Instance.objects.filter(~Exists(news), pk=instance.pk, role=instance.role)
    return not quiet.exists()


def answer(instance: Instance, *, now: datetime) -> dict[str, Any]:
    """The commands that are open, on the wire; they count as delivered."""
    found = commands.pending(instance, now=now)
    return {"commands": [as_json(command) for command in found]}


def as_json(command: Command) -> dict[str, Any]:
    """One command as the machine gets it."""
    return {
        "command_id": str(command.pk),
        "command_type": command.command_type,
        "parameters": command.parameters,
        "priority": command.priority,
        "created_at": rfc3339(command.created_at),
        "expires_at": rfc3339(command.expires_at),
    }
