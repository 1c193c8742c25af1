"""Who is calling: a bearer token or a session, made into one `Caller` for every door."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import authentication
from rest_framework.request import Request

from clients import tokens
from clients.models import Membership, Token
from spotopt.lib.errors import TooMany, Unauthenticated
from spotopt.lib.failures import FailureCounter

Kind = Literal["agent", "client", "enrolment", "person", "staff"]
TOKEN_KINDS: Mapping[str, Kind] = {
    Token.Kind.AGENT: "agent",
    Token.Kind.CLIENT: "client",
    Token.Kind.ENROLMENT: "enrolment",
    Token.Kind.STAFF: "staff",
}
WRITERS = (Membership.Role.OWNER, Membership.Role.OPERATOR)

# Wrong tokens, per address. Counted in this process: it slows guessing, it guards no secret.
wrong_tokens = FailureCounter(limit=100, window_seconds=60)


@dataclass(frozen=True)
class Caller:
    """Who is at the door, and for whom.

    `client_id` is the tenant that a token belongs to; people have `roles` by client instead, and
    staff has neither. `agent_id` and `instance_id` narrow a machine's token, `replica_id` a launched
    machine's first one.
    """

    kind: Kind
    name: str
    client_id: UUID | None = None
    user_id: int | None = None
    agent_id: UUID | None = None
    instance_id: str = ""
    replica_id: UUID | None = None
    roles: Mapping[UUID, str] = field(default_factory=dict)

    def sees(self, client_id: UUID) -> bool:
        """Whether that tenant exists, as far as this caller can tell."""
        return self.kind == "staff" or client_id == self.client_id or client_id in self.roles

    def can_write(self, client_id: UUID) -> bool:
        """Whether it may change what that tenant has; a machine's token narrows this further."""
        if self.kind == "person":
            return self.roles.get(client_id) in WRITERS
        return self.sees(client_id)

    def owns(self, client_id: UUID) -> bool:
        """Whether it decides who else may come in."""
        return self.kind == "staff" or self.roles.get(client_id) == Membership.Role.OWNER


class TokenUser(AnonymousUser):
    """Stands where Django wants a user when a machine or a program is calling."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_authenticated(self) -> Literal[True]:  # type: ignore[override]
        """It came with a valid token."""
        return True

    @property
    def is_anonymous(self) -> Literal[False]:  # type: ignore[override]
        """It came with a valid token."""
        return False

    def __str__(self) -> str:
        return self.name


def caller_of_token(token: Token) -> Caller:
    """What a valid token is worth."""
    return Caller(
        kind=TOKEN_KINDS[token.kind],
        name=token.user.get_username() if token.user else f"{token.kind} token {token.prefix}…",
        client_id=token.client_id,
        user_id=token.user_id,
        agent_id=token.agent_id,
        instance_id=token.instance_id,
        replica_id=token.replica_id,
    )


def caller_of_user(user: User) -> Caller:
    """What a person's login is worth, as the memberships stand now."""
    if user.is_staff:
        return Caller(kind="staff", name=user.get_username(), user_id=user.pk)
    roles = dict(Membership.objects.filter(user=user).values_list("client_id", "role"))
    return Caller(kind="person", name=user.get_username(), user_id=user.pk, roles=roles)


def authenticate_text(text: str, now: datetime) -> Caller | None:
    """The caller with this token; None if it is none."""
    token = tokens.lookup(text, now)
    return None if token is None else caller_of_token(token)


def authenticate_header(value: str | None, *, address: str, now: datetime) -> Caller | None:
    """The caller of an `Authorization` header; None where there is no bearer token in it.

    A wrong token is `Unauthenticated`, or `TooMany` after 100 wrong ones in a minute from one
    address. A valid one is let in whatever else came from there.
    """
    scheme, _, text = (value or "").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    caller = authenticate_text(text.strip(), now)
    if caller is not None:
        return caller
    if wait := wrong_tokens.count(address):
        raise TooMany("Too many wrong tokens from this address.", retry_after=wait)
    raise Unauthenticated("This token is not valid: it is mistyped, replaced or expired.")


def address_of(request: HttpRequest) -> str:
    """Where a request comes from; behind a proxy, what the server was told to believe of it."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")


def _user_of(caller: Caller) -> User | TokenUser:
    if caller.kind == "staff" and caller.user_id is not None:
        return User.objects.get(pk=caller.user_id)
    return TokenUser(caller.name)


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <token>` of any kind; `request.auth` is the `Caller`."""

    def authenticate(self, request: Request) -> tuple[User | TokenUser, Caller] | None:
        """Let in, leave to the next door (no such header), or refuse."""
        caller = authenticate_header(
            request.META.get("HTTP_AUTHORIZATION"),
            address=address_of(request._request),
            now=timezone.now(),
        )
        return None if caller is None else (_user_of(caller), caller)

    def authenticate_header(self, request: Request) -> str:
        """Makes "no credential" a 401 rather than a 403."""
        return 'Bearer realm="spotopt"'


class SessionAuthentication(authentication.SessionAuthentication):
    """A person's login cookie, with Django's protection against forged requests."""

    def authenticate(self, request: Request) -> tuple[Any, Caller] | None:
        """Let in a logged-in person; `request.auth` is the `Caller`."""
        found = super().authenticate(request)
        return None if found is None else (found[0], caller_of_user(found[0]))
