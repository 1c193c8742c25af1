"""Tenants over HTTP, for staff: create, list, their token."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clients import access, invitations, queries, tenants
from clients.models import Client
from clients.serializers import NewClient
from spotopt.lib.fields import number
from spotopt.lib.pagination import window
from spotopt.lib.times import rfc3339


class CreateClient(APIView):
    """A new tenant with its token, and an invitation for its owner."""

    permission_classes = [access.IsStaff]

    def post(self, request: Request) -> Response:
        """201 with the token."""
        form = NewClient(data=request.data)
        form.is_valid(raise_exception=True)
        client, text = tenants.create(
            **form.validated_data, by=access.caller_of(request).name, now=timezone.now()
        )
        return Response(
            {
                "status": "success",
                "client_id": str(client.pk),
                "token": text,
                "message": f"Client {client.name} was created; {client.email} is invited as owner.",
                "invitation_url": invitations.link(client.invitations.get()),
            },
            status=201,
        )


class RegenerateToken(APIView):
    """Replace a tenant's token."""

    permission_classes = [access.IsStaff]

    def post(self, request: Request, client_id: str) -> Response:
        """200 with the new one; the old one has stopped working."""
        caller = access.caller_of(request)
        text = tenants.regenerate_token(
            client=access.client_for(caller, client_id, write=True),
            by=caller.name,
            now=timezone.now(),
        )
        return Response(
            {
                "status": "success",
                "new_token": text,
                "message": "The earlier token no longer works; agents keep their own.",
            }
        )


class ShowToken(APIView):
    """A tenant's token, once more."""

    permission_classes = [access.IsStaff]

    def get(self, request: Request, client_id: str) -> Response:
        """200 with the text; 409 if it can't be had. The showing is recorded."""
        caller = access.caller_of(request)
        text = tenants.show_token(
            client=access.client_for(caller, client_id), by=caller.name, now=timezone.now()
        )
        response = Response({"status": "success", "token": text})
        response["Cache-Control"] = "no-store"
        return response


class ListClients(APIView):
    """All tenants in short."""

    permission_classes = [access.IsStaff]

    def get(self, request: Request) -> Response:
        """200 with a part of the list and its `total`."""
        rows = queries.overview()
        clients = list(rows[window(request).slice])
        savings = self.total_savings(clients)
        return Response(
            {
                "clients": [summary(client, savings.get(client.pk)) for client in clients],
                "total": Client.objects.count(),
            }
        )

    def total_savings(self, clients: Sequence[Client]) -> dict[UUID, Decimal]:
        """USD saved so far, by client; savings are reckoned above this app, which overrides this."""
        return {}


def summary(client: Any, savings: Decimal | None) -> dict[str, Any]:
    """One tenant as the list shows it; `total_savings` is null where it isn't known."""
    return {
        "id": str(client.pk),
        "name": client.name,
        "email": client.email,
        "created_at": rfc3339(client.created_at),
        "active_agents": client.active_agents,
        "total_savings": number(savings),
        "status": client.status,
    }


urlpatterns = [
    path("admin/clients/create", CreateClient.as_view()),
    path("admin/clients/<str:client_id>/regenerate-token", RegenerateToken.as_view()),
    path("admin/clients/<str:client_id>/token", ShowToken.as_view()),
    path("admin/clients", ListClients.as_view()),
]
