"""A client's day, filled in: three agents, standbys, interruptions, moves, prices."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.models import Agent, Command, Instance, Mode, Switch
from clients.models import Client, FeedEvent
from pricing.models import OnDemandPrice, Pool
from replicas.models import InterruptionEvent, Replica, Saga, Sighting, Step
from spotopt.tests import cast

ids = itertools.count(1)


def instance_id() -> str:
    """One that looks like EC2's."""
    return f"i-0{next(ids) * 0x9E3779B97F4A7C15 % 2**64:016x}"


def priced_pool(instance_type: str, az_id: str, price: str | None, now: datetime) -> Pool:
    """A pool with AWS's own word of its price a few minutes ago, if there is a price."""
    pool = cast.make_pool(instance_type, az_id)
    if price is not None:
        pool.spot_price = Decimal(price)
        pool.spot_price_at = now - timedelta(minutes=4)
        pool.save()
    return pool


def on_demand(instance_type: str, price: str, now: datetime) -> None:
    """What a type costs in us-east-1, since long ago."""
    OnDemandPrice.objects.get_or_create(
        instance_type=instance_type,
        region="us-east-1",
        product="Linux/UNIX",
        effective_from=now - timedelta(days=400),
        defaults={"price": Decimal(price)},
    )


def machine(agent: Agent, pool: Pool, zone: str, now: datetime, **fields: Any) -> Instance:
    """A machine in a pool, in the zone that this account calls us-east-1<zone>."""
    az_name = f"us-east-1{zone}"
    return cast.make_instance(
        agent, instance_id(), pool=pool, now=now, **{"az_name": az_name, **fields}
    )


def saga(agent: Agent, now: datetime, **fields: Any) -> Saga:
    """A standby's saga, standing, unless told otherwise."""
    return Saga.objects.create(
        **{
            "client": agent.client,
            "agent": agent,
            "trigger": Saga.Trigger.REBALANCE,
            "goal": Saga.Goal.STANDBY,
            "status": Saga.Status.STANDING,
            "reason": "the pool got a rebalance recommendation",
            "created_at": now,
            **fields,
        }
    )


def standby(agent: Agent, pool: Pool, zone: str, now: datetime, **fields: Any) -> Replica:
    """A ready standby with its machine and its saga."""
    spare = machine(agent, pool, zone, now, role=Instance.Role.STANDBY)
    return Replica.objects.create(
        **{
            "client": agent.client,
            "agent": agent,
            "saga": saga(agent, now),
            "replica_type": Replica.Type.AUTOMATIC,
            "status": Replica.Status.READY,
            "pool": pool,
            "instance": spare,
            "created_at": now,
            "launched_at": now + timedelta(seconds=2),
            "registered_at": now + timedelta(seconds=36),
            "ready_at": now + timedelta(seconds=41),
            **fields,
        }
    )


def steps(saga: Saga, now: datetime, *made: tuple[str, str, float, dict[str, Any]]) -> None:
    """Journal entries (name, outcome, seconds taken, detail), one after the other."""
    for name, outcome, seconds, detail in made:
        attempt = saga.steps.filter(name=name).count() + 1
        ended = now + timedelta(seconds=seconds)
        Step.objects.create(
            saga=saga,
            name=name,
            attempt=attempt,
            outcome=outcome,
            detail=detail,
            started_at=now,
            ended_at=ended,
        )
        now = ended


def tell(
    client: Client, at: datetime, message: str, severity: str = "info", agent: Agent | None = None
) -> None:
    """A feed event of some time ago."""
    FeedEvent.objects.create(
        client=client,
        agent_id=agent.pk if agent else None,
        event_type="test",
        severity=severity,
        message=message,
        created_at=at,
    )


def interruption(instance: Instance, at: datetime, **fields: Any) -> InterruptionEvent:
    """A notice that the agent saw at `at`, 0.4 s before it was received."""
    event = InterruptionEvent.objects.create(
        **{
            "client": instance.client,
            "agent": instance.agent,
            "instance": instance,
            "pool": instance.pool,
            "kind": InterruptionEvent.Kind.NOTICE,
            "key": at.isoformat(),
            "termination_time": at + timedelta(minutes=2),
            "detected_at": at,
            "received_at": at + timedelta(seconds=0.4),
            **fields,
        }
    )
    Sighting.objects.create(event=event, channel="agent", first_at=event.received_at)
    return event


@dataclass(frozen=True)
class Scene:
    """What stands where."""

    covered: Agent
    moved: Agent
    bought: Agent
    standby: Replica


def fill(client: Client, now: datetime) -> Scene:
    """An API with a ready standby, a worker that was moved two hours ago, an index on demand."""
    medium_a = priced_pool("t3.medium", "use1-az1", "0.0125", now)
    medium_b = priced_pool("t3.medium", "use1-az2", "0.0139", now)
    large_c = priced_pool("c5.large", "use1-az4", "0.0336", now)
    large_b = priced_pool("c5.large", "use1-az2", "0.0358", now)
    memory = priced_pool("r5.large", "use1-az1", "0.0487", now)
    on_demand("t3.medium", "0.0416", now)
    on_demand("c5.large", "0.085", now)
    on_demand("r5.large", "0.126", now)
    covered = _covered(client, medium_a, medium_b, now)
    moved = _moved(client, large_c, large_b, now - timedelta(hours=2, minutes=13))
    bought = cast.make_agent(client, logical_agent_id="search-index")
    machine(bought, memory, "a", now - timedelta(hours=20), mode=Mode.ON_DEMAND)
    tell(client, now - timedelta(hours=20), "Agent search-index registered in r5.large.use1-az1.")
    return Scene(covered, moved, bought, Replica.objects.get(agent=covered))


def _covered(client: Client, here: Pool, there: Pool, now: datetime) -> Agent:
    agent = cast.make_agent(
        client, logical_agent_id="checkout-api", last_heartbeat_at=now - timedelta(seconds=12)
    )
    primary = machine(agent, here, "a", now - timedelta(days=3))
    asked = now - timedelta(minutes=26)
    replica = standby(agent, there, "b", asked)
    steps(
        replica.saga,
        asked,
        ("launch", "done", 1.9, {"instance_id": replica.instance and replica.instance.instance_id}),
        ("register", "done", 34.2, {}),
    )
    interruption(
        primary,
        asked - timedelta(seconds=1),
        kind=InterruptionEvent.Kind.REBALANCE,
        termination_time=None,
        acted_at=asked,
        action_taken=InterruptionEvent.Action.CREATED,
        explanation=f"spot in {there}, attempt 1",
        risk_score=0.44,
        saga=replica.saga,
        new_instance=replica.instance,
    )
    tell(
        client,
        asked,
        f"{primary} of {agent} got a rebalance recommendation",
        "warning",
        agent=agent,
    )
    tell(
        client,
        asked + timedelta(seconds=41),
        f"An automatic replica of {agent} is ready in {there}",
        agent=agent,
    )
    return agent


def _moved(client: Client, old_pool: Pool, new_pool: Pool, at: datetime) -> Agent:
    agent = cast.make_agent(client, logical_agent_id="orders-worker")
    gone = at + timedelta(minutes=3)
    old = machine(
        agent,
        old_pool,
        "c",
        at - timedelta(days=6),
        role=Instance.Role.SUPERSEDED,
        superseded_at=at + timedelta(seconds=42),
        terminated_at=gone,
    )
    new = machine(agent, new_pool, "b", at + timedelta(seconds=2))
    done = at + timedelta(seconds=42.7)
    emergency = saga(
        agent,
        at,
        trigger=Saga.Trigger.EMERGENCY,
        goal=Saga.Goal.PROMOTE,
        status=Saga.Status.DONE,
        reason=f"{old} got an interruption notice",
        old_instance=old,
        promoted_at=done,
        ended_at=gone,
    )
    Replica.objects.create(
        client=client,
        agent=agent,
        saga=emergency,
        replica_type=Replica.Type.EMERGENCY,
        status=Replica.Status.PROMOTED,
        pool=new_pool,
        instance=new,
        created_at=at,
        ready_at=at + timedelta(seconds=41),
        promoted_at=done,
    )
    steps(
        emergency,
        at + timedelta(seconds=0.4),
        (
            "launch",
            "refused",
            0.8,
            {"code": "InsufficientInstanceCapacity", "pool": "c5.large.use1-az1"},
        ),
        ("launch", "done", 1.7, {"instance_id": new.instance_id}),
        ("route", "done", 0.3, {}),
        ("rebind", "done", 0.1, {"fenced": old.instance_id}),
        ("retire", "done", 140.0, {"instance_id": old.instance_id}),
    )
    interruption(
        old,
        at,
        acted_at=at + timedelta(seconds=2.9),
        done_at=done,
        action_taken=InterruptionEvent.Action.CREATED,
        explanation=f"spot in {new_pool}, attempt 2",
        saga=emergency,
        new_instance=new,
    )
    Switch.objects.create(
        client=client,
        agent=agent,
        switch_type=Switch.Type.EMERGENCY,
        reason=emergency.reason,
        from_instance=old,
        to_instance=new,
        from_price=Decimal("0.0336"),
        to_price=Decimal("0.0358"),
        on_demand_price=Decimal("0.085"),
        started_at=at,
        executed_at=done,
        workload_stopped_at=done + timedelta(seconds=0.3),
        workload_started_at=done + timedelta(seconds=1.1),
    )
    Command.objects.create(
        agent=agent,
        instance=new,
        command_type=Command.Type.PROMOTE,
        priority=Command.Priority.EMERGENCY,
        dedupe_key="promote",
        status=Command.Status.EXECUTED,
        created_at=done,
        expires_at=done + timedelta(minutes=5),
        executed_at=done + timedelta(seconds=1.2),
    )
    tell(
        client,
        at,
        f"{old} of {agent} in {old_pool} got an interruption notice",
        "warning",
        agent=agent,
    )
    tell(
        client,
        done,
        f"Agent {agent} moved from {old} to {new} (emergency_termination).",
        agent=agent,
    )
    return agent
