"""Telling: rows that people read, and hints that wake pages, long polls and the guard.

A hint carries ids, never content: who gets it asks again through the view that checks access. Hints
leave with the transaction that makes the change, or not at all.
"""

import json
import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error, connection, transaction

from clients.models import FeedEvent

log = logging.getLogger(__name__)

CHANNEL = "spotopt"
GUARD_CHANNEL = "spotopt_guard"
PAYLOAD_LIMIT = 7999  # PostgreSQL: a NOTIFY payload is shorter than 8000 bytes

STAFF = "staff"
BROWSERS = "browsers"
MACHINES = "machines"


def client_group(client_id: UUID | str) -> str:
    """The browsers that may see this tenant."""
    return f"client.{client_id}"


def machine_group(instance_id: UUID | str) -> str:
    """The long polls of this `Instance` row."""
    return f"machine.{instance_id}"


def record(
    *,
    client_id: UUID | None,
    event_type: str,
    message: str,
    severity: str,
    now: datetime,
    agent_id: UUID | None = None,
) -> FeedEvent:
    """Keep something that people may want to see, and tell their pages. None: staff alone sees it."""
    event = FeedEvent.objects.create(
        client_id=client_id,
        agent_id=agent_id,
        event_type=event_type[:40],
        severity=FeedEvent.Severity(severity),
        message=message if len(message) <= 500 else message[:499] + "…",
        created_at=now,
    )
    publish(client_id=client_id, kind="activity", id=str(event.pk), agent_id=agent_id)
    return event


def publish(
    *,
    client_id: UUID | None,
    kind: str,
    id: str = "",
    agent_id: UUID | None = None,
    instance_id: UUID | None = None,
) -> None:
    """Hint to the browsers of a tenant, and to staff, that something of this kind has changed."""
    hint: dict[str, str] = {"kind": kind, "id": id}
    for name, value in (
        ("client_id", client_id),
        ("agent_id", agent_id),
        ("instance_id", instance_id),
    ):
        if value is not None:
            hint[name] = str(value)
    _send({"type": "feed.hint", "hint": hint})


def wake_machine(instance_id: UUID) -> None:
    """Have the long polls of this `Instance` row look again."""
    _send({"type": "machine.wake", "instance": str(instance_id)})


def wake_guard() -> None:
    """Have the guard look now, not at its next sweep. It listens to PostgreSQL itself."""
    _notify(GUARD_CHANNEL, "")


def groups_of(message: dict[str, Any]) -> list[str]:
    """Which groups of the channel layer a message goes to."""
    if message["type"] == "machine.wake":
        return [machine_group(message["instance"])]
    client_id = message["hint"].get("client_id")
    return [STAFF, client_group(client_id)] if client_id else [STAFF]


def _send(message: dict[str, Any]) -> None:
    if settings.REDIS_URL:
        transaction.on_commit(lambda: _through_redis(message), robust=True)
    else:
        _notify(CHANNEL, json.dumps(message, separators=(",", ":")))


def _notify(channel: str, payload: str) -> None:
    """NOTIFY in the current transaction; a failure is logged, never the caller's."""
    if len(payload.encode()) > PAYLOAD_LIMIT:
        log.error("a hint of %d bytes is too long and was dropped", len(payload.encode()))
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])
    except (Error, transaction.TransactionManagementError) as error:
        log.warning("a hint was lost: %s", type(error).__name__)


def _through_redis(message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        for group in groups_of(message):
            async_to_sync(layer.group_send)(group, message)
    except Exception as error:  # noqa: BLE001 - whatever Redis does, the change itself stands
        log.warning("a hint was lost: %s", type(error).__name__)
