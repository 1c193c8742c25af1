"""Launches as EC2 makes them: validated, subject to capacity, quota and price, spot with a request of its
own, pending until booted. Every way to launch in moto comes through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend, Reservation
from moto.ec2.responses._base_response import EC2BaseResponse

from .. import launch_checks, zones
from ..launch_log import Launch
from ..launch_request import LaunchRequest, current
from ..lifecycle import RELAUNCH_SECONDS
from ..machines import Machine
from ..spot_requests import NOT_AVAILABLE, SpotRequest

if TYPE_CHECKING:
    from ..world import World

_ALWAYS_PENDING = "RunInstances.Reservation.Instances.Instance.State"


def install(world: World) -> None:
    moto_run = InstanceBackend.run_instances
    # moto says "pending" whatever the state, which would be untrue for a repeated call.
    EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.pop(_ALWAYS_PENDING, None)

    def run_instances(
        self: Any,
        image_id: str,
        count: int,
        user_data: Any,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Reservation:
        with world.lock:
            request = launch_checks.complete(self, current.get() or LaunchRequest(), kwargs)
            kind = launch_checks.instance_type(self, kwargs)
            log = Launch(
                at=time.time(),
                account=self.account_id,
                region=self.region_name,
                instance_type=kind,
                az_id=None,
                mode=request.mode,
                client_token=request.client_token,
            )
            world.launches.append(log)
            try:
                launch_checks.check_image(self, image_id, kwargs)
                zone = launch_checks.place(world, self, kind, kwargs)
                log.az_id = zone.id
                launch_checks.check_price(world, request, kind, zone)
                launch_checks.check_faults(world, self, request, kind, zone)
                reservation = moto_run(
                    self,
                    image_id,
                    max(count, request.count or 0),
                    Base64EncodedString(user_data) if isinstance(user_data, str) else user_data,
                    security_group_names,
                    **kwargs,
                )
            except EC2ClientError as error:
                log.refused = error.code
                raise
            again = partial(run_instances, self, image_id, 1, user_data, security_group_names)
            for instance in reservation.instances:
                log.instance_ids.append(instance.id)
                machine = _adopt(world, self, instance, zone, request)
                made = world.spot_requests.get(machine.spot_request_id)
                if made and made.relaunch is None:
                    made.relaunch = partial(
                        _relaunch, world, request, made, partial(again, **kwargs)
                    )
                world.lifecycle.begin(machine)
            return reservation

    InstanceBackend.run_instances = run_instances  # type: ignore[method-assign]


def _adopt(
    world: World, backend: Any, instance: Any, zone: zones.Zone, request: LaunchRequest
) -> Machine:
    """Makes a machine of moto's instance."""
    for nic in instance.nics.values():  # EC2 deletes what it made itself
        nic.delete_on_termination = True
    instance.client_token = request.client_token
    machine = Machine(
        instance_id=instance.id,
        account=backend.account_id,
        region=zone.region,
        az=zone.name,
        az_id=zone.id,
        instance_type=instance.instance_type,
        mode=request.mode,
        private_ip=instance.private_ip,
        launched_at=world.clock.wall(),
        record=instance,
        client_token=request.client_token,
        user_data=str(instance.user_data) if instance.user_data else None,
        max_price=float(request.max_price) if request.max_price else None,
    )
    world.machines.add(machine)
    if request.spot_request is not None:
        world.spot_requests.fulfil(request.spot_request, machine)
    elif machine.mode == "spot":
        made = world.spot_requests.open(
            machine,
            kind=str(request.spot.get("SpotInstanceType") or "one-time"),
            behavior=str(request.spot.get("InstanceInterruptionBehavior") or "terminate"),
        )
        backend.create_tags([made.id], request.tags.get("spot-instances-request", {}))
    return machine


def _relaunch(
    world: World, first: LaunchRequest, request: SpotRequest, launch: Callable[[], Any]
) -> None:
    """The next instance of a persistent request; tried again while there is no capacity."""
    with world.lock:
        held = current.set(LaunchRequest(market=first.market, spot_request=request))
        try:
            launch()
        except EC2ClientError:
            request.becomes(NOT_AVAILABLE)
            wait = RELAUNCH_SECONDS / world.options.speed
            world.scheduler.after(wait, request.try_again)
        finally:
            current.reset(held)
