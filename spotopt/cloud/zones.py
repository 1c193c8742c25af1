"""Availability zones as an account names them, and their default subnets."""

from dataclasses import dataclass

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


@dataclass(frozen=True)
class ZoneName:
    """`az_name` (`us-east-1a`) is the account's own; `az_id` (`use1-az4`) is the same for everybody."""

    az_name: str
    az_id: str


def zones(account: Account, region: str) -> list[ZoneName]:
    """The region's availability zones; local and wavelength zones are left out."""
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        answer = ec2.describe_availability_zones()
    return [
        ZoneName(az_name=zone["ZoneName"], az_id=zone["ZoneId"])
        for zone in answer["AvailabilityZones"]
        if zone.get("ZoneType", "availability-zone") == "availability-zone"
        and zone.get("ZoneName")
        and zone.get("ZoneId")
    ]


def default_subnets(account: Account, region: str) -> dict[str, str]:
    """Subnet id by availability-zone id, for the zones that have a default subnet."""
    ec2 = session.client(account, "ec2", region)
    found: dict[str, str] = {}
    with errors.sorted_out():
        pages = ec2.get_paginator("describe_subnets").paginate(
            Filters=[{"Name": "default-for-az", "Values": ["true"]}]
        )
        for page in pages:
            for subnet in page["Subnets"]:
                az_id = subnet.get("AvailabilityZoneId", "")
                if az_id:
                    found[az_id] = subnet.get("SubnetId", "")
    return found


def subnets_like(account: Account, region: str, subnet_id: str) -> dict[str, str]:
    """Subnet id by availability-zone id in the same VPC: this one in its zone, and in each other zone the
    one of the same kind (public addresses or not) with the most addresses free.
    """
    ec2 = session.client(account, "ec2", region)
    with errors.sorted_out():
        [model] = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"]
        pages = ec2.get_paginator("describe_subnets").paginate(
            Filters=[{"Name": "vpc-id", "Values": [model.get("VpcId", "")]}]
        )
        all_of_vpc = [subnet for page in pages for subnet in page["Subnets"]]
    public = model.get("MapPublicIpOnLaunch", False)
    alike = [one for one in all_of_vpc if one.get("MapPublicIpOnLaunch", False) == public]
    alike.sort(key=lambda one: (one.get("AvailableIpAddressCount", 0), one.get("SubnetId", "")))
    found = {one.get("AvailabilityZoneId", ""): one.get("SubnetId", "") for one in alike}
    found[model.get("AvailabilityZoneId", "")] = subnet_id
    found.pop("", None)
    return found
