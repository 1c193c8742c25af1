"""How people come in: a link that is good once, for 72 hours.

The link is the invitation's id and an HMAC of it, so that it can be shown again without being kept.
"""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from clients import feed, mail, people
from clients.models import Client, Invitation, Membership
from spotopt.lib import keys
from spotopt.lib.errors import BadInput, NotFound

LIFE = timedelta(hours=72)
PURPOSE = "invitation"
RANK: list[str] = [Membership.Role.VIEWER, Membership.Role.OPERATOR, Membership.Role.OWNER]


class NoSuchInvitation(NotFound):
    """The link is mistyped, was used, has run out or was replaced: the same answer for all."""

    def __init__(self) -> None:
        super().__init__("This invitation is not valid any more: ask for a new one.")


def invite(*, client: Client, email: str, role: str, by: str, now: datetime) -> Invitation:
    """An invitation, mailed where mail is set up; one that this address had before stops working."""
    with transaction.atomic():
        Client.objects.select_for_update().get(pk=client.pk)  # one invitation at a time
        Invitation.objects.filter(client=client, email__iexact=email, used_at=None).delete()
        invitation = Invitation.objects.create(
            client=client,
            email=email,
            role=Membership.Role(role),
            invited_by=by[:150],
            created_at=now,
            expires_at=now + LIFE,
        )
        feed.record(
            client_id=client.pk,
            event_type="people",
            message=f"{by} invited {email} as {role}.",
            severity="info",
            now=now,
        )
        mail.send(
            to=email,
            subject=f"You are invited to {client.name}",
            text=f"{by} invites you to look after {client.name} in Spot Optimizer.\n\n"
            f"{link(invitation)}\n\nThe link is good once, until {invitation.expires_at:%d %B %Y %H:%M} UTC.",
        )
    return invitation


def link(invitation: Invitation) -> str:
    """The address to open; without PUBLIC_URL only its path is known."""
    secret = keys.digests(str(invitation.pk), purpose=PURPOSE)[0]
    return f"{settings.PUBLIC_URL}/invitation/{invitation.pk.hex}{secret}"


def find(secret: str, now: datetime) -> Invitation:
    """The open invitation of this link; `NoSuchInvitation` otherwise."""
    try:
        key = UUID(hex=secret[:32])
    except ValueError as error:
        raise NoSuchInvitation from error
    proofs = keys.digests(str(key), purpose=PURPOSE)
    given = secret[32:].encode()
    if not any(hmac.compare_digest(proof.encode(), given) for proof in proofs):
        raise NoSuchInvitation
    found = Invitation.objects.select_related("client").filter(
        pk=key, used_at=None, expires_at__gt=now
    )
    invitation = found.first()
    if invitation is None:
        raise NoSuchInvitation
    return invitation


def sign_up(*, secret: str, username: str, password: str, now: datetime) -> User:
    """A new person, in the role of the invitation; `BadInput` names a taken name or a weak password."""
    invitation = find(secret, now)
    user = User(username=username, email=invitation.email)
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        fields = (
            error.message_dict if hasattr(error, "error_dict") else {"password": error.messages}
        )
        raise BadInput(next(iter(fields.values()))[0], errors=fields) from error
    user.set_password(password)
    with transaction.atomic():
        try:
            with transaction.atomic():
                user.save(force_insert=True)
        except IntegrityError as error:  # taken since it was looked for
            raise BadInput.field("username", "This name is taken.") from error
        join(secret=secret, user=user, now=now)
    return user


def join(*, secret: str, user: User, now: datetime) -> Client:
    """Use the invitation up for this person; whoever comes second gets `NoSuchInvitation`.

    A role in the client that is worth more than the invitation's stays.
    """
    with transaction.atomic():
        invitation = find(secret, now)
        used = Invitation.objects.filter(pk=invitation.pk, used_at=None).update(
            used_at=now, used_by=user
        )
        if not used:
            raise NoSuchInvitation
        has = Membership.objects.filter(client=invitation.client, user=user).first()
        if has is None or RANK.index(has.role) < RANK.index(invitation.role):
            people.set_role(
                client=invitation.client,
                user=user,
                role=invitation.role,
                by=invitation.invited_by,
                now=now,
            )
    return invitation.client
