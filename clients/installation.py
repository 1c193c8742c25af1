"""This installation, and its global stop."""

from datetime import datetime

from clients import feed
from clients.models import Client, Installation


def current() -> Installation:
    """The one row; made on first use."""
    return Installation.objects.get_or_create(only=True)[0]


def automation_on(client: Client) -> bool:
    """Whether anything may be done by itself for this client; the stops are read afresh."""
    return current().automation and Client.objects.filter(pk=client.pk, automation=True).exists()


def set_automation(*, on: bool, by: str, now: datetime) -> bool:
    """Set or lift the global stop; whether that changed anything."""
    changed = Installation.objects.filter(pk=current().pk, automation=not on).update(automation=on)
    if changed:
        feed.record(
            client_id=None,
            event_type="automation_on" if on else "automation_off",
            message=f"{by} {'lifted' if on else 'set'} the global stop of all automation.",
            severity="info" if on else "warning",
            now=now,
        )
        feed.wake_guard()
    return bool(changed)
