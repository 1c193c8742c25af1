"""Interruptions, switches and the feed: what has happened, newest first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from agents.models import Switch
from clients.models import Client, FeedEvent
from replicas.models import InterruptionEvent, Saga

DAY = timedelta(hours=24)
Action = InterruptionEvent.Action
Kind = InterruptionEvent.Kind


@dataclass(frozen=True)
class Stage:
    """One moment of an interruption, and how long after the one before."""

    name: str
    at: datetime
    after: timedelta | None


def stages(event: InterruptionEvent) -> list[Stage]:
    """Detected, received, acted, done: as far as it has come."""
    moments = [
        ("detected", event.detected_at),
        ("received", event.received_at),
        ("acted", event.acted_at),
        ("done", event.done_at),
    ]
    reached: list[Stage] = []
    for name, at in moments:
        if at is not None:
            reached.append(Stage(name, at, at - reached[-1].at if reached else None))
    return reached


@dataclass(frozen=True)
class Interruption:
    """An event as pages show it."""

    event: InterruptionEvent

    @property
    def stages(self) -> list[Stage]:
        """Its timings."""
        return stages(self.event)

    @property
    def outcome(self) -> str:
        """What came of it: `moved` once another machine serves, `handling` while that is open."""
        if self.event.done_at is not None:
            return "moved"
        return "handling" if is_open(self.event) else self.event.action_taken

    @property
    def failover(self) -> timedelta | None:
        """From receipt to completed promotion."""
        return self.event.done_at - self.event.received_at if self.event.done_at else None

    @property
    def spare(self) -> timedelta | None:
        """How long before the machine's announced end the slot had moved; negative if too late."""
        if self.event.done_at is None or self.event.termination_time is None:
            return None
        return self.event.termination_time - self.event.done_at

    @property
    def late(self) -> timedelta | None:
        """How long after the announced end, if so."""
        return -self.spare if self.spare is not None and self.spare < timedelta(0) else None


def is_open(event: InterruptionEvent) -> bool:
    """Whether something is still being done about it."""
    if event.acted_at is None:
        return True
    saga = event.saga
    return (
        event.kind != Kind.REBALANCE
        and event.done_at is None
        and saga is not None
        and saga.status in Saga.ACTIVE
    )


def interruptions(events: QuerySet[InterruptionEvent], *, limit: int) -> list[Interruption]:
    """The latest of these events, with all that a list shows of them."""
    rows = events.select_related("instance", "agent", "saga", "new_instance")
    return [Interruption(event) for event in rows[:limit]]


@dataclass(frozen=True)
class Tally:
    """Signals of the last 24 hours, rebalance recommendations apart."""

    interruptions: int
    handled: int
    open: int
    unanswered: int
    recommendations: int


def tally(client: Client, *, now: datetime) -> Tally:
    """Counted in one query. `unanswered`: a serving machine went, and nothing took its place."""
    real = ~Q(kind=Kind.REBALANCE)
    active = Exists(Saga.objects.filter(pk=OuterRef("saga"), status__in=Saga.ACTIVE))
    busy = Q(acted_at=None) | Q(done_at=None, moving=True)
    # Recorded with no saga: automation was off, or the machine served no longer; with one: it failed.
    lost = Q(action_taken=Action.FAILED) | Q(action_taken=Action.RECORDED, instance__role="primary")
    counts = (
        InterruptionEvent.objects.filter(client=client, received_at__gt=now - DAY)
        .annotate(moving=active)
        .aggregate(
            interruptions=Count("pk", filter=real),
            handled=Count("pk", filter=real & Q(done_at__isnull=False)),
            open=Count("pk", filter=real & busy),
            unanswered=Count("pk", filter=real & ~busy & lost & Q(done_at=None)),
            recommendations=Count("pk", filter=~real),
        )
    )
    return Tally(**counts)


def switches(client: Client, *, limit: int) -> list[Switch]:
    """The latest moves."""
    rows = Switch.objects.filter(client=client)
    return list(rows.select_related("agent", "from_instance", "to_instance")[:limit])


def feed(client: Client, *, limit: int, agent_id: UUID | None = None) -> list[FeedEvent]:
    """The latest events, of one agent if it is named."""
    rows = FeedEvent.objects.filter(client=client)
    return list((rows.filter(agent_id=agent_id) if agent_id else rows)[:limit])
