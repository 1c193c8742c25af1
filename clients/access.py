"""What a caller may reach: first its kind and role, then the object, whose absence tells nothing."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from clients.auth import Caller, Kind
from clients.models import Client
from spotopt.lib.errors import Forbidden, NotFound, Unauthenticated


def caller_of(request: Request) -> Caller:
    """Who made this request."""
    if isinstance(request.auth, Caller):
        return request.auth
    raise Unauthenticated("Send a token, or log in.")


def only(*kinds: Kind) -> type[BasePermission]:
    """A DRF permission: callers of these kinds and no others."""

    class Only(BasePermission):
        message = "This kind of caller may not do that: " + (
            f"it is for {', '.join(kinds[:-1])} and {kinds[-1]}."
            if kinds[1:]
            else f"{kinds[0]} only."
        )

        def has_permission(self, request: Request, view: APIView) -> bool:
            return isinstance(request.auth, Caller) and request.auth.kind in kinds

    return Only


IsStaff = only("staff")
# /api/client/… and notifications: a client's software, its people, and staff.
IsClientSide = only("client", "person", "staff")
# /api/agents/<id>/…: the machine itself, its client's software, and staff.
IsAgentSide = only("agent", "client", "staff")


def parse_id(text: str | UUID, what: str) -> UUID:
    """An opaque id from a path; `NotFound` for what can't be one."""
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError as error:
        raise NotFound(f"There is no such {what}.") from error


def check(caller: Caller, client_id: UUID, *, write: bool = False, what: str = "client") -> None:
    """That the caller sees this tenant (else `NotFound`) and may change it (else `Forbidden`)."""
    if not caller.sees(client_id):
        raise NotFound(f"There is no such {what}.")
    if write and not caller.can_write(client_id):
        raise Forbidden("Your role lets you look, not change: ask an owner or an operator.")


def client_for(caller: Caller, client_id: str | UUID, *, write: bool = False) -> Client:
    """A tenant by its id, if this caller may reach it; somebody else's is `NotFound`."""
    if caller.kind in ("agent", "enrolment"):
        raise Forbidden("A machine's token reaches its own agent only.")
    key = parse_id(client_id, "client")
    check(caller, key, write=write)
    client = Client.objects.filter(pk=key).first()
    if client is None:
        raise NotFound("There is no such client.")
    return client


def visible_clients(caller: Caller) -> QuerySet[Client]:
    """The tenants that this caller may see."""
    if caller.kind == "staff":
        return Client.objects.all()
    ids: list[Any] = list(caller.roles) if caller.kind == "person" else [caller.client_id]
    return Client.objects.filter(pk__in=ids)
