"""The slots that decisions are about, and what speaks for or against moving each: read at once for all."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from agents.models import Agent, Command, Instance, Switch
from clients import installation
from clients.models import Client
from mlengine import blackouts
from mlengine.blackouts import Blackouts
from mlengine.situation import Limits, State
from replicas.models import InterruptionEvent, Saga

Kind = InterruptionEvent.Kind

DAY, WEEK = timedelta(days=1), timedelta(days=7)
# The longest cooldown that can be set is 30 days.
LOOK_BACK = timedelta(days=31)
# After this long without an end, a machine that was given notice has been spared.
INTERRUPTION_LASTS = timedelta(hours=1)
LIMITS = ("min_savings_threshold", "max_risk_score", "cooldown_minutes", "max_switches_per_day")


@dataclass(frozen=True)
class Slot:
    """An agent with its client and its primary, if one serves."""

    agent: Agent
    client: Client
    primary: Instance | None


@dataclass(frozen=True)
class Moves:
    """An agent's switches and the attempts that failed."""

    last_switch_at: datetime | None = None
    day: int = 0
    week: int = 0


@dataclass
class Facts:
    """By agent, what `state_of` needs; `machines` counts those that may bill, by client."""

    automation: bool
    interrupted: set[uuid.UUID]
    moving: set[uuid.UUID]
    ordered: set[uuid.UUID]
    failures: dict[uuid.UUID, datetime]
    moves: dict[uuid.UUID, Moves]
    blackouts: Blackouts
    machines: Counter[uuid.UUID]

    def state_of(self, slot: Slot, *, connected: bool) -> State:
        """What the gates look at."""
        agent, client = slot.agent, slot.client
        moves = self.moves.get(agent.pk, Moves())
        return State(
            enabled=agent.enabled,
            automation=self.automation and client.automation,
            client_active=client.status == Client.Status.ACTIVE,
            connected=connected,
            online=agent.status == Agent.Status.ONLINE,
            auto_switch=agent.auto_switch_enabled,
            interrupted=agent.pk in self.interrupted,
            moving=agent.pk in self.moving,
            switch_ordered=agent.pk in self.ordered,
            blackout=self.blackouts.over(client_id=client.pk, agent_id=agent.pk),
            last_switch_at=moves.last_switch_at,
            last_failure_at=self.failures.get(agent.pk),
            switches_24h=moves.day,
            switches_7d=moves.week,
            room=self.room(client),
        )

    def room(self, client: Client) -> int:
        """How many more machines the client's cap allows."""
        return client.max_instances - self.machines[client.pk]


def clients_of_live_agents() -> dict[uuid.UUID, Client]:
    """By id; two statements at most."""
    rows = Client.objects.filter(pk__in=Agent.objects.live().order_by().values("client_id"))
    return {row.pk: row for row in rows}


def slots(clients: Mapping[uuid.UUID, Client]) -> list[Slot]:
    """The live agents of these clients: two statements. The large columns stay where they are."""
    primaries = {
        row.agent_id: row
        for row in Instance.objects.primary()
        .filter(client__in=list(clients))
        .select_related("pool")
        .defer("metrics", "hooks")
    }
    agents = Agent.objects.live().filter(client__in=list(clients)).defer("state")
    return [Slot(agent, clients[agent.client_id], primaries.get(agent.pk)) for agent in agents]


def limits_of(agent: Agent) -> Limits:
    """The slot's limits. One that differs from what agents start with was set by somebody."""
    start = Agent()
    own = {name for name in LIMITS if getattr(agent, name) != getattr(start, name)}
    return Limits(
        min_savings_threshold=agent.min_savings_threshold,
        max_risk_score=agent.max_risk_score,
        cooldown=timedelta(minutes=agent.cooldown_minutes),
        max_switches_per_day=agent.max_switches_per_day,
        own=frozenset(own),
    )


def facts(*, now: datetime) -> Facts:
    """Eight statements, whatever the number of slots."""
    ordered, failures = _commands(now)
    return Facts(
        automation=installation.current().automation,
        interrupted=_interrupted(now),
        moving=set(
            Saga.objects.filter(status__in=Saga.ACTIVE)
            .order_by()
            .values_list("agent_id", flat=True)
        ),
        ordered=ordered,
        failures=failures,
        moves=_moves(now),
        blackouts=blackouts.in_force(now),
        machines=_machines(),
    )


def _interrupted(now: datetime) -> set[uuid.UUID]:
    """Whose present machine was given notice or has died, or whose signal nobody has answered yet."""
    ending = Q(kind__in=(Kind.NOTICE, Kind.DEATH)) | Q(acted_at=None)
    rows = InterruptionEvent.objects.filter(
        ending, instance__role=Instance.Role.PRIMARY, received_at__gt=now - INTERRUPTION_LASTS
    )
    return set(rows.order_by().values_list("agent_id", flat=True))


def _commands(now: datetime) -> tuple[set[uuid.UUID], dict[uuid.UUID, datetime]]:
    """Agents with an open switch, and when the last one that a decision ordered came to nothing."""
    switches = Command.objects.filter(command_type=Command.Type.SWITCH).order_by()
    open_ones = switches.filter(status__in=Command.OPEN, expires_at__gt=now)
    failed = (
        switches.filter(
            priority=Command.Priority.DECISION,
            status__in=(Command.Status.FAILED, Command.Status.EXPIRED),
            created_at__gt=now - LOOK_BACK,
        )
        .values_list("agent_id")
        .annotate(last=Max("created_at"))
    )
    return set(open_ones.values_list("agent_id", flat=True)), dict(failed)


def _moves(now: datetime) -> dict[uuid.UUID, Moves]:
    """All switches count, whoever asked for them: what a workload suffers is the same."""
    rows: Iterable[tuple[uuid.UUID, datetime, int, int]] = (
        Switch.objects.filter(executed_at__gt=now - LOOK_BACK)
        .order_by()
        .values_list("agent_id")
        .annotate(
            last=Max("executed_at"),
            day=Count("pk", filter=Q(executed_at__gt=now - DAY)),
            week=Count("pk", filter=Q(executed_at__gt=now - WEEK)),
        )
    )
    return {agent_id: Moves(last, day, week) for agent_id, last, day, week in rows}


def _machines() -> Counter[uuid.UUID]:
    """As `replicas.caps` counts them."""
    rows = (
        Instance.objects.billing()
        .exclude(role=Instance.Role.RELEASED)
        .order_by()
        .values_list("client_id")
        .annotate(machines=Count("pk"))
    )
    return Counter(dict(rows))
