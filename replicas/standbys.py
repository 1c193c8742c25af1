"""Automatic standbys, looked at every minute: launched where they earn their keep, let go where they do not.

The rule is `replicas.standby_policy`; here its views are gathered and its verdicts carried out. A standby of
this kind is a saga with the trigger `rebalance`, whether a recommendation called for it or its value; the
database allows one active saga per agent, so two processes never keep two.
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from agents import costs
from agents.models import Agent, Instance, Mode
from clients import feed, installation
from clients.models import Client
from pricing import queries
from replicas import (
    estimates,
    lifecycle,
    losses,
    risk,
    sagas,
    sef,
    situation,
    standby_budget,
    standby_mode,
    standby_policy,
)
from replicas.leases import Clock
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.standby_policy import Verdict, View
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

# After a standby has ended (let go, deleted by a person, refused by a cap) no other for so long.
PAUSE = timedelta(minutes=15)


@dataclass(frozen=True)
class Terrain:
    """What all slots of a client share."""

    client: Client
    time_to_ready: timedelta
    unannounced: float
    hazards: dict[str, float]
    recommended_at: dict[UUID, datetime]


def reevaluate(*, clock: Clock) -> int:
    """Let go of standbys that are no longer wanted; returns how many were."""
    rows = Replica.objects.filter(
        status__in=(Replica.Status.LAUNCHING, Replica.Status.SYNCING, Replica.Status.READY),
        saga__trigger=Saga.Trigger.REBALANCE,
        saga__goal=Saga.Goal.STANDBY,
        saga__status__in=(Saga.Status.PREPARING, Saga.Status.STANDING),
        saga__old_instance__isnull=False,
        # Manual mode wants one in any case, whoever launched it.
        agent__manual_replica_enabled=False,
    ).select_related("saga__old_instance", "agent__client", "pool")
    by_client: dict[UUID, list[Replica]] = {}
    for replica in rows:
        by_client.setdefault(replica.client_id, []).append(replica)
    released = 0
    for group in by_client.values():
        client = group[0].agent.client
        if not installation.automation_on(client):
            continue
        primaries = [r.saga.old_instance for r in group if r.saga.old_instance is not None]
        terrain = _terrain(client, primaries, now=clock())
        prices = _prices_of(group, client, now=clock())
        for replica in group:
            verdict = _on_kept(replica, terrain, prices.get(replica.pk), now=clock())
            if not verdict.wanted:
                released += _release(replica, verdict.reason, clock=clock)
    return released


def provide(*, clock: Clock) -> int:
    """Launch the standbys that are missing; returns how many were begun."""
    begun = 0
    for client in Client.objects.filter(status=Client.Status.ACTIVE, dry_run=False).exclude(
        standby_policy=Client.StandbyPolicy.OFF
    ):
        if not installation.automation_on(client):
            continue
        primaries = _alone(client, now=clock())
        if not primaries:
            continue
        terrain = _terrain(client, primaries, now=clock())
        cheapest: dict[str, Decimal | None] = {}
        for primary in primaries:
            if primary.pool_id not in cheapest:
                cheapest[primary.pool_id] = _cheapest(primary, now=clock())
            begun += _consider(primary, terrain, cheapest[primary.pool_id], clock=clock)
    return begun


def _alone(client: Client, *, now: datetime) -> list[Instance]:
    """Primaries of managed slots with no standby and no move under way, nor one that ended just now."""
    ended = Q(status=Saga.Status.ABANDONING) | Q(
        status__in=Saga.ENDED_WITHOUT, ended_at__gt=now - PAUSE
    )
    return list(
        Instance.objects.primary()
        .filter(
            client=client,
            verified=True,
            terminated_at=None,
            agent__enabled=True,
            agent__manual_replica_enabled=False,
            agent__status=Agent.Status.ONLINE,
        )
        .exclude(Exists(Saga.objects.filter(agent=OuterRef("agent"), status__in=Saga.ACTIVE)))
        .exclude(Exists(Saga.objects.filter(ended, agent=OuterRef("agent"))))
        .select_related("agent__client", "pool")
        .order_by("pk")
    )


def _terrain(client: Client, primaries: Collection[Instance], *, now: datetime) -> Terrain:
    return Terrain(
        client=client,
        time_to_ready=estimates.time_to_ready(client_id=client.pk),
        unannounced=losses.unannounced(client_id=client.pk, now=now),
        hazards=risk.hazards({p.pool_id for p in primaries}, client_id=client.pk, now=now),
        recommended_at=risk.recommended_at(primaries, now=now),
    )


def _view(
    primary: Instance,
    agent: Agent,
    terrain: Terrain,
    price: Decimal | None,
    *,
    recommended: bool,
    kept_for: timedelta | None,
    now: datetime,
) -> View:
    at = terrain.recommended_at.get(primary.pk)
    since = None if at is None else now - at
    precision = 0.0
    if since is not None and since < risk.FADES_OVER:
        precision = risk.precision(primary.pool_id, now=now, client_id=terrain.client.pk)
    return View(
        policy=terrain.client.standby_policy if agent.enabled else standby_policy.OFF,
        hazard=risk.hourly(
            terrain.hazards[primary.pool_id], precision=precision, recommended_since=since
        ),
        risk=risk.of_instance(primary, now=now).value if recommended else 0.0,
        recommended=recommended,
        outage_cost_per_hour=terrain.client.outage_cost_per_hour,
        time_to_ready=terrain.time_to_ready,
        unannounced=terrain.unannounced,
        price=price,
        on_demand=primary.mode == Mode.ON_DEMAND,
        quiesce=timedelta(seconds=agent.quiesce_seconds),
        kept_for=kept_for,
    )


def _on_kept(
    replica: Replica, terrain: Terrain, price: Decimal | None, *, now: datetime
) -> Verdict:
    primary = replica.saga.old_instance
    if primary is None:
        raise ValueError("an automatic standby stands by for a machine")
    called_for = replica.saga.interruptions.filter(kind=InterruptionEvent.Kind.REBALANCE).exists()
    return standby_policy.decide(
        _view(
            primary,
            replica.agent,
            terrain,
            price,
            recommended=called_for,
            kept_for=now - replica.created_at,
            now=now,
        )
    )


def _release(replica: Replica, reason: str, *, clock: Clock) -> int:
    now = clock()
    if not lifecycle.abandon(replica.saga, reason=reason, now=now):
        return 0
    feed.record(
        client_id=replica.client_id,
        agent_id=replica.agent_id,
        event_type="standby_released",
        severity="info",
        message=f"The standby of {replica.agent} was let go: {reason}",
        now=now,
    )
    sef.came_to_nothing(replica.saga, now=now)
    sagas.settle(replica.saga, clock=clock)
    return 1


def _consider(primary: Instance, terrain: Terrain, price: Decimal | None, *, clock: Clock) -> int:
    now, agent = clock(), primary.agent
    at = terrain.recommended_at.get(primary.pk)
    recommended = at is not None and now - at < risk.FADES_OVER
    view = _view(primary, agent, terrain, price, recommended=recommended, kept_for=None, now=now)
    verdict = standby_policy.decide(view)
    if not verdict.wanted:
        return 0
    if why := standby_budget.spent(agent, now=now):
        standby_budget.tell(agent, why=why, now=now)
        return 0
    try:
        saga = sagas.begin(
            agent=agent,
            trigger=Saga.Trigger.REBALANCE,
            goal=Saga.Goal.STANDBY,
            reason=verdict.reason,
            wanted_mode=standby_mode.wanted(primary, risk_score=view.risk, now=now),
            now=now,
        )
    except sagas.AlreadyMoving:
        return 0
    if recommended and at is not None:
        InterruptionEvent.objects.filter(
            instance=primary, kind=InterruptionEvent.Kind.REBALANCE, received_at=at, saga=None
        ).update(saga=saga)
    _tell(agent, verdict, now=now)
    try:
        sagas.run(saga.pk, clock=clock)
    except Refused as error:
        log.warning("no standby for %s yet: %s", agent.pk, error.message)
    return 1


def _tell(agent: Agent, verdict: Verdict, *, now: datetime) -> None:
    terms = ", ".join(f"{name} {value}" for name, value in verdict.terms.items())
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type="standby_wanted",
        severity="info",
        message=f"A standby for {agent}: {verdict.reason} ({terms})",
        now=now,
    )


def _cheapest(primary: Instance, *, now: datetime) -> Decimal | None:
    """USD an hour of the cheapest spot pool outside the primary's zone; None where no price is known."""
    try:
        found = situation.candidate_pools(agent=primary.agent, pool=primary.pool)
    except Refused:
        return None
    outside = [pool.pool_id for pool in found if pool.az_id != primary.az_id]
    prices = queries.current_prices(outside, client_id=primary.client_id, now=now)
    return min((quote.price for quote in prices.values() if not quote.stale), default=None)


def _prices_of(
    replicas: Iterable[Replica], client: Client, *, now: datetime
) -> dict[UUID, Decimal | None]:
    """USD an hour of each standby, by its row's id; one still without a machine costs its pool's price."""
    rows = list(replicas)
    machines = {
        replica.pk: Instance(
            pool_id=replica.pool_id,
            mode=replica.mode,
            instance_type=replica.pool.instance_type,
            region=replica.pool.region,
        )
        for replica in rows
    }
    known = costs.hourly(machines.values(), client_id=client.pk, now=now)
    return {key: known[machine.pk] for key, machine in machines.items()}
