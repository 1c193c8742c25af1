"""When the workload stopped and started, as the agents saw it: what a switch's downtime is made of."""

from datetime import datetime, timedelta

from agents.models import AgentEvent, Instance, Switch

STOPPED = "workload_stopped"
STARTED = "workload_started"
# A machine's clock may run a little ahead; what lies further off is no time at all.
AHEAD = timedelta(minutes=5)


def stopped_at(instance: Instance, *, since: datetime) -> datetime | None:
    """The last stop reported by `instance` since then."""
    return (
        AgentEvent.objects.filter(instance=instance, kind=STOPPED, at__gte=since)
        .order_by("-at", "-id")
        .values_list("at", flat=True)
        .first()
    )


def running_since(instance: Instance) -> datetime | None:
    """When the workload that runs on `instance` was started; None if it does not run, or nobody said."""
    last = (
        AgentEvent.objects.filter(instance=instance, kind__in=(STARTED, STOPPED))
        .order_by("-at", "-id")
        .first()
    )
    return last.at if last is not None and last.kind == STARTED else None


def note(*, instance: Instance, kind: str, at: datetime, now: datetime) -> bool:
    """Fill the switch's time that this event tells; the first report counts. True if it was news."""
    if at > now + AHEAD:
        return False
    if kind == STOPPED:
        rows = Switch.objects.filter(
            from_instance=instance, workload_stopped_at=None, started_at__lte=at + AHEAD
        )
        return bool(rows.update(workload_stopped_at=at))
    if kind == STARTED:
        rows = Switch.objects.filter(to_instance=instance, workload_started_at=None)
        return bool(rows.update(workload_started_at=at))
    return False
