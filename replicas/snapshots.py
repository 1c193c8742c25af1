"""The emergency snapshot: what a replacement needs of its predecessor, fetched when it registers."""

from datetime import datetime, timedelta

from agents import configuration
from agents.models import Agent
from pricing import queries
from replicas.models import InterruptionEvent, Snapshot
from spotopt.lib.times import rfc3339

PRICES_OF = timedelta(hours=24)
WAITS = timedelta(hours=1)


def take(*, event: InterruptionEvent, now: datetime) -> Snapshot:
    """Once per event: the agent's configuration, its last state document, its pool's last day of prices."""
    agent = event.agent
    series = queries.series(
        event.pool_id, client_id=event.client_id, since=now - PRICES_OF, until=now
    )
    snapshot, _ = Snapshot.objects.get_or_create(
        event=event,
        defaults={
            "agent": agent,
            "created_at": now,
            "document": {
                "taken_at": rfc3339(now),
                "config": configuration.read(agent, role="primary"),
                "state": agent.state,
                "state_at": rfc3339(agent.state_at),
                "prices": [
                    {"timestamp": rfc3339(point.at), "spot_price": float(point.price)}
                    for point in series
                ],
            },
        },
    )
    return snapshot


def waiting_for(agent: Agent, *, now: datetime) -> dict[str, object] | None:
    """The latest snapshot of this agent, for a replacement that enrols within the hour.

    A machine whose first registration was answered into the void gets it again.
    """
    snapshot = (
        Snapshot.objects.filter(agent=agent, created_at__gt=now - WAITS)
        .order_by("-created_at")
        .first()
    )
    if snapshot is None:
        return None
    Snapshot.objects.filter(pk=snapshot.pk, fetched_at=None).update(fetched_at=now)
    document: dict[str, object] = snapshot.document
    return document
