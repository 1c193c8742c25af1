"""Whether the new machine serves behind its load balancer, and since when: the journal's step `healthy`."""

from datetime import datetime, timedelta

from agents.models import Instance
from clients import connection, feed
from replicas import journal
from replicas.leases import Lease
from replicas.models import Step
from spotopt.cloud import errors, routing
from spotopt.lib.errors import Refused

STEP = "healthy"
LOOK_AGAIN = timedelta(seconds=2)
PATIENCE = timedelta(minutes=2)


def look(lease: Lease, instance: Instance) -> datetime | None:
    """When to look again; None once it is healthy, or its time has run out and people know."""
    saga, now = lease.saga, lease.clock()
    settled = (Step.Outcome.DONE, Step.Outcome.REFUSED)
    if saga.steps.filter(name=STEP, outcome__in=settled).exists():
        return None
    step = journal.intend(saga, STEP, now=now, detail={"instance_id": instance.instance_id})
    since = saga.promoted_at or step.started_at
    lease.renew()
    try:
        states = routing.health(
            connection.account_for(saga.client),
            instance.region,
            target_group_arn=saga.agent.target_group_arn,
        )
        state = states.get(instance.instance_id, "absent")
    except (errors.PermanentError, Refused) as error:
        journal.end(step, Step.Outcome.REFUSED, now=lease.clock(), error=str(error)[:200])
        return None
    except errors.CloudError as error:
        state = error.code
    now = lease.clock()
    if state == "healthy":
        seconds = round((now - since).total_seconds(), 3)
        journal.end(step, Step.Outcome.DONE, now=now, seconds_after_promotion=seconds)
        return None
    if state in ("absent", "unused"):  # no load balancer asks it: it never will be
        journal.end(step, Step.Outcome.REFUSED, now=now, error=state)
        return None
    if now - since < PATIENCE:
        return now + LOOK_AGAIN
    journal.end(step, Step.Outcome.REFUSED, now=now, error=state)
    feed.record(
        client_id=saga.client_id,
        agent_id=saga.agent_id,
        event_type="target_not_healthy",
        severity="critical",
        message=f"{instance} of {saga.agent} is not healthy in its target group: {state}",
        now=now,
    )
    return None
