"""Where a machine stands: its availability zone's id, and with it its pool.

Zone names are shuffled per account, so a name says nothing without the account it comes from.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clients import connection
from clients.models import Client
from pricing import pools, zones
from pricing.models import Pool
from spotopt.cloud import session
from spotopt.cloud.errors import CloudError, ThrottleError, UnreachableError
from spotopt.lib.errors import BadInput, Unavailable


class Seen(Protocol):
    """What EC2 says of a machine; `spotopt.cloud.compute.Machine` is one."""

    @property
    def instance_type(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def az_name(self) -> str: ...
    @property
    def az_id(self) -> str: ...
    @property
    def private_ip(self) -> str | None: ...
    @property
    def launched_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Place:
    """A pool, and what the machine's account calls the zone (empty if nobody said)."""

    pool: Pool
    az_name: str


def locate(
    *, client: Client, instance_type: str, region: str, az_name: str, az_id: str, now: datetime
) -> Place:
    """The pool of a machine that gives its zone by id, or by its account's name for it.

    May ask EC2, so it stands outside transactions. Raises BadInput naming the field at fault, or
    Unavailable while EC2 does not answer.
    """
    if not az_id:
        az_id = zone_id(client=client, region=region, az_name=az_name, now=now)
    try:
        home = pools.region_of(az_id)
    except BadInput as error:
        raise BadInput.field("az_id", error.message.partition(": ")[2] or error.message) from error
    if home != region:
        raise BadInput.field("az_id", f"{az_id} lies in {home}, not in {region}.")
    pool = pools.ensure(instance_type=instance_type, az_id=az_id, region=region)
    return Place(pool=pool, az_name=az_name)


def zone_id(*, client: Client, region: str, az_name: str, now: datetime) -> str:
    """The id of the zone that the client's account calls `az_name`; asks EC2 where it is not known yet."""
    if not az_name:
        raise BadInput.field("az", "Name the availability zone, or send az_id.")
    if not az_name.startswith(region):
        raise BadInput.field("az", f"{az_name} is not a zone of {region}.")
    try:
        account = connection.account_for(client)
        number = session.account_number(account)
        found = zones.az_id_of(number, az_name)
        if found is None:
            zones.ensure(account, region, now)
            found = zones.az_id_of(number, az_name)
    except (ThrottleError, UnreachableError) as error:
        raise Unavailable(f"EC2 does not say now which zone {az_name} is; try again.") from error
    except (connection.NotConnected, CloudError) as error:
        raise BadInput.field(
            "az",
            f"It is not known which zone {az_name} is in this account: send az_id, or connect the account.",
        ) from error
    if found is None:
        raise BadInput.field("az", f"The account has no zone {az_name} in {region}.")
    return found
