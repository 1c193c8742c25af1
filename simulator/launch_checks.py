"""What EC2 looks at before it launches, in its order: the template, the type, the image, the zone, the
maximum price, the quota and the capacity. Refusals are raised as EC2ClientError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError

from . import catalog, zones
from .launch_request import LaunchRequest
from .price_points import Pool

if TYPE_CHECKING:
    from .faults import Fault
    from .world import World


def complete(backend: Any, request: LaunchRequest, kwargs: dict[str, Any]) -> LaunchRequest:
    """Takes from the launch template what moto leaves in it."""
    if kwargs.get("launch_template"):
        data = backend._get_template_from_args(kwargs["launch_template"]).data
        if not request.market:
            request.market = data.get("InstanceMarketOptions") or {}
        if not kwargs.get("nics") and not kwargs.get("subnet_id"):
            nics = data.get("NetworkInterfaces") or []
            if nics and nics[0].get("SubnetId"):
                kwargs["subnet_id"] = nics[0]["SubnetId"]
                kwargs.setdefault("security_group_ids", [])
                kwargs["security_group_ids"] += nics[0].get("Groups") or []
        kwargs["placement"] = kwargs.get("placement") or data.get("Placement", {}).get(
            "AvailabilityZone"
        )
    if kwargs.get("lifecycle") == "spot" or kwargs.get("instance_market_options"):
        request.market = request.market or {"MarketType": "spot"}
    if request.mode == "spot":
        kwargs["instance_market_options"] = "spot"
    kwargs["private_ip"] = None  # addresses are the simulator's to give
    return request


def instance_type(backend: Any, kwargs: dict[str, Any]) -> str:
    kind = str(kwargs.get("instance_type") or "m1.small")
    if kwargs.get("is_instance_type_default") and kwargs.get("launch_template"):
        data = backend._get_template_from_args(kwargs["launch_template"]).data
        kind = data.get("InstanceType") or kind
    if not catalog.exists(kind):
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
    return kind


def check_image(backend: Any, image_id: str, kwargs: dict[str, Any]) -> None:
    if not image_id and kwargs.get("launch_template"):
        image_id = backend._get_template_from_args(kwargs["launch_template"]).image_id
    if not image_id:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")
    if not image_id.startswith("ami-"):
        raise EC2ClientError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}"')
    if image_id not in backend.amis:
        raise InvalidAMIIdError(image_id)


def place(world: World, backend: Any, kind: str, kwargs: dict[str, Any]) -> zones.Zone:
    """The zone; where the caller names none, the first that has capacity."""
    wanted = kwargs.get("placement")
    nics = kwargs.get("nics") or []
    subnet_id = kwargs.get("subnet_id") or next(
        (nic["SubnetId"] for nic in nics if "SubnetId" in nic), None
    )
    if subnet_id:
        zone = zones.find(backend.get_subnet(subnet_id).availability_zone)
        if zone and wanted and wanted not in (zone.name, zone.id):
            raise EC2ClientError(
                "InvalidParameterValue",
                f"The subnet {subnet_id} is in {zone.name}, not in {wanted}",
            )
    else:
        subnets = backend.get_default_subnets()
        choice = [z for z in zones.of_region(backend.region_name) if z.name in subnets]
        if wanted:
            choice = [z for z in choice if wanted in (z.name, z.id)]
        free = [z for z in choice if not world.faults.short_of(instance_type=kind, az_id=z.id)]
        zone = next(iter(free or choice), None)
        if zone:
            kwargs["placement"] = zone.name
            if not nics:
                kwargs["subnet_id"] = subnets[zone.name].id
    if zone is None:
        raise EC2ClientError("InvalidParameterValue", f"Invalid availability zone: [{wanted}]")
    return zone


def check_price(world: World, request: LaunchRequest, kind: str, zone: zones.Zone) -> None:
    if request.mode != "spot" or request.max_price is None:
        return
    try:
        most = float(request.max_price)
    except ValueError:
        raise EC2ClientError(
            "InvalidParameterValue", f"{request.max_price} is not a price"
        ) from None
    price = world.prices.now(Pool(kind, zone.name, zone.id, zone.region))
    if most < price:
        raise EC2ClientError(
            "SpotMaxPriceTooLow",
            f"Your Spot request price of {most:g} is lower than the minimum required Spot request "
            f"fulfillment price of {price:g}.",
        )


def check_faults(
    world: World, backend: Any, request: LaunchRequest, kind: str, zone: zones.Zone
) -> None:
    fault = world.faults.on_launch(
        instance_type=kind,
        az_id=zone.id,
        region=zone.region,
        account=backend.account_id,
        mode=request.mode,
    )
    if fault is not None:
        raise _refusal(fault, request, kind, zone)


def _refusal(fault: Fault, request: LaunchRequest, kind: str, zone: zones.Zone) -> EC2ClientError:
    if fault.kind != "quota":
        return EC2ClientError(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {kind} capacity in the Availability Zone you "
            f"requested ({zone.name}).",
        )
    if request.mode == "spot":
        return EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    return EC2ClientError(
        "VcpuLimitExceeded",
        "You have requested more vCPU capacity than your current vCPU limit allows for the "
        "instance bucket that the specified instance type belongs to.",
    )
