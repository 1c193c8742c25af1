"""What a replica is launched from, and how: template, image, network, rights, tags.

Fixed when the intent is written, from rows alone: the same ClientToken must mean the same launch, and an
emergency asks nobody.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from agents.models import Instance, MachineImage
from clients.models import Client
from pricing.models import Pool
from replicas.models import Replica, Saga
from spotopt.cloud import zones
from spotopt.cloud.account import Account
from spotopt.cloud.compute import Machine

# Tags that AWS or we ourselves put on a machine are not its owner's.
RESERVED = ("aws:", "spotopt:")
Facts = dict[str, Any]


def facts_of(account: Account, region: str, machine: Machine) -> Facts:
    """What to do alike when a machine is launched in this one's place. Raises CloudError."""
    subnets = zones.subnets_like(account, region, machine.subnet_id) if machine.subnet_id else {}
    return {
        "subnets": subnets,
        "security_groups": list(machine.security_groups),
        "key_name": machine.key_name,
        "instance_profile": machine.instance_profile,
        "tags": {k: v for k, v in machine.tags.items() if not k.startswith(RESERVED)},
    }


def where(saga: Saga) -> dict[str, Any]:
    """Template or image, script, and the present machine's facts: what the journal's launch step holds.

    The agent's launch template, the client's, an image by the client's policy, the present machine's own
    image, the installation's default; both empty if there is nothing at all.
    """
    client, old = saga.client, saga.old_instance
    template = saga.agent.launch_template or client.launch_template
    image = "" if template else _by_policy(saga, old) or (old.image_id if old else "")
    facts = old.launch_facts if old is not None and not template else {}
    if not template and not image:
        template, image = settings.DEFAULT_LAUNCH_TEMPLATE, settings.DEFAULT_AMI
        image = "" if template else image
    return {
        "launch_template": template,
        "image_id": image,
        "script": client.user_data,
        "facts": {} if template else facts,
    }


def _by_policy(saga: Saga, old: Instance | None) -> str:
    client = saga.client
    if client.image_policy == Client.ImagePolicy.FIXED:
        return str(client.image_id)
    if client.image_policy == Client.ImagePolicy.SNAPSHOT and old is not None:
        newest = MachineImage.objects.filter(
            agent_id=saga.agent_id, region=old.region, status=MachineImage.Status.AVAILABLE
        ).first()
        return newest.image_id if newest else ""
    return ""


def likeness(chosen: Mapping[str, Any], *, client: Client, pool: Pool) -> dict[str, Any]:
    """The fields of a LaunchSpec that say where in the network, and with what rights.

    Security groups belong to a VPC: they are left out where the subnet is not known to be of that VPC.
    """
    facts: Facts = chosen.get("facts") or {}
    own_subnets: dict[str, str] = facts.get("subnets") or {}
    subnet = client.aws_subnets.get(pool.az_id) or own_subnets.get(pool.az_id, "")
    same_network = bool(own_subnets) and subnet in own_subnets.values()
    return {
        "subnet_id": subnet,
        "security_groups": tuple(facts.get("security_groups") or ()) if same_network else (),
        "key_name": facts.get("key_name") or "",
        "instance_profile": facts.get("instance_profile") or "",
    }


def carried_tags(chosen: Mapping[str, Any], replica: Replica) -> dict[str, str]:
    """The present machine's own tags; EC2 takes fifty, ours among them."""
    tags: dict[str, str] = (chosen.get("facts") or {}).get("tags") or {}
    return dict(sorted(tags.items())[:40])
