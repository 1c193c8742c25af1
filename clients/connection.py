"""Which AWS account a client's machines live in, and with what rights it is entered."""

from django.conf import settings

from clients import installation
from clients.models import Client
from spotopt.cloud import permissions, session
from spotopt.cloud.account import Account
from spotopt.lib.errors import Conflict


class NotConnected(Conflict):
    """There is no AWS account to act in."""

    code = "not_connected"


def account_for(client: Client) -> Account:
    """The account to act in: the client's own role, else the server's where SERVER_AWS_ACCOUNT allows."""
    if client.aws_role_arn:
        return Account(
            role_arn=client.aws_role_arn,
            external_id=str(client.aws_external_id),  # a UUID until the row is read back
            number=account_number(client.aws_role_arn),
        )
    if settings.SERVER_AWS_ACCOUNT:
        return Account()
    raise NotConnected(
        f"Connect an AWS account to {client.name} first: give its settings the ARN of a role that "
        f"trusts this server with the external id {client.aws_external_id}."
    )


def check(client: Client) -> dict[str, list[permissions.Finding]]:
    """What the client's connection may do, by region. Raises NotConnected, and CloudError where there is no
    way in: the role is missing, or does not trust this server under the client's external id.
    """
    account = account_for(client)
    tags = {
        "spotopt:client": str(client.pk),
        "spotopt:installation": str(installation.current().pk),
    }
    return {
        region: permissions.check(account, region, image_id=client.image_id, tags=tags)
        for region in client.aws_regions or [session.HOME_REGION]
    }


def account_number(role_arn: str) -> str:
    """The twelve digits in `arn:aws:iam::123456789012:role/…`; empty if there are none."""
    parts = role_arn.split(":")
    return parts[4] if len(parts) > 5 else ""
