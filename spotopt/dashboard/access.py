"""Who sees a page: login first, then the client, whose absence tells nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect

from agents.models import Agent
from clients import access, auth
from clients.auth import Caller
from clients.models import Client
from spotopt.lib.errors import Forbidden, NotFound

P = ParamSpec("P")


@dataclass(frozen=True)
class Seat:
    """A person in front of a client's pages, and what the page may offer."""

    caller: Caller
    client: Client

    @property
    def can_write(self) -> bool:
        """Whether forms are shown; the views behind them check again."""
        return self.caller.can_write(self.client.pk)

    @property
    def role(self) -> str:
        """What the person is here."""
        return self.caller.roles.get(self.client.pk, self.caller.kind)

    @property
    def chooses(self) -> bool:
        """Whether there may be other clients to go to."""
        return self.caller.kind == "staff" or len(self.caller.roles) > 1

    def context(self) -> dict[str, object]:
        """What every page of a client needs."""
        return {
            "client": self.client,
            "role": self.role,
            "chooses": self.chooses,
            "can_write": self.can_write,
        }


def is_htmx(request: HttpRequest) -> bool:
    """Whether a section fetches itself, rather than a person a page."""
    return bool(getattr(request, "htmx", False))


def _to_login(request: HttpRequest) -> HttpResponse:
    if is_htmx(request):  # a plain redirect would put the login page inside the section
        return HttpResponseClientRedirect(resolve_url("login"))
    return redirect_to_login(request.get_full_path())


def page(
    view: Callable[Concatenate[HttpRequest, Caller, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A view for logged-in people: it gets the caller, and its refusals become error pages."""

    @never_cache
    @wraps(view)
    def seen(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        try:
            return view(request, auth.caller_of_user(request.user), *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except Forbidden as error:
            raise PermissionDenied(error.message) from error

    return cast(Callable[Concatenate[HttpRequest, P], HttpResponse], seen)


def take_seat(caller: Caller, client_id: UUID, *, write: bool = False) -> Seat:
    """The client's pages for this person. Raises NotFound, or Forbidden for a viewer who writes."""
    return Seat(caller=caller, client=access.client_for(caller, client_id, write=write))


def agent_of(client: Client, agent_id: UUID) -> Agent:
    """An agent of this client; NotFound for a missing one and for somebody else's."""
    agent = Agent.objects.filter(pk=agent_id, client=client).first()
    if agent is None:
        raise NotFound("There is no such agent.")
    agent.client = client
    return agent
