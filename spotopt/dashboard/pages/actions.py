"""What operators and owners may do on an agent's page: each is asked once more, then one domain call."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from agents.models import Agent
from clients.auth import Caller
from replicas import lifecycle, requests
from replicas.models import Replica
from spotopt.dashboard.access import Seat, agent_of, page, take_seat
from spotopt.dashboard.reads import places
from spotopt.lib.errors import NotFound, Refused

# What endpoint 10 takes from a person who names no pool.
WISH = {
    "replica_type": "manual",
    "pool_id": "",
    "mode": "spot",
    "keep_alive": False,
    "command_id": None,
}


@dataclass(frozen=True)
class Question:
    """What a person is asked before it is done."""

    title: str
    text: str
    button: str
    grave: bool = False


CREATE = Question(
    "Create a standby",
    "A machine is launched in the best pool outside the agent's own zone and kept ready to take over. "
    "It is billed from its launch on.",
    "Create the standby",
)
PROMOTE = Question(
    "Promote the standby",
    "The standby becomes the primary now. The present machine is fenced, its workload stops, and it is "
    "terminated.",
    "Promote it now",
    grave=True,
)
DELETE = Question(
    "Delete the standby",
    "The standby's machine is terminated. Until another is ready, a notice means launching a replacement.",
    "Delete the standby",
    grave=True,
)


@page
def create(request: HttpRequest, caller: Caller, client_id: UUID, agent_id: UUID) -> HttpResponse:
    """Ask for a standby."""
    seat, agent = _seat(caller, client_id, agent_id)

    def act() -> str:
        replica = requests.ask(caller=caller, agent=agent, wish=WISH, clock=timezone.now)
        return f"A standby is on its way in {replica.pool_id}."

    return _ask(request, seat, agent, CREATE, act)


@page
def promote(
    request: HttpRequest, caller: Caller, client_id: UUID, agent_id: UUID, replica_id: UUID
) -> HttpResponse:
    """Make a ready replica the primary."""
    seat, agent = _seat(caller, client_id, agent_id)
    replica = lifecycle.find(agent=agent, replica_id=replica_id)

    def act() -> str:
        saga = lifecycle.promote(replica=replica, quiesced=False, clock=timezone.now)
        if saga.promoted_at is None:
            return f"{agent} is moving: its workload is given time to come to rest first."
        return f"{agent} has moved to {replica.instance}."

    return _ask(request, seat, agent, PROMOTE, act, replica)


@page
def delete(
    request: HttpRequest, caller: Caller, client_id: UUID, agent_id: UUID, replica_id: UUID
) -> HttpResponse:
    """Terminate a standby."""
    seat, agent = _seat(caller, client_id, agent_id)
    replica = lifecycle.find(agent=agent, replica_id=replica_id)

    def act() -> str:
        lifecycle.delete(replica=replica, reason=f"deleted by {caller.name}", clock=timezone.now)
        return "The standby is being terminated; that is repeated until EC2 confirms it."

    return _ask(request, seat, agent, DELETE, act, replica)


def _seat(caller: Caller, client_id: UUID, agent_id: UUID) -> tuple[Seat, Agent]:
    seat = take_seat(caller, client_id, write=True)
    return seat, agent_of(seat.client, agent_id)


def _ask(
    request: HttpRequest,
    seat: Seat,
    agent: Agent,
    question: Question,
    act: Callable[[], str],
    replica: Replica | None = None,
) -> HttpResponse:
    """GET asks; POST does it, and says on the agent's page what came of it."""
    if request.method != "POST":
        place = places.of_pool(replica.pool, places.names_of(seat.client)) if replica else ""
        context = {"agent": agent, "replica": replica, "place": place, "question": question}
        return render(request, "dashboard/confirm.html", {**seat.context(), **context})
    try:
        messages.success(request, act())
    except NotFound:
        raise
    except Refused as error:
        messages.error(request, error.message)
    return redirect("agent", client_id=seat.client.pk, agent_id=agent.pk)
