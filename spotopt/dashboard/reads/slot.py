"""One agent, closely: its machines with what they cost, replicas, sagas with their journals, commands."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, IntegerField, Prefetch, Value, When

from agents.models import Agent, Command, Instance
from replicas.models import Replica, Saga, Step
from spotopt.dashboard.reads import costs, places

ROLE_ORDER = [
    Instance.Role.PRIMARY,
    Instance.Role.STANDBY,
    Instance.Role.SUPERSEDED,
    Instance.Role.RELEASED,
]


@dataclass(frozen=True)
class Machine:
    """A machine of the slot; its price is None where it is gone or the price is unknown."""

    instance: Instance
    price: Decimal | None

    @property
    def place(self) -> str:
        """Its pool."""
        return places.of_machine(self.instance)

    @property
    def state(self) -> str:
        """Whether it bills, as far as EC2 has said."""
        if self.instance.terminated_at is not None:
            return "terminated"
        if self.instance.retire_asked_at is not None:
            return "terminating"
        retired = self.instance.role == Instance.Role.SUPERSEDED
        return "leftover" if retired else "running"


@dataclass(frozen=True)
class Machines:
    """The slot's machines, the serving one first, and what they save together."""

    rows: list[Machine]
    saving: costs.Saving | None
    on_demand: Decimal | None

    @property
    def primary(self) -> Machine | None:
        """The one that serves."""
        return next((row for row in self.rows if row.instance.role == Instance.Role.PRIMARY), None)


def machines(agent: Agent, *, now: datetime, limit: int) -> Machines:
    """The serving one, standbys, then the latest of the others."""
    ranks = [When(role=role, then=Value(rank)) for rank, role in enumerate(ROLE_ORDER)]
    found = list(
        Instance.objects.filter(agent=agent)
        .annotate(rank=Case(*ranks, output_field=IntegerField()))
        .order_by("rank", "-launched_at", "pk")[:limit]
    )
    billing = [
        row for row in found if row.terminated_at is None and row.role != Instance.Role.RELEASED
    ]
    quotes = costs.read(billing, client_id=agent.client_id, now=now)
    primary = next((row for row in found if row.role == Instance.Role.PRIMARY), None)
    return Machines(
        rows=[Machine(row, quotes.now(row) if row in billing else None) for row in found],
        saving=costs.saving_of(primary, billing, quotes),
        on_demand=quotes.on_demand(primary) if primary else None,
    )


@dataclass(frozen=True)
class ReplicaRow:
    """A replica, where it is, and how long it took to be ready."""

    replica: Replica
    place: str

    @property
    def ready_after(self) -> timedelta | None:
        """From the request to readiness."""
        ready = self.replica.ready_at
        return ready - self.replica.created_at if ready else None

    @property
    def live(self) -> bool:
        """Whether it may still be promoted or deleted."""
        return self.replica.status in Replica.LIVE


def replicas(agent: Agent, *, limit: int) -> list[ReplicaRow]:
    """The latest."""
    names = places.names_of(agent.client)
    rows = Replica.objects.filter(agent=agent).select_related("pool", "instance")[:limit]
    return [ReplicaRow(row, places.of_pool(row.pool, names)) for row in rows]


@dataclass(frozen=True)
class JournalStep:
    """One step, how long it took, and what it was about, in words."""

    step: Step

    @property
    def took(self) -> timedelta | None:
        """None while it is not over."""
        return self.step.ended_at - self.step.started_at if self.step.ended_at else None

    @property
    def about(self) -> str:
        """Pool, mode and the detail, such as `instance_id i-0…`."""
        parts = [self.step.pool_id or "", self.step.mode]
        parts += [f"{key} {value}" for key, value in flat(self.step.detail)]
        return " · ".join(part for part in parts if part)


def flat(detail: Any) -> Iterable[tuple[str, str]]:
    """The journal's own details that can be read in a line; nested ones are left to the admin."""
    if not isinstance(detail, dict):
        return []
    return [
        (str(key).replace("_", " "), str(value)[:120])
        for key, value in detail.items()
        if isinstance(value, str | int | float) and value != ""
    ]


@dataclass(frozen=True)
class Journal:
    """A saga with its steps in order."""

    saga: Saga
    steps: list[JournalStep]

    @property
    def took(self) -> timedelta | None:
        """From its beginning to the promotion."""
        return self.saga.promoted_at - self.saga.created_at if self.saga.promoted_at else None


def journals(agent: Agent, *, limit: int) -> list[Journal]:
    """The latest sagas, in two queries."""
    steps = Prefetch("steps", queryset=Step.objects.order_by("started_at", "pk"))
    sagas = Saga.objects.filter(agent=agent).prefetch_related(steps)[:limit]
    return [Journal(saga, [JournalStep(step) for step in saga.steps.all()]) for saga in sagas]


def commands(agent: Agent, *, limit: int) -> list[Command]:
    """The latest, with the machines they went to."""
    rows = Command.objects.filter(agent=agent).select_related("instance")
    return list(rows.order_by("-created_at", "-pk")[:limit])
