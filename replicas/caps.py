"""Caps hold in emergencies too: instances, spend, and launches an hour. Past them a person is told."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from agents.models import Agent, Instance, Mode
from pricing import queries
from replicas.models import Replica, Step

EMERGENCY_LAUNCHES_PER_HOUR = 6


def reached(*, agent: Agent, emergency: bool, now: datetime) -> str:
    """Which cap forbids another launch for this agent, in words; empty when none does."""
    client = agent.client
    billing = list(
        Instance.objects.billing()
        .filter(client=client)
        .exclude(role=Instance.Role.RELEASED)
        .values_list("pool_id", "instance_type", "region", "mode")
    )
    if len(billing) >= client.max_instances:
        return f"the client's cap of {client.max_instances} instances is reached"
    if emergency:
        launches = Step.objects.filter(
            saga__agent=agent,
            name="launch",
            outcome=Step.Outcome.DONE,
            replica__replica_type=Replica.Type.EMERGENCY,
            started_at__gt=now - timedelta(hours=1),
        ).count()
        if launches >= EMERGENCY_LAUNCHES_PER_HOUR:
            return f"{launches} emergency launches for this agent within the hour"
    spend = _usd_per_hour(billing, client_id=client.pk, now=now)
    if spend >= client.max_usd_per_hour:
        return f"the client's cap of {client.max_usd_per_hour} USD an hour is reached ({spend:.2f})"
    return ""


def _usd_per_hour(
    billing: list[tuple[str, str, str, str]], *, client_id: UUID, now: datetime
) -> Decimal:
    """What is known of the present spend; a machine of unknown price counts as nothing here."""
    spot = queries.current_prices(
        {pool_id for pool_id, _, _, mode in billing if mode == Mode.SPOT},
        client_id=client_id,
        now=now,
    )
    total = Decimal(0)
    by_region: dict[str, set[str]] = {}
    for _, instance_type, region, mode in billing:
        if mode == Mode.ON_DEMAND:
            by_region.setdefault(region, set()).add(instance_type)
    on_demand = {
        (region, instance_type): price
        for region, types in by_region.items()
        for instance_type, price in queries.on_demand_prices(types, region, at=now).items()
    }
    for pool_id, instance_type, region, mode in billing:
        if mode == Mode.SPOT:
            total += spot[pool_id].price if pool_id in spot else Decimal(0)
        else:
            total += on_demand.get((region, instance_type), Decimal(0))
    return total
