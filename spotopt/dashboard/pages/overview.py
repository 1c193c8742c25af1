"""`/c/<client>/`: are we safe, what runs where, what has happened."""

from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from agents.models import Mode, Switch
from clients import installation
from clients.auth import Caller
from clients.models import Client, FeedEvent
from replicas.models import InterruptionEvent
from spotopt.dashboard.access import page, take_seat
from spotopt.dashboard.pages import sections
from spotopt.dashboard.reads import costs, fleet, history, verdict

SECTIONS = ("safety", "agents", "interruptions", "switches", "feed")
LATEST_INTERRUPTIONS = 6
LATEST_SWITCHES = 8
LATEST_EVENTS = 20


class Overview:
    """What the page shows; each part is read when a template asks for it, once."""

    def __init__(self, client: Client, now: datetime) -> None:
        self.client = client
        self.now = now

    @cached_property
    def slots(self) -> list[fleet.Slot]:
        """The agents."""
        return fleet.read(self.client, now=self.now)

    @cached_property
    def tally(self) -> history.Tally:
        """The day's interruptions, counted."""
        return history.tally(self.client, now=self.now)

    @cached_property
    def online(self) -> int:
        """Agents heard lately."""
        return sum(slot.online for slot in self.slots)

    @cached_property
    def covered(self) -> int:
        """Agents with a ready standby."""
        return sum(slot.covered for slot in self.slots)

    @cached_property
    def saving(self) -> costs.Saving | None:
        """Of the agents whose prices are known."""
        return costs.total(slot.saving for slot in self.slots)

    @cached_property
    def priced(self) -> int:
        """How many those are."""
        return sum(slot.saving is not None for slot in self.slots)

    @cached_property
    def verdict(self) -> verdict.Verdict:
        """Are we safe?"""
        slots = self.slots
        return verdict.judge(
            verdict.Facts(
                agents=len(slots),
                silent=[str(slot.agent) for slot in slots if not slot.online],
                disabled=[str(slot.agent) for slot in slots if not slot.agent.enabled],
                covered=self.covered,
                exposed=sum(slot.exposed for slot in slots),
                on_demand=sum(
                    slot.primary is not None and slot.primary.mode == Mode.ON_DEMAND
                    for slot in slots
                ),
                stopped_everywhere=not installation.current().automation,
                stopped_here=not self.client.automation,
                dry_run=self.client.dry_run,
                open=self.tally.open,
                unanswered=self.tally.unanswered,
            )
        )

    @cached_property
    def interruptions(self) -> list[history.Interruption]:
        """The latest signals."""
        events = InterruptionEvent.objects.filter(client=self.client)
        return history.interruptions(events, limit=LATEST_INTERRUPTIONS)

    @cached_property
    def switches(self) -> list[Switch]:
        """The latest moves."""
        return history.switches(self.client, limit=LATEST_SWITCHES)

    @cached_property
    def feed(self) -> list[FeedEvent]:
        """The latest events."""
        return history.feed(self.client, limit=LATEST_EVENTS)


@page
def overview(request: HttpRequest, caller: Caller, client_id: UUID) -> HttpResponse:
    """The page, or one of its sections."""
    seat = take_seat(caller, client_id)
    context = {**seat.context(), "overview": Overview(seat.client, timezone.now())}
    return sections.show(request, folder="overview", names=SECTIONS, context=context)
