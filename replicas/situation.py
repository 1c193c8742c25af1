"""Gathers what the choice of a pool depends on: prices, losses, quarantines, refusals in this very move."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.models import Agent, Mode
from clients import connection
from pricing import pools, queries
from pricing.models import Pool, Zone
from replicas import losses, quarantine
from replicas.models import Saga, Step
from replicas.sef_policy import Candidate, Situation
from spotopt.cloud import session


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
    if len(known) < len(wanted):
        pools.ensure_many([(*parts, pool.product) for parts in wanted.values()])
        known = Pool.objects.in_bulk(list(wanted))
    return [known[pool_id] for pool_id in wanted]


def look(*, saga: Saga, pool: Pool, failing_az: str, now: datetime) -> Situation:
    """A snapshot for `sef_policy.choose`; `pool` is where the workload runs now."""
    found = candidate_pools(agent=saga.agent, pool=pool)
    if saga.wanted_pool is not None and saga.wanted_pool not in found:
        found.append(saga.wanted_pool)
    return Situation(
        now=now,
        candidates=survey(
            agent=saga.agent, found=found, failing=pool, now=now, refused=_refusals(saga)
        ),
        current_type=pool.instance_type,
        failing_az=failing_az,
        wanted_pool=saga.wanted_pool_id or "",
        wanted_mode=saga.wanted_mode,
    )


def survey(
    *,
    agent: Agent,
    found: Sequence[Pool],
    failing: Pool,
    now: datetime,
    refused: Mapping[tuple[str, str], datetime] | None = None,
) -> tuple[Candidate, ...]:
    """What is known of each pool, in a fixed number of statements however many there are.

    `failing`: the pool whose fate the others may share; measured for pools of its type in other zones.
    `refused`: when (pool, mode) refused a launch in this very move.
    """
    ids = [candidate.pool_id for candidate in found]
    prices = queries.current_prices(ids, client_id=agent.client_id, now=now)
    on_demand = queries.on_demand_prices(
        {candidate.instance_type for candidate in found}, failing.region, at=now
    )
    held = quarantine.until_by_pool(pool_ids=ids, now=now)
    lost = losses.by_pool(ids, client_id=agent.client_id, now=now)
    siblings = [c.pool_id for c in found if c.instance_type == failing.instance_type]
    fates = losses.fates(failing.pool_id, siblings, client_id=agent.client_id, now=now)
    refused = refused or {}
    candidates = []
    for candidate in found:
        key = candidate.pool_id
        price = prices.get(key)
        count, last = lost.get(key, (0, None))
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
                # The failing pool is not measured against itself: its zone comes last as it is.
                shared_fate=None if key == failing.pool_id else fates.get(key, losses.Fate()).share,
                spot_quarantined_until=held.get((key, Mode.SPOT)),
                on_demand_quarantined_until=held.get((key, Mode.ON_DEMAND)),
                spot_refused_at=refused.get((key, Mode.SPOT)),
                on_demand_refused_at=refused.get((key, Mode.ON_DEMAND)),
            )
        )
    return tuple(candidates)


def _refusals(saga: Saga) -> dict[tuple[str, str], datetime]:
    rows = saga.steps.filter(name="launch", outcome=Step.Outcome.REFUSED).values_list(
        "pool_id", "mode", "ended_at"
    )
    latest: dict[tuple[str, str], datetime] = {}
    for pool_id, mode, at in rows:
        if pool_id is not None and at is not None:
            latest[pool_id, mode] = max(at, latest.get((pool_id, mode), at))
    return latest
