"""Pools by the names that a client's own account gives its zones."""

from collections.abc import Iterable

from agents.models import Instance
from clients.models import Client
from pricing.models import Pool


def named(instance_type: str, zone: str) -> str:
    """`t3.medium (us-east-1a)`."""
    return f"{instance_type} ({zone})"


def of_machine(machine: Instance) -> str:
    """Where a machine is; by the zone's id where its name is not known."""
    return named(machine.instance_type, machine.az_name or machine.az_id)


def zone_names(machines: Iterable[Instance]) -> dict[str, str]:
    """Zone names by zone id, as this client's own machines have shown them."""
    return {machine.az_id: machine.az_name for machine in machines if machine.az_name}


def names_of(client: Client) -> dict[str, str]:
    """The same, for a page that has not read the client's machines."""
    pairs = Instance.objects.filter(client=client).exclude(az_name="").order_by()
    return dict(pairs.values_list("az_id", "az_name").distinct())


def of_pool(pool: Pool, names: dict[str, str]) -> str:
    """A pool's name for this client."""
    return named(pool.instance_type, names.get(pool.az_id, pool.az_id))
