"""Interruption signals: one row each, however often and on however many channels they are heard."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from agents.models import Instance
from clients import feed
from replicas.models import InterruptionEvent, Sighting
from spotopt.lib.times import rfc3339

Kind = InterruptionEvent.Kind

# Channels differ by seconds in when, or do not say: within this span it is the same signal.
SAME = timedelta(minutes=10)
# Responding takes seconds; a lease that has run out means that the responder died.
LEASE = timedelta(seconds=20)
EXPLAINED = {
    Kind.NOTICE: "got an interruption notice",
    Kind.REBALANCE: "got a rebalance recommendation",
    Kind.DEATH: "died without a notice",
}


def record(
    *,
    instance: Instance,
    kind: Kind,
    detected_at: datetime,
    termination_time: datetime | None,
    channel: InterruptionEvent.Channel,
    now: datetime,
) -> tuple[InterruptionEvent, bool]:
    """The event of this signal, and whether it is new. Every hearing is counted with its channel."""
    with transaction.atomic():
        # The row lock orders hearings of the same signal; without it two could both find none.
        Instance.objects.select_for_update().get(pk=instance.pk)
        event = _same(instance, kind, detected_at, termination_time)
        created = event is None
        if event is None:
            event = InterruptionEvent.objects.create(
                client_id=instance.client_id,
                agent_id=instance.agent_id,
                instance=instance,
                pool_id=instance.pool_id,
                kind=kind,
                key=rfc3339(termination_time or detected_at) or "",
                channel=channel,
                termination_time=termination_time,
                detected_at=detected_at,
                received_at=now,
            )
            _tell(event)
        else:
            InterruptionEvent.objects.filter(pk=event.pk).update(times_heard=F("times_heard") + 1)
            if event.termination_time is None and termination_time is not None:
                InterruptionEvent.objects.filter(pk=event.pk).update(
                    termination_time=termination_time
                )
        sighting, fresh = Sighting.objects.get_or_create(
            event=event, channel=channel, defaults={"first_at": now}
        )
        if not fresh:
            Sighting.objects.filter(pk=sighting.pk).update(times=F("times") + 1)
    return event, created


def _same(
    instance: Instance, kind: Kind, detected_at: datetime, termination_time: datetime | None
) -> InterruptionEvent | None:
    rows = InterruptionEvent.objects.filter(instance=instance)
    # A machine that was given notice and then died has been interrupted once.
    kinds = [Kind.REBALANCE] if kind == Kind.REBALANCE else [Kind.NOTICE, Kind.DEATH]
    at = termination_time or detected_at
    near = Q(termination_time__range=(at - SAME, at + SAME)) | Q(
        detected_at__range=(at - SAME, at + SAME)
    )
    return rows.filter(near, kind__in=kinds).order_by("-received_at").first()


def claim(event: InterruptionEvent, *, now: datetime) -> bool:
    """The right to respond; False if it has been responded to, or somebody is at it."""
    claimed = InterruptionEvent.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now), pk=event.pk, acted_at=None
    ).update(lease_until=now + LEASE)
    return bool(claimed)


def reopen(event: InterruptionEvent) -> bool:
    """Nothing was done about it, and now something can be: it may be claimed once more."""
    reopened = InterruptionEvent.objects.filter(
        pk=event.pk, action_taken=InterruptionEvent.Action.RECORDED, saga=None
    ).update(action_taken="", explanation="", acted_at=None)
    return bool(reopened)


def unanswered(now: datetime) -> list[InterruptionEvent]:
    """Events whose responder died: the guard's question. Fresh ones are their request's business."""
    return list(
        InterruptionEvent.objects.filter(
            Q(lease_until__lt=now)
            | Q(lease_until=None, received_at__lt=now - timedelta(seconds=3)),
            acted_at=None,
            received_at__gt=now - timedelta(hours=1),
        ).select_related("instance", "agent", "client")[:50]
    )


def _tell(event: InterruptionEvent) -> None:
    feed.record(
        client_id=event.client_id,
        agent_id=event.agent_id,
        event_type=f"interruption_{event.kind}",
        severity="warning",
        message=f"{event.instance} of {event.agent} in {event.pool_id} {EXPLAINED[Kind(event.kind)]}",
        now=event.received_at,
    )
    feed.publish(client_id=event.client_id, kind="interruption", id=str(event.pk))
