"""Whose AWS account a call is made in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """A role to assume; an empty one means the server's own credentials.

    `number` is the AWS account number where it is known; it says what the account calls its zones.
    """

    role_arn: str = ""
    external_id: str = ""
    number: str = ""
