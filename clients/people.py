"""Who may see and run a client."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from clients import feed
from clients.models import Client, Membership
from spotopt.lib.errors import Conflict


class LastOwner(Conflict):
    """A client keeps somebody who can let others in."""


def set_role(*, client: Client, user: User, role: str, by: str, now: datetime) -> Membership:
    """Give a person this role, or change the one there is; `LastOwner` if nobody would own the client."""
    with transaction.atomic():
        _keep_an_owner(client, user, unless=role == Membership.Role.OWNER)
        membership, _ = Membership.objects.update_or_create(
            client=client, user=user, defaults={"role": Membership.Role(role)}
        )
        _tell(client, f"{by} made {user} {membership.get_role_display().lower()}.", now)
    return membership


def remove(*, client: Client, user: User, by: str, now: datetime) -> bool:
    """Take a person's role away; False if there was none, `LastOwner` if nobody would own the client."""
    with transaction.atomic():
        _keep_an_owner(client, user, unless=False)
        gone = Membership.objects.filter(client=client, user=user).delete()[0]
        if gone:
            _tell(client, f"{by} removed {user}.", now)
    return bool(gone)


def changed(*, client: Client) -> None:
    """Roles were changed row by row: open pages follow."""
    feed.publish(client_id=client.pk, kind="access")


def _keep_an_owner(client: Client, user: User, *, unless: bool) -> None:
    if unless:
        return
    owners = list(
        Membership.objects.select_for_update()
        .filter(client=client, role=Membership.Role.OWNER)
        .values_list("user_id", flat=True)
    )
    if owners == [user.pk]:
        raise LastOwner(f"{user} is the last owner of {client.name}: name another one first.")


def _tell(client: Client, message: str, now: datetime) -> None:
    feed.record(client_id=client.pk, event_type="people", message=message, severity="info", now=now)
    changed(client=client)
