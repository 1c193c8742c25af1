"""Gathers what the choice of a pool depends on: prices, losses, quarantines, refusals in this very move."""

from datetime import datetime, timedelta

from agents.models import Agent, Mode
from clients import connection
from pricing import pools, queries
from pricing.models import Pool, Zone
from replicas import quarantine
from replicas.models import InterruptionEvent, Saga, Step
from replicas.sef_policy import Candidate, Situation
from spotopt.cloud import session

LOSSES = (InterruptionEvent.Kind.NOTICE, InterruptionEvent.Kind.DEATH)


def candidate_pools(*, agent: Agent, pool: Pool) -> list[Pool]:
    """Pools the agent may run in: its type and those its client allows, in each zone of its region."""
    account = connection.account_for(agent.client)
    allowed = agent.client.aws_subnets
    zone_ids = set(
        Zone.objects.filter(
            account=session.account_number(account), region=pool.region
        ).values_list("az_id", flat=True)
    ) | {pool.az_id}
    if allowed:
        zone_ids &= set(allowed) | {pool.az_id}
    types = dict.fromkeys([pool.instance_type, *agent.client.allowed_types])
    wanted = {
        pools.pool_id(instance_type, az_id, pool.product): (instance_type, az_id)
        for instance_type in types
        for az_id in sorted(zone_ids)
    }
    known = Pool.objects.in_bulk(list(wanted))
    for pool_id, (instance_type, az_id) in wanted.items():
        if pool_id not in known:
            known[pool_id] = pools.ensure(
                instance_type=instance_type, az_id=az_id, region=pool.region, product=pool.product
            )
    return [known[pool_id] for pool_id in wanted]


def look(*, saga: Saga, pool: Pool, failing_az: str, now: datetime) -> Situation:
    """A snapshot for `sef_policy.choose`; `pool` is where the workload runs now."""
    agent = saga.agent
    found = candidate_pools(agent=agent, pool=pool)
    if saga.wanted_pool is not None and saga.wanted_pool not in found:
        found.append(saga.wanted_pool)
    ids = [candidate.pool_id for candidate in found]
    prices = queries.current_prices(ids, client_id=agent.client_id, now=now)
    on_demand = queries.on_demand_prices(
        {candidate.instance_type for candidate in found}, pool.region, at=now
    )
    held = quarantine.until_by_pool(pool_ids=ids, now=now)
    refused = _refusals(saga)
    losses = _losses(ids, now)
    candidates = []
    for candidate in found:
        key = candidate.pool_id
        price = prices.get(key)
        count, last = losses.get(key, (0, None))
        candidates.append(
            Candidate(
                pool_id=key,
                az_id=candidate.az_id,
                instance_type=candidate.instance_type,
                price=None if price is None or price.stale else price.price,
                on_demand_price=on_demand.get(candidate.instance_type),
                interruptions_30d=count,
                hours_since_interruption=None
                if last is None
                else (now - last).total_seconds() / 3600,
                spot_quarantined_until=held.get((key, Mode.SPOT)),
                on_demand_quarantined_until=held.get((key, Mode.ON_DEMAND)),
                spot_refused_at=refused.get((key, Mode.SPOT)),
                on_demand_refused_at=refused.get((key, Mode.ON_DEMAND)),
            )
        )
    return Situation(
        now=now,
        candidates=tuple(candidates),
        current_type=pool.instance_type,
        failing_az=failing_az,
        wanted_pool=saga.wanted_pool_id or "",
        wanted_mode=saga.wanted_mode,
    )


def _refusals(saga: Saga) -> dict[tuple[str, str], datetime]:
    rows = saga.steps.filter(name="launch", outcome=Step.Outcome.REFUSED).values_list(
        "pool_id", "mode", "ended_at"
    )
    latest: dict[tuple[str, str], datetime] = {}
    for pool_id, mode, at in rows:
        if pool_id is not None and at is not None:
            latest[pool_id, mode] = max(at, latest.get((pool_id, mode), at))
    return latest


def _losses(pool_ids: list[str], now: datetime) -> dict[str, tuple[int, datetime]]:
    rows = InterruptionEvent.objects.filter(
        pool_id__in=pool_ids, kind__in=LOSSES, received_at__gt=now - timedelta(days=30)
    ).values_list("pool_id", "received_at")
    found: dict[str, tuple[int, datetime]] = {}
    for pool_id, at in rows:
        count, last = found.get(pool_id, (0, at))
        found[pool_id] = (count + 1, max(last, at))
    return found
