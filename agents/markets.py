"""The markets that managed machines are in, or may move to: what is worth knowing prices of."""

from collections import defaultdict
from dataclasses import dataclass

from agents.models import Agent, Instance
from clients import connection
from clients.models import Client
from spotopt.cloud.account import Account


@dataclass(frozen=True)
class Market:
    """Instance types of one region, to be asked about through one account."""

    account: Account
    region: str
    instance_types: frozenset[str]


def in_use() -> list[Market]:
    """One per account and region. Clients that are not connected to AWS have none."""
    rows = (
        Instance.objects.billing()
        .exclude(agent__status=Agent.Status.TERMINATED)
        .values_list("client_id", "region", "instance_type")
        .distinct()
    )
    clients = Client.objects.in_bulk({client_id for client_id, _, _ in rows})
    types: dict[tuple[Account, str], set[str]] = defaultdict(set)
    for client_id, region, instance_type in rows:
        client = clients[client_id]
        try:
            account = connection.account_for(client)
        except connection.NotConnected:
            continue
        types[account, region] |= {instance_type, *client.allowed_types}
    return [
        Market(account, region, frozenset(found))
        for (account, region), found in sorted(
            types.items(), key=lambda row: (row[0][1], row[0][0].role_arn)
        )
    ]
