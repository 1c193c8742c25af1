"""So many automatic standbys an agent and day: a bound on churn. Emergencies and people are not bound."""

from datetime import datetime, timedelta

from agents.models import Agent
from clients import feed
from clients.models import FeedEvent
from replicas.models import Replica

PER_DAY = 6
DAY = timedelta(hours=24)
EVENT = "standby_budget"


def spent(agent: Agent, *, now: datetime) -> str:
    """Why this agent gets no further automatic standby, in words; empty while it may."""
    launched = Replica.objects.filter(
        agent=agent, replica_type=Replica.Type.AUTOMATIC, created_at__gt=now - DAY
    ).count()
    if launched < PER_DAY:
        return ""
    return f"{launched} automatic standbys within a day are the most; a person should look"


def tell(agent: Agent, *, why: str, now: datetime) -> None:
    """Tell people, once a day."""
    if FeedEvent.objects.filter(
        client_id=agent.client_id, agent_id=agent.pk, event_type=EVENT, created_at__gt=now - DAY
    ).exists():
        return
    feed.record(
        client_id=agent.client_id,
        agent_id=agent.pk,
        event_type=EVENT,
        severity="warning",
        message=f"No further standby for {agent}: {why}. Emergencies are answered as ever.",
        now=now,
    )
