"""The tags by which every machine we launched, or may end, can be found again."""

from agents.models import Instance
from clients import installation
from replicas.models import Replica
from spotopt.cloud.compute import Machine

INSTALLATION = "spotopt:installation"
CLIENT = "spotopt:client"
AGENT = "spotopt:agent"
REPLICA = "spotopt:replica"
SAGA = "spotopt:saga"
ALL = (INSTALLATION, CLIENT, AGENT, REPLICA, SAGA)


def for_replica(replica: Replica) -> dict[str, str]:
    """What a launched machine carries from its first moment."""
    return {
        "Name": f"spotopt {replica.agent}",
        INSTALLATION: str(installation.current().pk),
        CLIENT: str(replica.client_id),
        AGENT: str(replica.agent_id),
        REPLICA: str(replica.pk),
        SAGA: str(replica.saga_id),
    }


def for_instance(instance: Instance) -> dict[str, str]:
    """What a machine that enrolled by itself is given: it is ours to end after a move."""
    return {
        INSTALLATION: str(installation.current().pk),
        CLIENT: str(instance.client_id),
        AGENT: str(instance.agent_id),
    }


def is_ours(machine: Machine) -> bool:
    """Whether this very installation tagged it."""
    return machine.tags.get(INSTALLATION) == str(installation.current().pk)
