"""RunInstances heeds its ClientToken: the same token and parameters give the same instances in their
present state, other parameters an IdempotentParameterMismatch. A call that failed leaves no trace.

Calls to EC2 are answered one at a time, so two equal calls at once are one launch.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse

from ..idempotency import Remembered, digest
from ..launch_request import LaunchRequest, current

if TYPE_CHECKING:
    from ..world import World

_LONGEST = 64


def install(world: World) -> None:
    moto_run = InstanceResponse.run_instances

    def run_instances(self: Any) -> Any:
        token = self._get_param("ClientToken")
        market = self._get_param("InstanceMarketOptions", {}) or {}
        request = LaunchRequest(
            client_token=token,
            count=int(self._get_param("MaxCount", 1)),
            market=dict(market),
            tags=self._parse_tag_specification(),
        )
        if request.market and market.get("MarketType") not in (None, "spot"):
            raise EC2ClientError("InvalidParameterValue", "MarketType must be spot")
        with world.lock:
            return _run(self, request)

    def _run(self: Any, request: LaunchRequest) -> Any:
        token = request.client_token
        whose = {"account": self.current_account, "region": self.region}
        if token and not self._get_param("DryRun", False):
            if len(token) > _LONGEST or not token.isascii():
                raise EC2ClientError(
                    "InvalidParameterValue", "ClientToken is too long or not ASCII"
                )
            known = world.launch_tokens.find(**whose, token=token)
            if known is not None:
                return _again(self, known)
        held = current.set(request)
        try:
            result = moto_run(self)
        finally:
            current.reset(held)
        if token:
            reservation: Any = result.result
            world.launch_tokens.keep(
                Remembered(
                    digest(self.data), reservation.id, tuple(i.id for i in reservation.instances)
                ),
                **whose,
                token=token,
            )
        return result

    def _again(self: Any, known: Remembered) -> ActionResult:
        if known.digest != digest(self.data):
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in "
                "previous request(s).",
            )
        for launch in world.launches:
            if tuple(launch.instance_ids) == known.instance_ids:
                launch.replays += 1
        reservation = copy.copy(self.ec2_backend.reservations[known.reservation_id])
        reservation.instances = list(reservation.instances)
        return ActionResult(reservation)

    InstanceResponse.run_instances = run_instances  # type: ignore[method-assign]
