"""What must hold when all is quiet again, whatever was broken on the way."""

from collections import Counter
from datetime import timedelta
from typing import Any

from agents.models import Instance
from clients.models import FeedEvent
from replicas import tags
from replicas.chaos.slot import Slot
from replicas.models import InterruptionEvent, Replica, Saga, Step

Role = Instance.Role
# Signals of so long ago are left alone.
OLD = timedelta(hours=1)
TOLD = ("launch_failed", "instance_without_purpose", "old_machine_left_running")


def always(slot: Slot) -> list[str]:
    """What holds at every moment, in the middle of things too."""
    found = []
    primaries = Instance.objects.primary().filter(agent_id=slot.agent_id).count()
    if primaries != 1:
        found.append(f"{primaries} primaries")
    made = Counter(
        row["tags"][tags.REPLICA]
        for row in slot.aws.state()["instances"]
        if tags.REPLICA in row["tags"]
    )
    found += [f"{count} machines for replica {key}" for key, count in made.items() if count > 1]
    return found


def at_the_end(slot: Slot, *, needs: int | None) -> list[str]:
    """What has been left undone; empty when every promise was kept.

    `needs`: how many machines the move called for; None where machines died and had to be replaced.
    """
    found = always(slot)
    state = slot.aws.state()
    found += _billing(slot, state)
    found += _sagas(slot)
    launched = sum(tags.REPLICA in row["tags"] for row in state["instances"])
    failed = Replica.objects.filter(client=slot.client, status=Replica.Status.FAILED).count()
    ended_without = sum(saga.status in Saga.ENDED_WITHOUT for saga in slot.sagas)
    if needs is not None and launched > needs + failed + ended_without:
        found.append(f"{launched} machines launched for {needs} needs")
    fresh = InterruptionEvent.objects.filter(received_at__gt=slot.clock() - OLD)
    for event in fresh.filter(client=slot.client, acted_at=None):
        found.append(f"{event.kind} was never answered")
    return found


def _billing(slot: Slot, state: dict[str, Any]) -> list[str]:
    rows = {row.instance_id: row for row in Instance.objects.filter(client=slot.client)}
    found = []
    for instance_id in state["totals"]["billing_instances"]:
        row = rows.get(instance_id)
        if row is None:
            found.append(f"{instance_id} bills and has no row")
        elif row.terminated_at is not None:
            found.append(f"{instance_id} bills and is thought gone")
        elif row.role == Role.STANDBY and not _stands(row):
            found.append(f"{instance_id} bills as a standby nobody wants")
        elif row.role == Role.SUPERSEDED and not _told(slot, instance_id):
            found.append(f"{instance_id} bills, superseded, and nobody was told")
    return found


def _stands(row: Instance) -> bool:
    return Replica.objects.filter(
        instance=row, status__in=Replica.LIVE, saga__status__in=Saga.OPEN
    ).exists()


def _told(slot: Slot, instance_id: str) -> bool:
    return FeedEvent.objects.filter(
        client=slot.client, event_type__in=TOLD, message__contains=instance_id
    ).exists()


def _sagas(slot: Slot) -> list[str]:
    found = []
    for saga in slot.sagas:
        if saga.status in Saga.OPEN and saga.status != Saga.Status.STANDING:
            found.append(f"a saga stays {saga.status}")
        if saga.status == Saga.Status.FAILED:
            told = FeedEvent.objects.filter(client=slot.client, event_type="launch_failed")
            if not told.exists():
                found.append("a saga failed and nobody was told")
        if saga.status not in Saga.OPEN:
            found += [
                f"{step.name} stays {step.outcome} in a saga that is {saga.status}"
                for step in saga.steps.filter(
                    outcome__in=(Step.Outcome.INTENDED, Step.Outcome.UNKNOWN)
                )
            ]
    if not slot.moved() and any(saga.status == Saga.Status.DONE for saga in slot.sagas):
        found.append("a saga is done and the slot has not moved")
    rows = Replica.objects.filter(client=slot.client, status=Replica.Status.TERMINATING)
    return found + [f"replica {row.pk} stays terminating" for row in rows]
