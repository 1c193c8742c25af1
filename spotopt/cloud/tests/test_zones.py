from spotopt.cloud import zones
from spotopt.cloud.account import Account

REGION = "us-east-1"


def test_names_are_paired_with_ids(aws):
    found = zones.zones(Account(), REGION)
    assert len(found) == len({zone.az_id for zone in found}) == len({z.az_name for z in found})
    assert all(zone.az_name.startswith(REGION) for zone in found)
    assert all(zone.az_id.startswith("use1-az") for zone in found)


def test_local_zones_are_left_out(script):
    def item(name: str, az_id: str, kind: str) -> str:
        return (
            f"<item><zoneName>{name}</zoneName><zoneId>{az_id}</zoneId>"
            f"<zoneType>{kind}</zoneType></item>"
        )

    script.say(
        200,
        "<DescribeAvailabilityZonesResponse><availabilityZoneInfo>"
        + item("us-east-1a", "use1-az6", "availability-zone")
        + item("us-east-1-bos-1a", "use1-bos1-az1", "local-zone")
        + "</availabilityZoneInfo></DescribeAvailabilityZonesResponse>",
    )
    assert zones.zones(Account(), REGION) == [zones.ZoneName("us-east-1a", "use1-az6")]


def test_each_zone_has_its_default_subnet(aws, outside):
    found = zones.default_subnets(Account(), REGION)
    assert set(found) == {zone.az_id for zone in zones.zones(Account(), REGION)}
    subnets = outside("ec2").describe_subnets(SubnetIds=list(found.values()))["Subnets"]
    assert all(subnet["DefaultForAz"] for subnet in subnets)
