"""Endpoints of the decision engine: 25, and the history of decisions (40)."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import access as agent_access
from clients import access
from mlengine import options, serializers
from mlengine.models import Decision
from replicas import requests
from spotopt.lib import pagination
from spotopt.lib.errors import BadInput


class AvailableOptions(APIView):
    """25: the pools this machine's slot could move to."""

    def get(self, request: Request, instance_id: str) -> Response:
        """In the order of the zones' ids, the slot's own type first. Prices are fetched if none are fresh."""
        caller = access.caller_of(request)
        agent_access.require_kind(caller, agent_access.PEOPLE)
        instance = requests.find_instance(
            caller, instance_id, request.query_params.get("client_id")
        )
        found = options.available(instance, now=timezone.now())
        return Response({"options": [options.shown(option) for option in found]})


class Decisions(APIView):
    """40: what was decided for a client's slots, and why."""

    permission_classes = [access.IsClientSide]

    def get(self, request: Request, client_id: str) -> HttpResponseBase:
        """The newest first; `agent_id` and `acted` narrow it down, `format=csv` gives a file."""
        client = access.client_for(access.caller_of(request), client_id)
        rows = Decision.objects.filter(client=client).select_related("instance")
        return pagination.history(
            request,
            _narrowed(rows, request),
            key="decisions",
            show=serializers.decision,
            columns=serializers.COLUMNS,
        )


def _narrowed(rows: "QuerySet[Decision]", request: Request) -> "QuerySet[Decision]":
    agent_id = request.query_params.get("agent_id")
    if agent_id is not None:
        try:
            rows = rows.filter(agent_id=UUID(agent_id))
        except ValueError:
            raise BadInput.field("agent_id", "not an id") from None
    acted = request.query_params.get("acted")
    if acted is not None:
        if acted not in ("true", "false"):
            raise BadInput.field("acted", "Give true or false.")
        rows = rows.filter(acted=acted == "true")
    return rows


urlpatterns: list[Any] = [
    path("client/instances/<str:instance_id>/available-options", AvailableOptions.as_view()),
    path("client/<str:client_id>/agents/decisions", Decisions.as_view()),
]
