"""`/c/<client>/agents/<agent>/`: one slot, its machines, and every step that was taken for it."""

from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from agents.models import Agent, Command, Switch
from clients.auth import Caller
from clients.models import FeedEvent
from replicas.models import InterruptionEvent, Saga
from spotopt.dashboard.access import agent_of, page, take_seat
from spotopt.dashboard.pages import sections
from spotopt.dashboard.reads import history, slot

SECTIONS = (
    "summary",
    "machines",
    "replicas",
    "journal",
    "interruptions",
    "switches",
    "commands",
    "feed",
)
LATEST = 12
LATEST_SAGAS = 6


class Slot:
    """What the page shows; each part is read when a template asks for it, once."""

    def __init__(self, agent: Agent, now: datetime) -> None:
        self.agent = agent
        self.now = now

    @cached_property
    def machines(self) -> slot.Machines:
        """Running and gone."""
        return slot.machines(self.agent, now=self.now, limit=LATEST)

    @cached_property
    def replicas(self) -> list[slot.ReplicaRow]:
        """Standbys and replacements."""
        return slot.replicas(self.agent, limit=LATEST)

    @cached_property
    def may_create(self) -> bool:
        """Whether a standby can be asked for: the domain has the last word."""
        if self.agent.status == Agent.Status.TERMINATED or self.machines.primary is None:
            return False
        return not Saga.objects.filter(agent=self.agent, status__in=Saga.ACTIVE).exists()

    @cached_property
    def journals(self) -> list[slot.Journal]:
        """What was done, step by step."""
        return slot.journals(self.agent, limit=LATEST_SAGAS)

    @cached_property
    def interruptions(self) -> list[history.Interruption]:
        """Its signals."""
        events = InterruptionEvent.objects.filter(agent=self.agent)
        return history.interruptions(events, limit=LATEST)

    @cached_property
    def switches(self) -> list[Switch]:
        """Its moves."""
        rows = Switch.objects.filter(agent=self.agent)
        return list(rows.select_related("from_instance", "to_instance")[:LATEST])

    @cached_property
    def commands(self) -> list[Command]:
        """What it was told."""
        return slot.commands(self.agent, limit=LATEST)

    @cached_property
    def feed(self) -> list[FeedEvent]:
        """What people were told about it."""
        return history.feed(self.agent.client, limit=LATEST, agent_id=self.agent.pk)


@page
def agent(request: HttpRequest, caller: Caller, client_id: UUID, agent_id: UUID) -> HttpResponse:
    """The page, or one of its sections."""
    seat = take_seat(caller, client_id)
    found = agent_of(seat.client, agent_id)
    context = {**seat.context(), "agent": found, "slot": Slot(found, timezone.now())}
    return sections.show(request, folder="agent", names=SECTIONS, context=context)
