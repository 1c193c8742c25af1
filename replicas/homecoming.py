"""The way back: a machine that an emergency bought on demand returns to spot once spot is quiet again.

A planned move that the server steers itself: a standby in a quiet pool first (never on demand), and when it
is ready, its promotion, with the time to quiesce that the agent has asked for. An ordinary decision: it
obeys the stops, dry run, the switch for automatic moves, and the agent's cooldown and moves a day.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from agents.models import Agent, Command, Instance, Mode, Switch
from clients import feed, installation
from clients.models import Client
from pricing import queries
from pricing.models import Pool
from replicas import estimates, homecoming_policy, lifecycle, risk, sagas, situation
from replicas.homecoming_policy import Calm, Exile, Way
from replicas.leases import Clock
from replicas.models import Quarantine, Replica, Saga
from spotopt.lib.errors import Refused

log = logging.getLogger(__name__)

REASON = "back to spot"
# A return for which no machine comes up is given up; its pool has refused by then, and is not quiet.
PATIENCE = timedelta(minutes=10)
PAUSE = timedelta(minutes=30)
DAY = timedelta(hours=24)


def run(*, clock: Clock) -> int:
    """Go on with returns under way, and begin new ones; returns how many machines came home or set out."""
    return _finish(clock=clock) + _begin(clock=clock)


def _begin(*, clock: Clock) -> int:
    begun = 0
    for primary in exiles(now=clock()):
        agent = primary.agent
        if not installation.automation_on(agent.client) or _rested(agent, now=clock()):
            continue
        way = _way(primary, now=clock())
        if way.pool_id:
            begun += _set_out(primary, way, clock=clock)
    return begun


def exiles(*, now: datetime) -> list[Instance]:
    """Primaries that run on demand because of an emergency, long enough, of slots that may be moved."""
    given_up = Q(status__in=Saga.ENDED_WITHOUT, ended_at__gt=now - PAUSE) | Q(
        status=Saga.Status.ABANDONING
    )
    mine = Saga.objects.filter(agent=OuterRef("agent"), reason__startswith=REASON)
    ordered = Command.objects.filter(
        agent=OuterRef("agent"),
        command_type=Command.Type.SWITCH,
        status__in=Command.OPEN,
        expires_at__gt=now,
    )
    return list(
        Instance.objects.primary()
        .filter(
            mode=Mode.ON_DEMAND,
            terminated_at=None,
            verified=True,
            # What a person or a decision wanted on demand stays there.
            replica__saga__trigger__in=(Saga.Trigger.EMERGENCY, Saga.Trigger.REBALANCE),
            replica__promoted_at__lte=now - homecoming_policy.QUIET,
            agent__enabled=True,
            agent__auto_switch_enabled=True,
            agent__status=Agent.Status.ONLINE,
            client__status=Client.Status.ACTIVE,
            client__dry_run=False,
        )
        .exclude(Exists(mine.filter(given_up)))
        # A switch has been ordered already: the agent is about to ask for its machine.
        .exclude(Exists(ordered))
        .select_related("agent__client", "pool", "replica")
        .order_by("pk")
    )


def _rested(agent: Agent, *, now: datetime) -> bool:
    """The agent's limits on planned moves are reached; emergencies do not count towards them."""
    planned = Switch.objects.filter(agent=agent, switch_type=Switch.Type.PLANNED)
    cooling = planned.filter(executed_at__gt=now - timedelta(minutes=agent.cooldown_minutes))
    if cooling.exists():
        return True
    return planned.filter(executed_at__gt=now - DAY).count() >= agent.max_switches_per_day


def _way(primary: Instance, *, now: datetime) -> Way:
    agent, client = primary.agent, primary.agent.client
    try:
        pools = situation.candidate_pools(agent=agent, pool=primary.pool)
    except Refused as error:
        return Way("", error.message)
    ids = [pool.pool_id for pool in pools]
    hazards = risk.hazards(ids, client_id=client.pk, now=now)
    refusals = _refusals(ids)
    candidates = situation.survey(agent=agent, found=pools, failing=primary.pool, now=now)
    since = primary.replica.promoted_at or now
    return homecoming_policy.decide(
        Exile(
            on_demand_for=now - since,
            price=queries.on_demand_price(primary.instance_type, primary.region, at=now),
            pools=[
                Calm(
                    candidate=candidate,
                    hazard=hazards[candidate.pool_id],
                    since_refusal=(
                        now - refusals[candidate.pool_id] if candidate.pool_id in refusals else None
                    ),
                )
                for candidate in candidates
            ],
            time_to_ready=estimates.time_to_ready(client_id=client.pk),
            wait=timedelta(seconds=agent.terminate_wait_seconds),
            pause=timedelta(seconds=agent.quiesce_seconds),
            outage_cost_per_hour=client.outage_cost_per_hour,
        )
    )


def _refusals(pool_ids: list[str]) -> dict[str, datetime]:
    """When each pool last refused a spot launch and has not granted one since."""
    rows = Quarantine.objects.filter(pool_id__in=pool_ids, mode=Mode.SPOT)
    return dict(rows.values_list("pool_id", "struck_at"))


def _set_out(primary: Instance, way: Way, *, clock: Clock) -> int:
    agent, now = primary.agent, clock()
    active = sagas.active_of(agent)
    if active is not None:
        return _use(active, way, clock=clock)
    try:
        saga = sagas.begin(
            agent=agent,
            trigger=Saga.Trigger.PLANNED,
            goal=Saga.Goal.STANDBY,
            reason=f"{REASON}: {way.reason}",
            now=now,
            wanted_pool=Pool.objects.get(pk=way.pool_id),
            wanted_mode=Mode.SPOT,
        )
    except sagas.AlreadyMoving:
        return 0
    terms = ", ".join(f"{name} {value}" for name, value in way.terms.items())
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type="homecoming",
        severity="info",
        message=f"{agent} goes back to spot: {way.reason} ({terms})",
        now=now,
    )
    try:
        sagas.run(saga.pk, clock=clock)
    except Refused as error:
        log.warning("no way back for %s yet: %s", agent.pk, error.message)
    return 1


def _use(saga: Saga, way: Way, *, clock: Clock) -> int:
    """An automatic standby on spot stands there already: it is the machine to go home to."""
    replica = sagas.live_replica(saga)
    if (
        saga.trigger != Saga.Trigger.REBALANCE
        or saga.status != Saga.Status.STANDING
        or replica is None
        or replica.mode != Mode.SPOT
        or replica.status != Replica.Status.READY
    ):
        return 0
    escalated = sagas.escalate(
        saga, trigger=Saga.Trigger.PLANNED, reason=f"{REASON}: {way.reason}", now=clock()
    )
    sagas.settle(saga, clock=clock)
    return int(escalated)


def _finish(*, clock: Clock) -> int:
    """Promote what is ready; give up what does not get ready, or is not wanted any more."""
    moved = 0
    rows = Saga.objects.filter(
        trigger=Saga.Trigger.PLANNED,
        goal=Saga.Goal.STANDBY,
        reason__startswith=REASON,
        command_id=None,
        status__in=(Saga.Status.PREPARING, Saga.Status.STANDING),
    ).select_related("agent__client")
    for saga in rows:
        agent, now = saga.agent, clock()
        replica = sagas.live_replica(saga)
        if not (agent.enabled and installation.automation_on(agent.client)):
            _give_up(saga, "automatic moves are switched off", clock=clock)
        elif replica is not None and replica.status == Replica.Status.READY:
            moved += _promote(replica, clock=clock)
        elif _without_machine(saga, replica, now=now):
            _give_up(saga, "no spot pool gave a machine", clock=clock)
    return moved


def _without_machine(saga: Saga, replica: Replica | None, *, now: datetime) -> bool:
    return now - saga.created_at >= PATIENCE and (replica is None or replica.instance is None)


def _promote(replica: Replica, *, clock: Clock) -> int:
    try:
        lifecycle.promote(replica=replica, quiesced=False, clock=clock)
    except (lifecycle.Gone, lifecycle.NotReady) as error:
        log.info("%s did not come home: %s", replica, error.message)
        return 0
    return 1


def _give_up(saga: Saga, why: str, *, clock: Clock) -> None:
    if lifecycle.abandon(saga, reason=why, now=clock()):
        sagas.settle(saga, clock=clock)
