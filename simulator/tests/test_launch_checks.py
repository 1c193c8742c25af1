"""What EC2 refuses to launch."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"InstanceType": "m99.large"}, "InvalidParameterValue"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "image"}, "InvalidAMIID.Malformed"),
        ({"SubnetId": "subnet-00000000"}, "InvalidSubnetID.NotFound"),
        ({"Placement": {"AvailabilityZone": "us-east-1z"}}, "InvalidParameterValue"),
        ({"Placement": {"AvailabilityZone": "us-west-2a"}}, "InvalidParameterValue"),
        ({"SecurityGroupIds": ["sg-00000000"]}, "InvalidGroup.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_refused_with_the_right_code(idle, wrong, code):
    with pytest.raises(ClientError) as error:
        idle.launch(**wrong)
    assert code_of(error) == code
    assert idle.state()["totals"]["instances"] == 0


def test_a_maximum_price_below_the_price_is_refused(idle):
    market = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.0001"}}
    with pytest.raises(ClientError) as error:
        idle.launch(InstanceMarketOptions=market)
    assert code_of(error) == "SpotMaxPriceTooLow"


def test_a_maximum_price_above_the_price_is_fine(idle):
    market = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.096"}}
    one = idle.launch(InstanceMarketOptions=market)
    (told,) = idle.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"]
    assert (told["InstanceId"], told["SpotPrice"]) == (one, "0.096000")


def test_the_subnet_decides_the_zone(idle):
    ec2 = idle.client("ec2")
    (subnet,) = ec2.describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1c"]}]
    )["Subnets"]
    told = idle.launch_fully(SubnetId=subnet["SubnetId"])
    assert told["Placement"]["AvailabilityZone"] == "us-east-1c"
    assert told["SubnetId"] == subnet["SubnetId"]
    with pytest.raises(ClientError) as error:
        idle.launch(SubnetId=subnet["SubnetId"], Placement={"AvailabilityZone": "us-east-1a"})
    assert code_of(error) == "InvalidParameterValue"


def test_the_subnet_of_a_network_interface_counts_too(idle):
    ec2 = idle.client("ec2")
    (subnet,) = ec2.describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1d"]}]
    )["Subnets"]
    nic = {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"]}
    one = idle.launch(NetworkInterfaces=[nic])
    assert idle.instance(one)["az"] == "us-east-1d"
    assert idle.instance(one)["private_ip"].startswith("127.")


def test_without_a_zone_one_with_capacity_is_taken(idle):
    idle.fault(kind="capacity", az="us-east-1a")
    one = idle.launch()
    assert idle.instance(one)["az"] == "us-east-1b"


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2", "eu-west-1"])
def test_every_zone_has_a_default_subnet_and_the_image(idle, region):
    ec2 = idle.client("ec2", region)
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
    assert {s["AvailabilityZone"] for s in subnets["Subnets"]} == {z["ZoneName"] for z in zones}
    assert len(zones) >= 3
    (image,) = ec2.describe_images(ImageIds=["ami-simulated00000000"])["Images"]
    assert image["State"] == "available"
    one = idle.launch(ec2=ec2, Placement={"AvailabilityZone": zones[-1]["ZoneName"]})
    assert idle.instance(one)["az_id"] == zones[-1]["ZoneId"]


def test_every_refusal_is_on_record(idle):
    idle.fault(kind="capacity", pool="m5.large.use1-az6")
    with pytest.raises(ClientError):
        idle.launch(ClientToken="t-9", Placement={"AvailabilityZone": "us-east-1a"})
    (launch,) = idle.ask("GET", "launches")[1]["launches"]
    assert launch["refused"] == "InsufficientInstanceCapacity"
    assert launch["client_token"] == "t-9"
    assert launch["az_id"] == "use1-az6"
    assert launch["instance_ids"] == []
