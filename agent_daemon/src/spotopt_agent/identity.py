"""Which machine this is, as the metadata service tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from spotopt_agent.metadata import Metadata, MetadataError

ITEMS = "/latest/meta-data/"
DOCUMENT = "/latest/dynamic/instance-identity/document"


@dataclass(frozen=True)
class Identity:
    """The machine. ``mode`` is ``spot`` or ``on-demand``."""

    instance_id: str
    instance_type: str
    region: str
    az: str
    az_id: Optional[str]
    private_ip: Optional[str]
    mode: str


def read(metadata: Metadata) -> Identity:
    """Asks the metadata service: the signed document first, single items for what it lacks.

    Raises MetadataError, also where a required item is missing.
    """
    document = metadata.get_json(DOCUMENT) or {}

    def item(key: str, path: str) -> Optional[str]:
        value = document.get(key) or metadata.get(ITEMS + path)
        return str(value).strip() or None if value else None

    def required(key: str, path: str) -> str:
        value = item(key, path)
        if value is None:
            raise MetadataError(f"the metadata service has no {path}")
        return value

    # Anything but spot (on-demand, scheduled, capacity-block) is paid at a fixed price.
    life_cycle = metadata.get(ITEMS + "instance-life-cycle")
    return Identity(
        instance_id=required("instanceId", "instance-id"),
        instance_type=required("instanceType", "instance-type"),
        region=required("region", "placement/region"),
        az=required("availabilityZone", "placement/availability-zone"),
        az_id=metadata.get(ITEMS + "placement/availability-zone-id"),
        private_ip=item("privateIp", "local-ipv4"),
        mode="spot" if (life_cycle or "").strip() == "spot" else "on-demand",
    )
