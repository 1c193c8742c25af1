"""Launching from a template: image, type, market, placement, tags and user data come from it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import IMAGE, b64, code_of

DATA = {
    "ImageId": IMAGE,
    "InstanceType": "c5.xlarge",
    "InstanceMarketOptions": {"MarketType": "spot"},
    "Placement": {"AvailabilityZone": "us-east-1b"},
    "TagSpecifications": [
        {"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}
    ],
}


def make(ec2, **data):
    made = ec2.create_launch_template(
        LaunchTemplateName="workers", LaunchTemplateData={**DATA, **data}
    )
    return made["LaunchTemplate"]["LaunchTemplateId"]


def run(ec2, template, **more):
    return ec2.run_instances(
        LaunchTemplate={"LaunchTemplateId": template}, MinCount=1, MaxCount=1, **more
    )["Instances"][0]["InstanceId"]


def test_everything_comes_from_the_template(idle):
    ec2 = idle.client("ec2")
    told = idle.instance(run(ec2, make(ec2)))
    assert (told["type"], told["mode"], told["az"]) == ("c5.xlarge", "spot", "us-east-1b")
    assert told["tags"]["from"] == "template"
    assert told["image_id"] == IMAGE


def test_the_call_overrides_the_template(idle):
    ec2 = idle.client("ec2")
    one = run(
        ec2,
        make(ec2),
        InstanceType="m5.large",
        Placement={"AvailabilityZone": "us-east-1c"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "x", "Value": "y"}]}],
    )
    told = idle.instance(one)
    assert (told["type"], told["az"]) == ("m5.large", "us-east-1c")
    assert told["tags"]["from"] == "template"
    assert told["tags"]["x"] == "y"


def test_user_data_of_a_template_and_of_its_second_version_is_run(sim):
    ec2 = sim.client("ec2")
    template = make(ec2, UserData=b64("#!/bin/sh\necho first > out\n"))
    assert sim.wait_file(run(ec2, template), "out") == "first"
    ec2.create_launch_template_version(
        LaunchTemplateId=template,
        LaunchTemplateData={**DATA, "UserData": b64("#!/bin/sh\necho second > out\n")},
    )
    second = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"}, MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    assert sim.wait_file(second, "out") == "second"


def test_the_subnet_of_the_template_is_used(idle):
    ec2 = idle.client("ec2")
    (subnet,) = ec2.describe_subnets(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1f"]}]
    )["Subnets"]
    template = make(
        ec2, Placement={}, NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet["SubnetId"]}]
    )
    assert idle.instance(run(ec2, template))["az"] == "us-east-1f"


def test_a_template_without_an_image_launches_nothing(idle):
    ec2 = idle.client("ec2")
    made = ec2.create_launch_template(
        LaunchTemplateName="empty", LaunchTemplateData={"InstanceType": "m5.large"}
    )
    with pytest.raises(ClientError) as error:
        run(ec2, made["LaunchTemplate"]["LaunchTemplateId"])
    assert code_of(error) == "MissingParameter"


def test_capacity_faults_strike_launches_from_templates(idle):
    ec2 = idle.client("ec2")
    template = make(ec2)
    idle.fault(kind="capacity", pool="c5.xlarge.use1-az1")
    with pytest.raises(ClientError) as error:
        run(ec2, template)
    assert code_of(error) == "InsufficientInstanceCapacity"
