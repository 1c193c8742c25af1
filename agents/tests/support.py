"""Short words for what tests do often."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agents import commands, instances
from agents.models import Agent, Command, Instance, Switch
from clients.auth import Caller, authenticate_text
from clients.models import FeedEvent
from spotopt.tests import cast


def issue(instance: Instance, *, now: datetime = cast.NOON, **fields: Any) -> Command:
    """A command for a machine; an `update_config` of low priority unless `fields` say otherwise."""
    wanted: dict[str, Any] = {
        "agent": instance.agent,
        "instance": instance,
        "command_type": Command.Type.UPDATE_CONFIG,
        "priority": Command.Priority.SCHEDULED,
        "now": now,
        "lifetime": timedelta(hours=1),
    }
    return commands.issue(**(wanted | fields))


def move(
    old: Instance | None, new: Instance, *, now: datetime = cast.NOON, **fields: Any
) -> Switch:
    """Promote `new`, thirty seconds after the decision."""
    wanted: dict[str, Any] = {
        "agent": new.agent,
        "new": new,
        "old": old,
        "switch_type": Switch.Type.PLANNED,
        "reason": "cheaper",
        "started_at": now - timedelta(seconds=30),
        "prices": instances.Prices(),
        "now": now,
    }
    return instances.rebind(**(wanted | fields))


def told(kind: str) -> list[str]:
    """The activity feed's messages of a kind, the oldest first."""
    rows = FeedEvent.objects.filter(event_type=kind).order_by("created_at")
    return list(rows.values_list("message", flat=True))


def fresh(row: Any) -> Any:
    """The row as the database has it now."""
    return type(row).objects.get(pk=row.pk)


def caller(text: str, now: datetime) -> Caller:
    """Whose token this is."""
    found = authenticate_text(text, now)
    assert found is not None
    return found


def terminate(agent: Agent) -> None:
    """Put an agent out of management, bare."""
    Agent.objects.filter(pk=agent.pk).update(status=Agent.Status.TERMINATED)


def elsewhere(act: Callable[[], Any]) -> Any:
    """Run `act` on a connection of its own, committed when this returns; needs `transaction=True`."""

    def alone() -> Any:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone).result(timeout=20)
