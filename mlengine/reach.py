"""Where each slot may run: its own type and those its client allows, in the zones its account has."""

import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from agents.models import Instance
from clients import connection
from clients.models import Client
from pricing import pools
from pricing.models import Pool, Zone
from spotopt.cloud import session
from spotopt.cloud.account import Account
from spotopt.cloud.errors import CloudError
from spotopt.lib.errors import BadInput

log = logging.getLogger(__name__)

Parts = tuple[str, str, str]  # instance type, zone id, product


@dataclass(frozen=True)
class Reach:
    """Pool ids by slot (agent), the own one first; account numbers by connected client; zone names by zone id
    for each (number, region).
    """

    numbers: Mapping[uuid.UUID, str] = field(default_factory=dict)
    zones: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    pools: Mapping[uuid.UUID, tuple[str, ...]] = field(default_factory=dict)

    def zone_names(self, client_id: uuid.UUID, region: str) -> Mapping[str, str]:
        """Zone name by zone id, as the client's account has them."""
        return self.zones.get((self.numbers.get(client_id, ""), region), {})


def types_for(client: Client, pool: Pool) -> list[str]:
    """The slot's own type first; what cannot be a type is left out, as nobody can launch it."""
    allowed = client.allowed_types if isinstance(client.allowed_types, list) else []
    good = [text for text in allowed if isinstance(text, str) and _is_type(text)]
    return list(dict.fromkeys([pool.instance_type, *good]))


def account_numbers(clients: Iterable[Client]) -> dict[uuid.UUID, str]:
    """By client, for those that are connected to AWS; empty where AWS does not tell.

    It may ask STS for the server's own account, once a process, so it stands outside transactions.
    """
    accounts: dict[uuid.UUID, Account] = {}
    for client in clients:
        try:
            accounts[client.pk] = connection.account_for(client)
        except connection.NotConnected:
            continue
    asked = {account: _number(account) for account in set(accounts.values())}
    return {client_id: asked[account] for client_id, account in accounts.items()}


def find(
    instances: Iterable[Instance],
    *,
    clients: Mapping[uuid.UUID, Client],
    numbers: Mapping[uuid.UUID, str],
) -> Reach:
    """For these primaries, whose pools are loaded. Three statements; rows of new pools are made."""
    zones: dict[tuple[str, str], dict[str, str]] = {}
    rows = Zone.objects.filter(account__in=set(numbers.values()) - {""})
    for number, region, az_id, az_name in rows.values_list("account", "region", "az_id", "az_name"):
        if _lies_in(az_id, region):
            zones.setdefault((number, region), {})[az_id] = az_name
    known = Reach(numbers, zones)
    wanted = {
        instance.agent_id: _parts(clients[instance.client_id], instance, known)
        for instance in instances
    }
    pools.ensure_many({parts for found in wanted.values() for parts in found})
    named = {
        agent_id: tuple(pools.pool_id(*parts) for parts in found)
        for agent_id, found in wanted.items()
    }
    return replace(known, pools=named)


def _number(account: Account) -> str:
    try:
        return session.account_number(account)
    except CloudError as error:
        log.warning("the number of an AWS account is not known: %s", error)
        return ""


def _parts(client: Client, instance: Instance, known: Reach) -> list[Parts]:
    """Its own pool first. Where a client names subnets, the zones that have one, and its own."""
    pool = instance.pool
    zone_ids = set(known.zone_names(client.pk, pool.region))
    if client.aws_subnets and isinstance(client.aws_subnets, dict):
        zone_ids &= set(client.aws_subnets)
    zone_ids.discard(pool.az_id)
    return [
        (instance_type, az_id, pool.product)
        for instance_type in types_for(client, pool)
        for az_id in (pool.az_id, *sorted(zone_ids))
    ]


def _lies_in(az_id: str, region: str) -> bool:
    try:
        return pools.region_of(az_id) == region
    except BadInput:
        return False


def _is_type(text: str) -> bool:
    try:
        pools.parse(f"{text}.use1-az1")
    except BadInput:
        return False
    return True
