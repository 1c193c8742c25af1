"""Reads for pages, the API's lists and other apps: few statements, whatever the number of agents."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Q, QuerySet

from agents import costs
from agents.models import Agent, Command, Instance, Mode, Switch
from pricing import queries as prices


@dataclass(frozen=True)
class AgentRow:
    """An agent as a list shows it. Prices in USD per hour, None where unknown."""

    agent: Agent
    primary: Instance | None
    standbys: Sequence[Instance]
    price: Decimal | None
    on_demand_price: Decimal | None

    @property
    def saving(self) -> float | None:
        """Share of the on-demand price that the primary saves; None unless both prices are known."""
        if self.price is None or not self.on_demand_price:
            return None
        return float(1 - self.price / self.on_demand_price)


def visible(client_ids: Collection[uuid.UUID] | None) -> QuerySet[Agent]:
    """The live agents of these clients (None: of all), with their clients."""
    rows = Agent.objects.live().select_related("client")
    return rows if client_ids is None else rows.filter(client_id__in=client_ids)


def rows(agents: QuerySet[Agent] | Sequence[Agent], *, now: datetime) -> list[AgentRow]:
    """With machines and prices: two statements for the machines, three for prices and each client's own."""
    present = (
        Instance.objects.billing()
        .filter(role__in=(Instance.Role.PRIMARY, Instance.Role.STANDBY))
        .select_related("pool")
        .order_by("-launched_at", "pk")
    )
    found = list(agents)
    machines: dict[uuid.UUID, list[Instance]] = {}
    for instance in present.filter(agent__in=[agent.pk for agent in found]):
        machines.setdefault(instance.agent_id, []).append(instance)
    primaries = {
        agent.pk: next((m for m in machines.get(agent.pk, ()) if m.role == "primary"), None)
        for agent in found
    }
    now_price: dict[uuid.UUID, Decimal | None] = {}
    for client_id in {agent.client_id for agent in found}:
        mine = [p for p in primaries.values() if p is not None and p.client_id == client_id]
        now_price |= costs.hourly(mine, client_id=client_id, now=now)
    on_demand = _on_demand([p for p in primaries.values() if p is not None], now=now)
    return [
        AgentRow(
            agent=agent,
            primary=(primary := primaries[agent.pk]),
            standbys=[m for m in machines.get(agent.pk, ()) if m.role == "standby"],
            price=now_price[primary.pk] if primary else None,
            on_demand_price=on_demand.get((primary.instance_type, primary.region))
            if primary
            else None,
        )
        for agent in found
    ]


def _on_demand(instances: Sequence[Instance], *, now: datetime) -> dict[tuple[str, str], Decimal]:
    types: dict[str, set[str]] = {}
    for instance in instances:
        types.setdefault(instance.region, set()).add(instance.instance_type)
    return {
        (kind, region): price
        for region, kinds in types.items()
        for kind, price in prices.on_demand_prices(kinds, region, at=now).items()
    }


def switches(client_ids: Collection[uuid.UUID] | None) -> QuerySet[Switch]:
    """Completed moves, the newest first, with both machines and their pools."""
    found = Switch.objects.select_related("agent", "from_instance__pool", "to_instance__pool")
    return found if client_ids is None else found.filter(client_id__in=client_ids)


def recent_commands(agent: Agent) -> QuerySet[Command]:
    """What the agent was asked lately, the newest first."""
    return Command.objects.filter(agent=agent).select_related("instance").order_by("-created_at")


def counts(client_ids: Collection[uuid.UUID] | None) -> dict[str, int]:
    """Live agents by status, and machines by the way they are bought; two statements."""
    status = Agent.Status
    agents = visible(client_ids).aggregate(
        agents=Count("pk"),
        online=Count("pk", filter=Q(status=status.ONLINE)),
        offline=Count("pk", filter=Q(status=status.OFFLINE)),
    )
    machines = Instance.objects.billing().exclude(role=Instance.Role.RELEASED)
    if client_ids is not None:
        machines = machines.filter(client_id__in=client_ids)
    running = machines.aggregate(
        spot=Count("pk", filter=Q(mode=Mode.SPOT)),
        on_demand=Count("pk", filter=Q(mode=Mode.ON_DEMAND)),
    )
    return {**agents, **running}
