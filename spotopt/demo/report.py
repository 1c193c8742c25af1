"""What the demo saw, as JSON, and what of it must not be."""

from collections import Counter
from datetime import datetime
from typing import Any

from agents.models import Agent, Instance
from pricing import queries
from replicas.models import InterruptionEvent, Replica, Saga, Step
from spotopt.demo.customer import REGION, Customer
from spotopt.demo.play import Raised
from spotopt.demo.prober import Record
from spotopt.lib.times import rfc3339

GONE = ("terminated", "shutting-down")


def build(
    *,
    customer: Customer,
    state: dict[str, Any],
    raised: list[Raised],
    records: dict[str, Record],
    now: datetime,
) -> dict[str, Any]:
    """`state` is the simulator's own account of the world at the end; money in USD, times in UTC."""
    machines = state["instances"]
    bills = [machine["id"] for machine in machines if machine["state"] not in GONE]
    return {
        "interruptions": [_interruption(one, records[one.agent_id]) for one in raised],
        "agents": [_agent(name, record) for name, record in records.items()],
        "instances": {
            "launched": len(machines),
            "terminated": len(machines) - len(bills),
            "billing": len(bills),
        },
        "cost_usd": round(sum(machine["cost_usd"] for machine in machines), 6),
        "on_demand_cost_usd": _on_demand(customer, records, now),
        "violations": violations(customer=customer, state=state, records=records),
    }


def _interruption(raised: Raised, record: Record) -> dict[str, Any]:
    event = (
        InterruptionEvent.objects.filter(
            agent_id=raised.agent_id, instance__instance_id=raised.instance_id, kind=raised.kind
        )
        .order_by("-received_at")
        .first()
    )
    replaced = None
    if raised.kind != "rebalance":
        replaced = record.first_other(raised.instance_id, raised.raised_at)
    return {
        "kind": raised.kind,
        "agent_id": raised.agent_id,
        "instance_id": raised.instance_id,
        "raised_at": rfc3339(raised.raised_at),
        "detected_at": rfc3339(event.detected_at) if event else None,
        "received_at": rfc3339(event.received_at) if event else None,
        "acted_at": rfc3339(event.acted_at) if event else None,
        "promoted_at": rfc3339(replaced),
        "standby_was_ready": _was_ready(event),
        "outcome": event.action_taken if event else "not heard",
    }


def _was_ready(event: InterruptionEvent | None) -> bool:
    if event is None or event.saga is None:
        return False
    replica = event.saga.replicas.order_by("created_at").last()
    return bool(replica and replica.ready_at and replica.ready_at <= event.received_at)


def _agent(agent_id: str, record: Record) -> dict[str, Any]:
    up, down = record.up_and_down()
    return {
        "agent_id": agent_id,
        "seconds_up": round(up, 1),
        "seconds_down": round(down, 1),
        "instances": record.instances,
    }


def _on_demand(customer: Customer, records: dict[str, Record], now: datetime) -> float | None:
    """The same uptime and downtime, one on-demand machine a slot; None if a price is unknown."""
    total = 0.0
    for workload in customer.workloads:
        price = queries.on_demand_price(workload.instance_type, REGION, at=now)
        if price is None:
            return None
        total += float(price) * sum(records[workload.agent_id].up_and_down()) / 3600
    return round(total, 6)


def violations(
    *, customer: Customer, state: dict[str, Any], records: dict[str, Record]
) -> list[str]:
    """Each in a sentence; an empty list is what we are here for."""
    machines = {machine["id"]: machine for machine in state["instances"]}
    found: list[str] = []
    for workload in customer.workloads:
        record = records[workload.agent_id]
        if record.serving is None:
            found.append(f"{workload.name}: no running primary at the end")
        found += [f"{workload.name}: two primaries, {what}" for what in record.two_primaries]
    billing = {name for name, machine in machines.items() if machine["state"] not in GONE}
    known = set(
        Instance.objects.filter(instance_id__in=billing, terminated_at=None).values_list(
            "instance_id", flat=True
        )
    )
    found += [f"{name} bills and no row knows it" for name in sorted(billing - known)]
    wanted = _wanted()
    found += [
        f"{name} bills, and is neither a primary nor a wanted standby"
        for name in sorted(billing & known - wanted)
    ]
    found += _launched_twice(machines)
    found += [
        f"agent {agent} has no primary row"
        for agent in Agent.objects.live().exclude(instances__role=Instance.Role.PRIMARY)
    ]
    return found


def _wanted() -> set[str]:
    standbys = Replica.objects.filter(
        status__in=Replica.LIVE, saga__status__in=Saga.ACTIVE, instance__isnull=False
    ).values_list("instance__instance_id", flat=True)
    primaries = Instance.objects.primary().values_list("instance_id", flat=True)
    return {name for name in (*standbys, *primaries) if name}


def _launched_twice(machines: dict[str, Any]) -> list[str]:
    """Machines of one replica row, by the tag they carry; a row launches one."""
    per_replica = Counter(
        machine["tags"].get("spotopt:replica")
        for machine in machines.values()
        if machine["tags"].get("spotopt:replica")
    )
    twice = [f"replica {name} was launched {n} times" for name, n in per_replica.items() if n > 1]
    known = {str(pk) for pk in Replica.objects.values_list("pk", flat=True)}
    lost = [
        f"a machine of replica {name}, which no row knows"
        for name in per_replica
        if name not in known
    ]
    done = Step.objects.filter(name="launch", outcome=Step.Outcome.DONE).values_list(
        "replica_id", flat=True
    )
    again = [f"replica {name} adopted {n} launches" for name, n in Counter(done).items() if n > 1]
    return twice + lost + again
