"""Filters of DescribeInstances: the ones that moto lacks, and a proper error for those that EC2
doesn't know either, where moto answers 500."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from moto.ec2 import utils
from moto.ec2.exceptions import EC2ClientError

from .. import zones
from ..clock import iso

if TYPE_CHECKING:
    from ..world import World


def _value(instance: Any, name: str) -> Any:
    zone = zones.find(instance.placement.zone or "")
    values: dict[str, Any] = {
        "instance-lifecycle": instance.lifecycle,
        "client-token": instance.client_token,
        "spot-instance-request-id": getattr(instance, "spot_instance_request_id", None),
        "instance-state-code": str(instance.state_code),
        "availability-zone-id": zone.id if zone else None,
        "placement-availability-zone": instance.placement.zone,
        "launch-time": iso(instance.launch_time.timestamp()),
        "launch-index": str(instance.ami_launch_index),
        "tenancy": instance.placement.tenancy,
        "hypervisor": instance.hypervisor,
        "virtualization-type": instance.virtualization_type,
        "root-device-type": instance.root_device_type,
        "root-device-name": instance.root_device_name,
        "monitoring-state": instance.monitoring_state,
        "iam-instance-profile.arn": (instance.iam_instance_profile or {}).get("Arn"),
        "block-device-mapping.volume-id": [
            device.volume_id for _, device in instance.get_block_device_mapping
        ],
        "network-interface.network-interface-id": [nic.id for nic in instance.nics.values()],
        "network-interface.addresses.private-ip-address": instance.private_ip,
        "metadata-options.http-tokens": instance.metadata_options.http_tokens,
    }
    return values[name]


def install(world: World) -> None:
    known = utils.filter_dict_attribute_mapping

    def passes_filter_dict(instance: Any, filter_dict: dict[str, Any]) -> bool:
        for name, patterns in filter_dict.items():
            if utils.is_tag_filter(name):
                if not utils.tag_filter_matches(instance, name, patterns):
                    return False
                continue
            try:
                value = (
                    utils.get_object_value(instance, known[name])
                    if name in known
                    else _value(instance, name)
                )
            except KeyError:
                raise EC2ClientError(
                    "InvalidParameterValue", f"The filter '{name}' is invalid"
                ) from None
            if not _matches(value, patterns):
                return False
        return True

    utils.passes_filter_dict = passes_filter_dict


def _matches(value: Any, patterns: list[str]) -> bool:
    if isinstance(value, list):
        return any(_matches(each, patterns) for each in value)
    if value is None:
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
