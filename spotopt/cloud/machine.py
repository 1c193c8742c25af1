"""An EC2 instance as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

SPOT = "spot"
ON_DEMAND = "on-demand"
GONE = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True)
class Machine:
    """An instance as EC2 tells it; empty strings where it does not.

    `checks` and `spot_status` are filled only where asked for: EC2's status checks (`ok`,
    `initializing`, `impaired`), and the status code of the spot request, with whether that is
    `persistent` and would launch another instance in place of this one.
    """

    instance_id: str
    state: str
    az_name: str
    instance_type: str
    mode: str = ON_DEMAND
    az_id: str = ""
    private_ip: str = ""
    image_id: str = ""
    launched_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    spot_request_id: str = ""
    state_reason: str = ""
    spot_status: str = ""
    persistent: bool = False
    checks: str = ""
    subnet_id: str = ""
    public_ip: str = ""
    ipv6: str = ""
    security_groups: tuple[str, ...] = ()
    key_name: str = ""
    instance_profile: str = ""

    @property
    def gone(self) -> bool:
        """Ended or ending: it does not come back."""
        return self.state in GONE

    @property
    def impaired(self) -> bool:
        """EC2's own checks of it fail."""
        return self.checks == "impaired"

    @property
    def auto_scaling_group(self) -> str:
        """The group that would replace it if it were terminated; empty if there is none."""
        return self.tags.get("aws:autoscaling:groupName", "")


def read(told: "InstanceTypeDef") -> Machine:
    """From the shape in which EC2 describes it."""
    placement: Mapping[str, Any] = told.get("Placement", {})
    reason = told.get("StateReason", {})
    return Machine(
        instance_id=told["InstanceId"],
        state=told.get("State", {}).get("Name", "pending"),
        az_name=placement.get("AvailabilityZone", ""),
        az_id=placement.get("AvailabilityZoneId", ""),
        instance_type=told.get("InstanceType", ""),
        mode=SPOT if told.get("InstanceLifecycle") == "spot" else ON_DEMAND,
        private_ip=told.get("PrivateIpAddress", ""),
        image_id=told.get("ImageId", ""),
        launched_at=told.get("LaunchTime"),
        tags={tag["Key"]: tag.get("Value", "") for tag in told.get("Tags", [])},
        spot_request_id=told.get("SpotInstanceRequestId") or "",
        state_reason=reason.get("Code", ""),
        subnet_id=told.get("SubnetId", ""),
        public_ip=told.get("PublicIpAddress", ""),
        ipv6=_ipv6(told),
        security_groups=tuple(sorted(g.get("GroupId", "") for g in told.get("SecurityGroups", []))),
        key_name=told.get("KeyName", ""),
        instance_profile=told.get("IamInstanceProfile", {}).get("Arn", ""),
    )


def _ipv6(told: "InstanceTypeDef") -> str:
    for card in told.get("NetworkInterfaces", []):
        for address in card.get("Ipv6Addresses", []):
            return address.get("Ipv6Address", "")
    return ""
