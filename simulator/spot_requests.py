"""Spot instance requests: the record beside each spot instance, with the status codes that tell
why it ended."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .clock import iso
from .machines import Machine

FULFILLED = "fulfilled"
MARKED = "marked-for-termination"
NO_CAPACITY = "instance-terminated-no-capacity"
BY_PRICE = "instance-terminated-by-price"
BY_USER = "instance-terminated-by-user"
BY_SERVICE = "instance-terminated-by-service"
NOT_AVAILABLE = "capacity-not-available"
CANCELLED_RUNNING = "request-canceled-and-instance-running"

_MESSAGES = {
    FULFILLED: "Your Spot request is fulfilled.",
    MARKED: "Your Spot Instance is marked for termination because capacity is needed elsewhere.",
    NO_CAPACITY: "Your Spot Instance was terminated because there is no capacity available.",
    BY_PRICE: "Your Spot Instance was terminated because the price exceeds your maximum.",
    BY_USER: "Spot Instance terminated due to user-initiated termination.",
    BY_SERVICE: "Your Spot Instance was terminated because of a fault of the service.",
    NOT_AVAILABLE: "There is no Spot capacity available that matches your request.",
    CANCELLED_RUNNING: "Your Spot request was cancelled; the instance is still running.",
}


@dataclass
class SpotRequest:
    """`state` is open, active, closed or cancelled; times are wall seconds. `relaunch` makes the
    next instance of a persistent request."""

    id: str
    machine: Machine
    type: str
    behavior: str
    created_at: float
    state: str = "active"
    code: str = FULFILLED
    relaunch: Callable[[], None] | None = None
    updated_at: float = field(default_factory=time.time)

    def becomes(self, code: str, state: str | None = None) -> None:
        self.code = code
        self.state = state or self.state
        self.updated_at = time.time()

    def ended(self, code: str) -> bool:
        """Its instance is gone. True if the request wants another one: it is persistent, and was
        not cancelled."""
        if self.state == "cancelled":
            return False
        again = self.type == "persistent"
        self.becomes(code, "open" if again else "closed")
        return again

    def try_again(self) -> None:
        if self.state == "open" and self.relaunch is not None:
            self.relaunch()

    def described(self) -> dict[str, Any]:
        """As DescribeSpotInstanceRequests tells it."""
        machine = self.machine
        told: dict[str, Any] = {
            "SpotInstanceRequestId": self.id,
            "InstanceId": machine.instance_id,
            "InstanceInterruptionBehavior": self.behavior,
            "LaunchedAvailabilityZone": machine.az,
            "LaunchedAvailabilityZoneId": machine.az_id,
            "ProductDescription": "Linux/UNIX",
            "CreateTime": iso(self.created_at),
            "State": self.state,
            "Status": {
                "Code": self.code,
                "Message": _MESSAGES.get(self.code, self.code),
                "UpdateTime": iso(self.updated_at),
            },
            "Type": self.type,
            "LaunchSpecification": {
                "ImageId": machine.record.image_id,
                "InstanceType": machine.instance_type,
                "Placement": {"AvailabilityZone": machine.az},
                "SubnetId": machine.record.subnet_id,
            },
            "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()],
        }
        if machine.max_price is not None:
            told["SpotPrice"] = f"{machine.max_price:.6f}"
        return told

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.machine.record.ec2_backend.tags.get(self.id, {}))

    def value(self, name: str) -> str | None:
        """What a filter of DescribeSpotInstanceRequests compares with; KeyError if AWS knows
        no such filter."""
        if name.startswith("tag:"):
            return self.tags.get(name[4:])
        machine = self.machine
        return {
            "instance-id": machine.instance_id,
            "spot-instance-request-id": self.id,
            "state": self.state,
            "status-code": self.code,
            "type": self.type,
            "launch.instance-type": machine.instance_type,
            "launched-availability-zone": machine.az,
            "launched-availability-zone-id": machine.az_id,
            "product-description": "Linux/UNIX",
        }[name]


class SpotRequests:
    def __init__(self) -> None:
        self._requests: dict[str, SpotRequest] = {}

    def open(self, machine: Machine, *, kind: str, behavior: str) -> SpotRequest:
        """A request for a machine just launched, already fulfilled."""
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
        request_id = "sir-" + "".join(random.choices(alphabet, k=8))
        request = SpotRequest(request_id, machine, kind, behavior, machine.launched_at)
        self._requests[request_id] = request
        self.fulfil(request, machine)
        return request

    def fulfil(self, request: SpotRequest, machine: Machine) -> None:
        """A machine for a request, its first or, of a persistent one, the next."""
        request.machine = machine
        request.becomes(FULFILLED, "active")
        machine.spot_request_id = request.id
        machine.record.spot_instance_request_id = request.id

    def get(self, request_id: str | None) -> SpotRequest | None:
        return self._requests.get(request_id or "")

    def of_account(self, account: str, region: str) -> list[SpotRequest]:
        return [
            request
            for request in self._requests.values()
            if (request.machine.account, request.machine.region) == (account, region)
        ]

    def clear(self) -> None:
        self._requests.clear()
