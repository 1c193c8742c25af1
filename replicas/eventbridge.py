"""What EventBridge tells of instances: read from a message, and acted on like any other signal.

At least once, in any order, best effort. The ARN in `resources` is malformed in life (the zone stands
where the region should, and there is no account in it), so only `detail` is read.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agents import instances as machines
from agents.models import Instance
from clients import connection, feed
from clients.models import Client
from replicas import reconcile, sef
from replicas.leases import Clock
from replicas.models import InterruptionEvent
from spotopt.cloud import compute

log = logging.getLogger(__name__)

Role = Instance.Role
CHANNEL = InterruptionEvent.Channel.EVENTBRIDGE

WARNING = "EC2 Spot Instance Interruption Warning"
RECOMMENDATION = "EC2 Instance Rebalance Recommendation"
STATE_CHANGE = "EC2 Instance State-change Notification"
HEALTH = "AWS Health Event"
ENDING = ("shutting-down", "terminated", "stopping", "stopped")
# A warning that waited in the queue for longer than this speaks of a machine that is gone.
TOO_OLD = timedelta(minutes=10)


class Unreadable(Exception):
    """Not an event that we know how to read; it is deleted, so that it does not come again."""


@dataclass(frozen=True)
class Signal:
    """One event about one or more instances; `at` is None where the event does not say."""

    kind: str
    instance_ids: tuple[str, ...]
    at: datetime | None
    state: str = ""
    what: str = ""


def parse(body: str) -> Signal:
    """Raises Unreadable, with the reason."""
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(event, dict):
        raise Unreadable("it is not an object")
    if isinstance(event.get("Message"), str):  # it came by way of SNS
        return parse(event["Message"])
    detail = event.get("detail")
    kind = event.get("detail-type")
    if not isinstance(detail, dict) or not isinstance(kind, str):
        raise Unreadable("it is no EventBridge event")
    return Signal(
        kind=kind,
        instance_ids=_instances(kind, detail),
        at=_moment(event.get("time")),
        state=str(detail.get("state", "")),
        what=str(detail.get("eventTypeCode", "")),
    )


def _instances(kind: str, detail: dict[str, Any]) -> tuple[str, ...]:
    if kind == HEALTH:
        entities = detail.get("affectedEntities")
        rows = entities if isinstance(entities, list) else []
        found = [row.get("entityValue") for row in rows if isinstance(row, dict)]
    else:
        found = [detail.get("instance-id")]
    ids = tuple(i for i in found if isinstance(i, str) and i.startswith("i-"))
    if kind in (WARNING, RECOMMENDATION, STATE_CHANGE) and not ids:
        raise Unreadable("it names no instance")
    return ids


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def handle(signal: Signal, *, client: Client, clock: Clock) -> None:
    """Act on what it says of this client's machines; unknown ones are nobody's here."""
    rows = Instance.objects.filter(
        client=client, instance_id__in=signal.instance_ids, verified=True
    ).select_related("agent__client", "client", "pool")
    for instance in rows:
        _handle_one(signal, instance, clock)


def _handle_one(signal: Signal, instance: Instance, clock: Clock) -> None:
    now = clock()
    fresh = signal.at is None or now - signal.at < TOO_OLD
    if signal.kind == WARNING and fresh:
        sef.on_notice(
            instance=instance,
            detected_at=now,
            termination_time=None,
            channel=CHANNEL,
            imminent=False,
            clock=clock,
        )
    elif signal.kind == RECOMMENDATION and fresh:
        sef.on_recommendation(instance=instance, detected_at=now, channel=CHANNEL, clock=clock)
    elif signal.kind == STATE_CHANGE and signal.state in ENDING:
        _ending(instance, clock)
    elif signal.kind == HEALTH:
        feed.record(
            client_id=instance.client_id,
            agent_id=instance.agent_id,
            event_type="aws_health",
            severity="warning",
            message=f"AWS Health on {instance}: {signal.what or 'an event'}",
            now=now,
        )


def _ending(instance: Instance, clock: Clock) -> None:
    """The event may be late or wrong: EC2 itself is asked before anything is failed over."""
    if instance.terminated_at is not None:
        return
    account = connection.account_for(instance.client)
    found = compute.describe(account, instance.region, [instance.instance_id])
    machine = found.get(instance.instance_id)
    if machine is not None and not reconcile.ended(machine):
        return
    if instance.role in (Role.PRIMARY, Role.STANDBY):
        reconcile.died(instance, machine, channel=CHANNEL, clock=clock)
    elif machine is None or machine.state == "terminated":
        machines.confirm_gone(instance, now=clock())
