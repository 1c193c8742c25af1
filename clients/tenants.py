"""Tenants: made, given a token, shown one, removed."""

from datetime import datetime

from django.db import transaction

from clients import feed, invitations, tokens
from clients.models import Client, Membership


def create(
    *,
    name: str,
    email: str,
    by: str,
    now: datetime,
    target_savings_percent: int = 50,
    max_switches_per_day: int = 3,
) -> tuple[Client, str]:
    """A client and the text of its token. `by` names who asked, for the feed."""
    with transaction.atomic():
        client = Client.objects.create(
            name=name,
            email=email,
            target_savings_percent=target_savings_percent,
            max_switches_per_day=max_switches_per_day,
        )
        text = open_account(client=client, by=by, now=now)
    return client, text


def open_account(*, client: Client, by: str, now: datetime) -> str:
    """A token for a client whose row is new, and an invitation for its owner; the token's text."""
    with transaction.atomic():
        text = tokens.issue_client(client, now)
        _audit(client, "client_created", f"{by} created the client {client.name}.", now=now)
        invitations.invite(
            client=client, email=client.email, role=Membership.Role.OWNER, by=by, now=now
        )
    return text


def regenerate_token(*, client: Client, by: str, now: datetime) -> str:
    """A new client token; the old one is cut off at once. Agents keep the tokens they have."""
    with transaction.atomic():
        text = tokens.issue_client(client, now)
        _audit(
            client,
            "token_regenerated",
            f"{by} replaced the client token; the earlier one no longer works.",
            now=now,
            severity="warning",
        )
    return text


def show_token(*, client: Client, by: str, now: datetime) -> str:
    """The client token's text; `tokens.TokenLost` if it can't be had. Each showing is on record."""
    with transaction.atomic():
        text = tokens.reveal_client(client)
        _audit(client, "token_shown", f"{by} looked at the client token.", now=now)
    return text


def delete_rows(*, client: Client, by: str, now: datetime) -> None:
    """Remove what is left of a client, for good: its people's roles, its tokens, its feed.

    The apps above have removed their rows and dealt with its machines before; rows that they protect
    make the database refuse this.
    """
    with transaction.atomic():
        feed.publish(client_id=client.pk, kind="client", id=str(client.pk))
        feed.record(
            client_id=None,
            event_type="client_deleted",
            message=f"{by} deleted the client {client.name} ({client.pk}).",
            severity="warning",
            now=now,
        )
        client.delete()


def _audit(
    client: Client, event_type: str, message: str, *, now: datetime, severity: str = "info"
) -> None:
    feed.record(
        client_id=client.pk, event_type=event_type, message=message, severity=severity, now=now
    )
