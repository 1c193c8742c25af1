"""What to launch, and the request it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spotopt.cloud.machine import SPOT


@dataclass(frozen=True)
class LaunchSpec:
    """What to launch. Without `subnet_id` the zone's default subnet is taken.

    `launch_template` is an id or a name, with `:version` if not its default one; it may not set market
    options, since a request cannot take them back. Network, security groups, key and the instance profile
    come from it, or are given here (the profile by its ARN). At least one of image and template must be
    given.
    """

    instance_type: str
    mode: str
    az_name: str
    image_id: str = ""
    launch_template: str = ""
    subnet_id: str = ""
    user_data: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    security_groups: tuple[str, ...] = ()
    key_name: str = ""
    instance_profile: str = ""


def _template(text: str) -> dict[str, str]:
    name, _, version = text.partition(":")
    key = "LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName"
    return {key: name, "Version": version or "$Default"}


def request(spec: LaunchSpec, client_token: str) -> dict[str, Any]:
    """The arguments of RunInstances; a function of its inputs alone, so that asking again is the same."""
    tags = [{"Key": key, "Value": value} for key, value in sorted(spec.tags.items())]
    kinds = ["instance", "volume"]
    asked: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": client_token,
        "InstanceType": spec.instance_type,
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},  # IMDSv2 alone
    }
    if spec.mode == SPOT:
        kinds.append("spot-instances-request")
        asked["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    if tags:
        asked["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
    if spec.subnet_id:
        asked["SubnetId"] = spec.subnet_id
    else:
        asked["Placement"] = {"AvailabilityZone": spec.az_name}
    if spec.launch_template:
        asked["LaunchTemplate"] = _template(spec.launch_template)
    if spec.image_id:
        asked["ImageId"] = spec.image_id
    if spec.security_groups:
        asked["SecurityGroupIds"] = list(spec.security_groups)
    if spec.key_name:
        asked["KeyName"] = spec.key_name
    if spec.instance_profile:
        asked["IamInstanceProfile"] = {"Arn": spec.instance_profile}
    if spec.user_data:
        asked["UserData"] = spec.user_data
    return asked
