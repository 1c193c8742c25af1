"""Heartbeats, and their absence: the only writer of an agent's status and of when it was last heard.

A heartbeat writes its own columns and no others, so that it cannot undo somebody's toggle. A standby's
heartbeat never touches the agent's row: it must not hide the primary's silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from agents.models import Agent, Instance
from clients import feed

OFFLINE_AFTER = timedelta(seconds=90)
INTERVAL_SECONDS = 30.0
# A machine is looked at after one and a half missed beats, with room for a slow network.
SUSPECT_FACTOR = 1.5
SUSPECT_SLACK_SECONDS = 2.0
SWEEP = 500


@dataclass(frozen=True)
class Beat:
    """What a heartbeat tells; None means not told, and leaves what is known."""

    interval_seconds: float = INTERVAL_SECONDS
    uptime_seconds: int | None = None
    metrics: Mapping[str, float] | None = None
    state: Mapping[str, Any] | None = None
    hooks: Sequence[str] | None = None
    agent_version: str | None = None


def suspect_at(now: datetime, interval_seconds: float = INTERVAL_SECONDS) -> datetime:
    """When a machine that beats this often (seconds; never taken as more than 30) is overdue."""
    interval = min(interval_seconds, INTERVAL_SECONDS)
    return now + timedelta(seconds=SUSPECT_FACTOR * interval + SUSPECT_SLACK_SECONDS)


def record(*, instance: Instance, beat: Beat, now: datetime) -> bool:
    """Take note of a heartbeat of `instance`, whose agent is loaded. True if it brought the agent back.

    One UPDATE for a standby, two for a primary (a third only where the sweep came in between).
    """
    own: dict[str, Any] = {
        "last_heartbeat_at": now,
        "suspect_after": suspect_at(now, beat.interval_seconds),
    }
    if beat.uptime_seconds is not None:
        own["uptime_seconds"] = beat.uptime_seconds
    if beat.metrics is not None:
        own |= {"metrics": dict(beat.metrics), "metrics_at": now}
    if beat.hooks is not None:
        own["hooks"] = list(beat.hooks)
    if beat.agent_version is not None:
        own["agent_version"] = beat.agent_version
    Instance.objects.filter(pk=instance.pk).update(**own)
    if instance.role != Instance.Role.PRIMARY:
        return False
    heard: dict[str, Any] = {"last_heartbeat_at": now, "stale_after": now + OFFLINE_AFTER}
    if beat.state is not None:
        heard |= {"state": dict(beat.state), "state_at": now}
    return _heard(instance, heard, now)


def _heard(instance: Instance, heard: Mapping[str, Any], now: datetime) -> bool:
    agent = instance.agent
    # It may have been superseded since it was read: then it speaks for the slot no longer.
    serves = Instance.objects.filter(
        pk=instance.pk, agent=OuterRef("pk"), role=Instance.Role.PRIMARY
    )
    rows = Agent.objects.filter(Exists(serves), pk=agent.pk)
    likely, other = Agent.Status.ONLINE, Agent.Status.OFFLINE
    if agent.status == Agent.Status.OFFLINE:
        likely, other = other, likely
    for status in (likely, other):
        if rows.filter(status=status).update(status=Agent.Status.ONLINE, **heard):
            came_back = status == Agent.Status.OFFLINE
            if came_back:
                feed.record(
                    client_id=agent.client_id,
                    agent_id=agent.pk,
                    event_type="agent_online",
                    severity="info",
                    message=f"Agent {agent} is heard again.",
                    now=now,
                )
            return came_back
    return False


def begin(*, agent: Agent, now: datetime) -> None:
    """A primary has just registered or taken over: it counts as heard."""
    Agent.objects.filter(pk=agent.pk).exclude(status=Agent.Status.TERMINATED).update(
        status=Agent.Status.ONLINE, last_heartbeat_at=now, stale_after=now + OFFLINE_AFTER
    )


def enter(*, instance: Instance, now: datetime) -> None:
    """A machine has registered: it counts as heard, and a primary's slot with it."""
    Instance.objects.filter(pk=instance.pk).update(
        last_heartbeat_at=now, suspect_after=suspect_at(now)
    )
    if instance.role == Instance.Role.PRIMARY:
        begin(agent=instance.agent, now=now)


def end(*, agent: Agent) -> bool:
    """The slot is no longer managed. False if it was ended before."""
    ended = (
        Agent.objects.filter(pk=agent.pk)
        .exclude(status=Agent.Status.TERMINATED)
        .update(status=Agent.Status.TERMINATED, stale_after=None)
    )
    return bool(ended)


def mark_silent(*, now: datetime) -> list[Agent]:
    """Call offline whoever has missed its time; returns those that just went, with their clients.

    Any number of processes may sweep at once: each agent goes offline in exactly one of them.
    """
    with transaction.atomic():
        gone = list(
            Agent.objects.silent(now)
            .select_related("client")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("stale_after", "pk")[:SWEEP]
        )
        if gone:
            Agent.objects.filter(pk__in=[agent.pk for agent in gone]).update(
                status=Agent.Status.OFFLINE
            )
        for agent in gone:
            agent.status = Agent.Status.OFFLINE
            feed.record(
                client_id=agent.client_id,
                agent_id=agent.pk,
                event_type="agent_offline",
                severity="warning",
                message=f"Agent {agent} has been silent for {OFFLINE_AFTER.seconds} s.",
                now=now,
            )
    return gone


def look_again(instances: Sequence[Instance], *, at: datetime) -> None:
    """EC2 has been asked about these overdue machines, and says that they run: ask again at `at`."""
    Instance.objects.filter(pk__in=[row.pk for row in instances], suspect_after__lte=at).update(
        suspect_after=at
    )
