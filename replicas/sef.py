"""Smart Emergency Fallback: from a signal to an action, in the request that brought the signal.

Look, decide, act, write down. It needs no model, no task queue and no schedule. Another hearing of the
same signal waits for the first one's outcome and gets the same answer.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from agents.models import Agent, Instance
from clients import feed, installation
from clients.models import Client
from replicas import (
    features,
    interruptions,
    leases,
    lifecycle,
    risk,
    sagas,
    snapshots,
    standby_budget,
    standby_mode,
    standing,
)
from replicas.leases import Clock
from replicas.models import InterruptionEvent, Replica, Saga
from spotopt.lib.times import milliseconds

log = logging.getLogger(__name__)

Action = InterruptionEvent.Action
Kind = InterruptionEvent.Kind

# How long a second hearing waits for the first one's answer.
PATIENCE = timedelta(seconds=10)
QUIESCES = "the standby is ready; the workload quiesces first"


@dataclass(frozen=True)
class Answer:
    """What came of a signal, for whoever asks."""

    action: str
    explanation: str
    replica: Replica | None
    new_instance: Instance | None
    promoted: bool
    failover_ms: int | None
    quiesce_by: datetime | None
    risk_score: float | None


def on_notice(
    *,
    instance: Instance,
    detected_at: datetime,
    termination_time: datetime | None,
    channel: InterruptionEvent.Channel,
    imminent: bool,
    clock: Clock,
) -> Answer:
    """The machine will be taken. `imminent`: the workload is quiesced, or there is no time to; promote."""
    event, _ = interruptions.record(
        instance=instance,
        kind=Kind.NOTICE,
        detected_at=detected_at,
        termination_time=termination_time,
        channel=channel,
        now=clock(),
    )
    _respond(event, imminent=imminent, clock=clock)
    if imminent:
        _end_quiescing(event, clock=clock)
    return answer(event)


def on_recommendation(
    *,
    instance: Instance,
    detected_at: datetime,
    channel: InterruptionEvent.Channel,
    clock: Clock,
) -> Answer:
    """The machine is at elevated risk: a standby, where the risk is above `risk.STANDBY_ABOVE`."""
    event, _ = interruptions.record(
        instance=instance,
        kind=Kind.REBALANCE,
        detected_at=detected_at,
        termination_time=None,
        channel=channel,
        now=clock(),
    )
    _respond(event, imminent=False, clock=clock)
    return answer(event)


def on_death(*, instance: Instance, channel: InterruptionEvent.Channel, clock: Clock) -> Answer:
    """EC2 says that the machine is gone, and nobody gave notice."""
    now = clock()
    event, _ = interruptions.record(
        instance=instance,
        kind=Kind.DEATH,
        detected_at=now,
        termination_time=None,
        channel=channel,
        now=now,
    )
    _respond(event, imminent=True, clock=clock)
    _end_quiescing(event, clock=clock)
    return answer(event)


def resume(event: InterruptionEvent, *, clock: Clock) -> None:
    """Respond to a signal whose responder died. Waits for no other process: more may be due."""
    _respond(event, imminent=event.kind == Kind.DEATH, clock=clock, patient=False)


def _respond(
    event: InterruptionEvent, *, imminent: bool, clock: Clock, patient: bool = True
) -> None:
    if _worth_another_look(event):
        interruptions.reopen(event)
    if not interruptions.claim(event, now=clock()):
        if patient:
            _await_answer(event, clock=clock)
        return
    event.refresh_from_db()
    try:
        _act(event, imminent=imminent, clock=clock, patient=patient)
    finally:
        InterruptionEvent.objects.filter(pk=event.pk).update(lease_until=None)
    InterruptionEvent.objects.filter(pk=event.pk).update(features=features.of(event))
    feed.publish(client_id=event.client_id, kind="interruption", id=str(event.pk))


def _act(event: InterruptionEvent, *, imminent: bool, clock: Clock, patient: bool) -> None:
    instance = Instance.objects.select_related("agent__client").get(pk=event.instance_id)
    agent = instance.agent
    if event.kind == Kind.REBALANCE:
        score = risk.of_instance(instance, now=clock()).value
        InterruptionEvent.objects.filter(pk=event.pk).update(risk_score=score)
        event.risk_score = score
    if why := _no_need(instance) or _forbidden(agent) or _calm(event, agent):
        _conclude(event, Action.RECORDED, why, clock())
        if instance.role == Instance.Role.STANDBY and event.kind != Kind.REBALANCE:
            _replace_standby(instance, clock)
        return
    saga = _saga_for(event, agent, imminent=imminent, clock=clock)
    InterruptionEvent.objects.filter(pk=event.pk).update(saga=saga)
    event.saga = saga
    if event.kind != Kind.REBALANCE:
        snapshots.take(event=event, now=clock())
    if patient:
        sagas.settle(saga, clock=clock)
    else:
        sagas.run(saga.pk, clock=clock)
    _assess(event, saga, clock())


def _worth_another_look(event: InterruptionEvent) -> bool:
    """Nothing was done about it, and what stood in the way has passed: a stop, its being a standby."""
    event.refresh_from_db()
    if event.action_taken != Action.RECORDED or event.saga_id or event.kind == Kind.REBALANCE:
        return False
    instance = Instance.objects.select_related("agent__client").get(pk=event.instance_id)
    return not (_no_need(instance) or _forbidden(instance.agent))


def _no_need(instance: Instance) -> str:
    if instance.role == Instance.Role.PRIMARY:
        return ""
    if instance.role == Instance.Role.STANDBY:
        return "a standby's own interruption; another takes its place where one is still wanted"
    return "the machine had been superseded before"


def _forbidden(agent: Agent) -> str:
    if not installation.automation_on(agent.client):
        return "automation is switched off: nothing is launched or promoted"
    if not agent.enabled:
        return "the agent is disabled: nothing is launched or promoted"
    return ""


def _calm(event: InterruptionEvent, agent: Agent) -> str:
    if event.kind != Kind.REBALANCE:
        return ""
    if agent.client.standby_policy == Client.StandbyPolicy.OFF:
        return "standbys are switched off for this client"
    if (event.risk_score or 0.0) <= risk.STANDBY_ABOVE:
        return f"risk {event.risk_score:.2f} is not above {risk.STANDBY_ABOVE}"
    if sagas.active_of(agent) is None and (
        why := standby_budget.spent(agent, now=event.received_at)
    ):
        standby_budget.tell(agent, why=why, now=event.received_at)
        return why
    return ""


def _replace_standby(instance: Instance, clock: Clock) -> None:
    replica = Replica.objects.filter(instance=instance, status__in=Replica.LIVE).first()
    if replica is not None:
        lifecycle.lost(replica=replica, why="its own machine was interrupted", now=clock())
        sagas.run(replica.saga_id, clock=clock)


def _saga_for(event: InterruptionEvent, agent: Agent, *, imminent: bool, clock: Clock) -> Saga:
    rebalance = event.kind == Kind.REBALANCE
    now = clock()
    reason = f"{event.instance} {interruptions.EXPLAINED[Kind(event.kind)]}"
    active = sagas.active_of(agent)
    if active is None:
        try:
            return sagas.begin(
                agent=agent,
                trigger=Saga.Trigger.REBALANCE if rebalance else Saga.Trigger.EMERGENCY,
                goal=Saga.Goal.STANDBY if rebalance else Saga.Goal.PROMOTE,
                reason=reason,
                now=now,
                deadline=event.termination_time,
                wanted_mode=_standby_mode(event, now) if rebalance else "",
            )
        except sagas.AlreadyMoving:
            active = sagas.active_of(agent)
            if active is None:
                raise
    if not rebalance:
        sagas.escalate(
            active,
            trigger=Saga.Trigger.EMERGENCY,
            reason=reason,
            now=now,
            deadline=event.termination_time,
            quiesce_until=_quiesce_until(event, agent, active, imminent=imminent, now=now),
        )
    return active


def _standby_mode(event: InterruptionEvent, now: datetime) -> str:
    return standby_mode.wanted(event.instance, risk_score=event.risk_score or 0.0, now=now)


def _quiesce_until(
    event: InterruptionEvent, agent: Agent, saga: Saga, *, imminent: bool, now: datetime
) -> datetime | None:
    """With a ready standby the answer tells the agent to quiesce; with none the saga asks it later."""
    if imminent:
        return now
    if agent.quiesce_seconds == 0 or saga.status != Saga.Status.STANDING:
        return None
    if event.channel != InterruptionEvent.Channel.AGENT:
        return None  # nobody waits for this answer: the saga sends the agent a command
    return standing.quiesce_end(
        seconds=agent.quiesce_seconds, machine_ends_at=event.termination_time, now=now
    )


def _end_quiescing(event: InterruptionEvent, *, clock: Clock) -> None:
    """The agent says that the workload is quiet: promote now, not at the end of the time granted."""
    event.refresh_from_db()
    if event.saga is None or event.saga.status not in Saga.ACTIVE:
        return
    now = clock()
    Saga.objects.filter(pk=event.saga.pk, status__in=Saga.ACTIVE).filter(
        Q(quiesce_until=None) | Q(quiesce_until__gt=now)
    ).update(quiesce_until=now)
    leases.poke(event.saga.pk, now=now)
    sagas.settle(event.saga, clock=clock)


def _await_answer(event: InterruptionEvent, *, clock: Clock) -> None:
    until = clock() + PATIENCE
    while clock() < until:
        event.refresh_from_db()
        if event.acted_at is not None:
            return
        time.sleep(0.02)


# --- outcomes ----------------------------------------------------------------------------------


def _assess(event: InterruptionEvent, saga: Saga, now: datetime) -> None:
    """What has come of it so far, as the event's action."""
    saga.refresh_from_db()
    replica = saga.replicas.select_related("instance").order_by("created_at").last()
    if saga.status == Saga.Status.FAILED:
        _conclude(event, Action.FAILED, saga.failure, now)
    elif replica is None or replica.instance is None:
        # Claimed again by the guard once a pool has answered; until then nothing has been done.
        _conclude(event, Action.RECORDED, "no pool has answered yet; each is asked again", now)
    elif saga.promoted_at is not None:
        _conclude(event, Action.PROMOTED, saga.reason, saga.promoted_at, replica.instance)
    elif saga.status == Saga.Status.QUIESCING:
        _conclude(event, Action.RECORDED, QUIESCES, now, replica.instance)
    elif replica.mode == "on-demand":
        _conclude(
            event,
            Action.ON_DEMAND,
            _terms(replica),
            _launched(replica, event, now),
            replica.instance,
        )
    else:
        _conclude(
            event, Action.CREATED, _terms(replica), _launched(replica, event, now), replica.instance
        )


def _launched(replica: Replica, event: InterruptionEvent, now: datetime) -> datetime:
    """When EC2 accepted the launch; for a replica that was there before the signal, now."""
    at = replica.launched_at
    return at if at is not None and at >= event.received_at else now


def _terms(replica: Replica) -> str:
    return f"{replica.mode} in {replica.pool_id}, attempt {replica.attempt}"


def _conclude(
    event: InterruptionEvent,
    action: Action,
    explanation: str,
    now: datetime,
    new_instance: Instance | None = None,
) -> None:
    InterruptionEvent.objects.filter(pk=event.pk, acted_at=None).update(
        action_taken=action,
        explanation=explanation[:300],
        acted_at=now,
        new_instance=new_instance,
    )


def launched(replica: Replica, *, now: datetime) -> None:
    """A launch that took its time has been accepted: events that could only be recorded learn of it."""
    action = Action.ON_DEMAND if replica.mode == "on-demand" else Action.CREATED
    InterruptionEvent.objects.filter(
        saga_id=replica.saga_id, action_taken=Action.RECORDED, done_at=None
    ).update(
        action_taken=action,
        acted_at=now,
        explanation=_terms(replica),
        new_instance=replica.instance,
    )


def died(saga: Saga) -> bool:
    """Whether the old machine was lost before anything could be done, as far as is known."""
    return InterruptionEvent.objects.filter(saga=saga, kind=Kind.DEATH).exists()


def promoted(saga: Saga, *, instance: Instance, now: datetime) -> None:
    """The saga's replica is the primary now; part of the transaction that rebinds."""
    events = InterruptionEvent.objects.filter(saga=saga, done_at=None).exclude(kind=Kind.REBALANCE)
    events.filter(action_taken=Action.RECORDED).update(
        action_taken=Action.PROMOTED, explanation=saga.reason, acted_at=now
    )
    events.update(done_at=now, new_instance=instance)


def came_to_nothing(saga: Saga, *, now: datetime) -> None:
    """The recommendation that called for this standby was not followed by a notice."""
    InterruptionEvent.objects.filter(saga=saga, kind=Kind.REBALANCE, done_at=None).update(
        done_at=now
    )


def failed(saga: Saga, *, why: str, now: datetime) -> None:
    """The saga ended without a machine."""
    InterruptionEvent.objects.filter(saga=saga, done_at=None).update(
        action_taken=Action.FAILED, explanation=why[:300], acted_at=now
    )


def answer(event: InterruptionEvent) -> Answer:
    """What is known of the event's outcome now; the same for every hearing."""
    event.refresh_from_db()
    saga = event.saga
    replica = None
    if saga is not None:
        replica = saga.replicas.select_related("instance").order_by("created_at").last()
    quiescing = saga is not None and saga.status == Saga.Status.QUIESCING
    return Answer(
        action=event.action_taken,
        explanation=event.explanation,
        replica=replica,
        new_instance=event.new_instance or (replica.instance if replica else None),
        promoted=event.done_at is not None,
        failover_ms=failover_ms(event),
        quiesce_by=saga.quiesce_until if saga is not None and quiescing else None,
        risk_score=event.risk_score,
    )


def failover_ms(event: InterruptionEvent) -> int | None:
    """From receipt to completed promotion, without the time granted to quiesce; None until done."""
    if event.done_at is None:
        return None
    span = event.done_at - event.received_at
    if event.saga is not None:
        for step in event.saga.steps.filter(name="quiesce"):
            if step.ended_at is not None:
                span -= step.ended_at - max(step.started_at, event.received_at)
    return milliseconds(span)
