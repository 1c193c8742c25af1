"""Spot instance requests of every spot instance, however it was launched, with their status."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.spot_instances import SpotInstances

from .. import spot_requests
from ..spot_requests import SpotRequest

if TYPE_CHECKING:
    from ..world import World


def install(world: World) -> None:
    def find(self: Any) -> list[SpotRequest]:
        ids = self._get_param("SpotInstanceRequestIds", [])
        mine = {r.id: r for r in world.spot_requests.of_account(self.current_account, self.region)}
        unknown = [wanted for wanted in ids if wanted not in mine]
        if unknown:
            raise EC2ClientError(
                "InvalidSpotInstanceRequestID.NotFound",
                f"The spot instance request ID '{unknown[0]}' does not exist",
            )
        return [mine[wanted] for wanted in ids] if ids else list(mine.values())

    def describe_spot_instance_requests(self: Any) -> ActionResult:
        self.error_on_dryrun()
        found = find(self)
        for name, patterns in self._filters_from_querystring().items():
            found = [request for request in found if _passes(request, name, patterns)]
        return ActionResult({"SpotInstanceRequests": [request.described() for request in found]})

    def cancel_spot_instance_requests(self: Any) -> ActionResult:
        self.error_on_dryrun()
        found = find(self)
        for request in found:
            if request.state in ("open", "active"):
                request.becomes(spot_requests.CANCELLED_RUNNING, "cancelled")
        told = [{"SpotInstanceRequestId": r.id, "State": "cancelled"} for r in found]
        return ActionResult({"CancelledSpotInstanceRequests": told})

    SpotInstances.describe_spot_instance_requests = describe_spot_instance_requests  # type: ignore[method-assign]
    SpotInstances.cancel_spot_instance_requests = cancel_spot_instance_requests  # type: ignore[method-assign]


def _passes(request: SpotRequest, name: str, patterns: list[str]) -> bool:
    try:
        value = request.value(name)
    except KeyError:
        raise EC2ClientError("InvalidParameterValue", f"The filter '{name}' is invalid") from None
    return value is not None and any(fnmatch.fnmatchcase(value, each) for each in patterns)
