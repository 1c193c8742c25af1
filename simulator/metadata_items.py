"""What the metadata service of a machine tells: a flat table of paths under `/latest/`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

from . import user_data
from .clock import iso
from .machines import Machine

Credentials = Callable[[Machine], tuple[str, dict[str, str]]]


def listing(table: dict[str, str], path: str) -> str | None:
    """The item at a path, or the names below it as the service lists them; None if neither."""
    path = path.strip("/")
    if path in table:
        return table[path]
    prefix = f"{path}/" if path else ""
    below = {
        rest.split("/", 1)[0] + ("/" if "/" in rest else "")
        for rest in (key[len(prefix) :] for key in table if key.startswith(prefix))
    }
    return "\n".join(sorted(below)) if below else None


def table(machine: Machine) -> dict[str, str]:
    """Everything but credentials. The two signals are there only when there is one."""
    host = machine.private_ip.replace(".", "-")
    domain = (
        "ec2.internal" if machine.region == "us-east-1" else f"{machine.region}.compute.internal"
    )
    document = identity_document(machine)
    signature = base64.b64encode(hashlib.sha256(document.encode()).digest() * 4).decode()
    items = {
        "meta-data/instance-id": machine.instance_id,
        "meta-data/instance-type": machine.instance_type,
        "meta-data/instance-life-cycle": machine.mode,
        "meta-data/instance-action": "none",
        "meta-data/local-ipv4": machine.private_ip,
        "meta-data/ami-id": str(machine.record.image_id),
        "meta-data/ami-launch-index": "0",
        "meta-data/hostname": f"ip-{host}.{domain}",
        "meta-data/local-hostname": f"ip-{host}.{domain}",
        "meta-data/placement/availability-zone": machine.az,
        "meta-data/placement/availability-zone-id": machine.az_id,
        "meta-data/placement/region": machine.region,
        "meta-data/services/domain": "amazonaws.com",
        "meta-data/services/partition": "aws",
        "dynamic/instance-identity/document": document,
        "dynamic/instance-identity/pkcs7": signature,
        "dynamic/instance-identity/signature": signature,
        "dynamic/instance-identity/rsa2048": signature,
    }
    for key, value in machine.tags.items():
        items[f"meta-data/tags/instance/{key}"] = value
    if machine.notice_at is not None:
        action = {"action": machine.notice_action, "time": iso(machine.notice_at)}
        items["meta-data/spot/instance-action"] = json.dumps(action)
        items["meta-data/spot/termination-time"] = iso(machine.notice_at)
    if machine.rebalance_at is not None:
        notice = json.dumps({"noticeTime": iso(machine.rebalance_at)})
        items["meta-data/events/recommendations/rebalance"] = notice
    if data := user_data.decode(machine.user_data):
        items["user-data"] = data.decode("utf-8", "surrogateescape")
    return items


def identity_document(machine: Machine) -> str:
    return json.dumps(
        {
            "accountId": machine.account,
            "architecture": str(machine.record.architecture),
            "availabilityZone": machine.az,
            "billingProducts": None,
            "devpayProductCodes": None,
            "marketplaceProductCodes": None,
            "imageId": str(machine.record.image_id),
            "instanceId": machine.instance_id,
            "instanceType": machine.instance_type,
            "kernelId": None,
            "pendingTime": iso(machine.launched_at),
            "privateIp": machine.private_ip,
            "ramdiskId": None,
            "region": machine.region,
            "version": "2017-09-30",
        },
        indent=2,
    )
