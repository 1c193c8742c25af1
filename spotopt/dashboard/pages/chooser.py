"""The start: the only client's overview, or a choice of clients."""

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from agents.models import Agent
from clients import access
from clients.auth import Caller
from spotopt.dashboard.access import page


@page
def start(request: HttpRequest, caller: Caller) -> HttpResponse:
    """`/`: straight to the client of a person who has one; else the choice."""
    ids = list(access.visible_clients(caller).values_list("pk", flat=True)[:2])
    if len(ids) == 1:
        return redirect("overview", client_id=ids[0])
    return redirect("clients")


@page
def clients(request: HttpRequest, caller: Caller) -> HttpResponse:
    """`/clients`: those that this person may see; all of them for staff."""
    online = Q(agents__status=Agent.Status.ONLINE)
    offline = Q(agents__status=Agent.Status.OFFLINE)
    rows = access.visible_clients(caller).annotate(
        online=Count("agents", filter=online), offline=Count("agents", filter=offline)
    )
    return render(request, "dashboard/clients.html", {"clients": rows.order_by("name", "pk")})
