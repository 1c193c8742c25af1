"""Acme's market for tests with a database: prices, zones, signals."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.models import Agent, Instance, Switch
from clients.models import Client
from pricing.models import CleanPrice, OnDemandPrice, Pool, Zone
from replicas.models import InterruptionEvent
from spotopt.tests import cast

TYPE = "t3.medium"
ZONES = ("use1-az1", "use1-az2", "use1-az4")
HERE, B, C = (f"{TYPE}.{zone}" for zone in ZONES)
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/spotopt"


def connect(client: Client, *, now: datetime, zones: Sequence[str] = ZONES) -> Client:
    """Give the client an AWS account in which these zones of us-east-1 are known."""
    client.aws_role_arn = ROLE
    client.save()
    Zone.objects.bulk_create(
        [
            Zone(
                account=ACCOUNT,
                region="us-east-1",
                az_name=f"us-east-1{letter}",
                az_id=zone,
                seen_at=now,
            )
            for letter, zone in zip("abcdef", zones, strict=False)
        ],
        ignore_conflicts=True,
    )
    return client


def price(pool_id: str, usd: str | None, *, at: datetime) -> Pool:
    """AWS's own word on a pool."""
    instance_type, az_id = pool_id.rsplit(".", 1)
    pool = cast.make_pool(instance_type, az_id)
    pool.spot_price = None if usd is None else Decimal(usd)
    pool.spot_price_at = None if usd is None else at
    pool.save()
    return pool


def prices(*, at: datetime, here: str | None, b: str | None, c: str | None) -> None:
    """Of the three zones."""
    for pool_id, usd in ((HERE, here), (B, b), (C, c)):
        price(pool_id, usd, at=at)


def on_demand(usd: str, *, at: datetime, instance_type: str = TYPE) -> None:
    """In force since the day before."""
    OnDemandPrice.objects.create(
        instance_type=instance_type,
        region="us-east-1",
        price=Decimal(usd),
        effective_from=at - timedelta(days=1),
    )


def clean(
    pool_id: str, usd: str, *, at: datetime, client: Client | None = None, **fields: Any
) -> None:
    """One clean bucket."""
    CleanPrice.objects.create(
        pool_id=pool_id,
        bucket=at,
        price=Decimal(usd),
        client_id=client.pk if client else None,
        source="primary" if client else "aws",
        **fields,
    )


def signal(instance: Instance, kind: str, *, at: datetime, **fields: Any) -> InterruptionEvent:
    """A signal about a machine, answered."""
    return InterruptionEvent.objects.create(
        **{
            "client_id": instance.client_id,
            "agent_id": instance.agent_id,
            "instance": instance,
            "pool_id": instance.pool_id,
            "kind": kind,
            "key": f"{kind} {at.isoformat()}",
            "detected_at": at,
            "received_at": at,
            "acted_at": at,
            **fields,
        }
    )


def moved(agent: Agent, *, at: datetime, name: str = "") -> Switch:
    """A switch of this agent, some time ago."""
    to = cast.make_instance(
        agent, name or f"i-{at.timestamp():.0f}", role="superseded", terminated_at=at
    )
    return Switch.objects.create(
        client=agent.client,
        agent=agent,
        switch_type=Switch.Type.PLANNED,
        reason="test",
        to_instance=to,
        started_at=at,
        executed_at=at,
    )


def fleet(
    client: Client, count: int, *, start: int = 0, now: datetime, **fields: Any
) -> list[Agent]:
    """So many online agents in HERE, launched two days ago."""
    agents = [cast.make_agent(client, now=now, **fields) for _ in range(count)]
    for number, agent in enumerate(agents, start):
        cast.make_instance(
            agent,
            f"i-{number:08d}",
            pool=cast.make_pool(TYPE, ZONES[0]),
            now=now - timedelta(days=2),
        )
    return agents
