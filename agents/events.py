"""What agents see on their machines: kept once each, however often it is delivered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from agents import workload
from agents.models import AgentEvent, Instance
from clients import feed


@dataclass(frozen=True)
class Event:
    """`event_id` is made where the event is born and is unique on its machine."""

    event_id: str
    kind: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Accepted:
    """How many were new, and how many had been heard before."""

    accepted: int
    duplicates: int


def accept(*, instance: Instance, events: Sequence[Event], now: datetime) -> Accepted:
    """Keep what is new, fill the switches' times from it, and tell people what concerns them."""
    with transaction.atomic():
        # One delivery of a machine at a time: the second of two equal ones finds the first one's rows.
        Instance.objects.select_for_update(no_key=True).only("pk").get(pk=instance.pk)
        known = set(
            AgentEvent.objects.filter(
                instance=instance, event_id__in=[event.event_id for event in events]
            ).values_list("event_id", flat=True)
        )
        fresh = {event.event_id: event for event in events if event.event_id not in known}
        AgentEvent.objects.bulk_create(
            AgentEvent(
                agent_id=instance.agent_id,
                instance=instance,
                event_id=event.event_id,
                kind=event.kind,
                at=event.at,
                data=dict(event.data),
                received_at=now,
            )
            for event in fresh.values()
        )
        for event in sorted(fresh.values(), key=lambda event: event.at):
            if event.kind in (workload.STARTED, workload.STOPPED):
                workload.note(instance=instance, kind=event.kind, at=event.at, now=now)
            elif text := concern(event):
                feed.record(
                    client_id=instance.client_id,
                    agent_id=instance.agent_id,
                    event_type=event.kind,
                    severity="warning",
                    message=f"{instance}: {text}",
                    now=now,
                )
    return Accepted(accepted=len(fresh), duplicates=len(events) - len(fresh))


def concern(event: Event) -> str:
    """What a person is told about an event; empty for one that is nobody's concern."""
    data = event.data
    if event.kind == "hook_finished" and data.get("exit_code") not in (0, None):
        hook, code = _short(data.get("hook")), _short(data.get("exit_code"))
        return f"hook {hook} failed with exit code {code}."
    if event.kind == "clock_skew":
        return f"its clock is off by {_short(data.get('seconds'))} s."
    return ""


def _short(value: Any) -> str:
    return str(value)[:60]
