"""Mend: filters of DescribeInstances."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of


def found(ec2, name, *values):
    answer = ec2.describe_instances(Filters=[{"Name": name, "Values": list(values)}])
    return {i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]}


@pytest.fixture
def two(idle):
    """A spot instance tagged in us-east-1a, and an on-demand one in us-east-1b."""
    ec2 = idle.client("ec2")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "spotopt:agent", "Value": "a-1"}]}]
    spot = idle.launch(TagSpecifications=tags, Placement={"AvailabilityZone": "us-east-1a"})
    other = idle.launch(
        spot=False, InstanceType="c5.large", Placement={"AvailabilityZone": "us-east-1b"}
    )
    return ec2, spot, other


def test_lifecycle(two):
    ec2, spot, _ = two
    assert found(ec2, "instance-lifecycle", "spot") == {spot}
    assert found(ec2, "instance-lifecycle", "scheduled") == set()


def test_tags(two):
    ec2, spot, _ = two
    assert found(ec2, "tag:spotopt:agent", "a-1") == {spot}
    assert found(ec2, "tag:spotopt:agent", "a-*") == {spot}
    assert found(ec2, "tag:spotopt:agent", "b") == set()
    assert found(ec2, "tag-key", "spotopt:agent") == {spot}


def test_place_and_kind(two):
    ec2, spot, other = two
    assert found(ec2, "availability-zone", "us-east-1b") == {other}
    assert found(ec2, "availability-zone-id", "use1-az6") == {spot}
    assert found(ec2, "instance-type", "m5.large", "c5.large") == {spot, other}
    assert found(ec2, "instance-type", "c5.*") == {other}


def test_state(idle, two):
    ec2, spot, other = two
    ec2.terminate_instances(InstanceIds=[spot])
    idle.wait_state(spot, "terminated")
    assert found(ec2, "instance-state-name", "pending", "running") == {other}
    assert found(ec2, "instance-state-name", "terminated") == {spot}
    assert found(ec2, "instance-state-code", "48") == {spot}


def test_requests_addresses_and_volumes(idle, two):
    ec2, spot, other = two
    told = idle.instance(spot)
    assert found(ec2, "spot-instance-request-id", told["spot_request"]["id"]) == {spot}
    assert found(ec2, "private-ip-address", told["private_ip"]) == {spot}
    (volume,) = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [other]}]
    )["Volumes"]
    assert found(ec2, "block-device-mapping.volume-id", volume["VolumeId"]) == {other}


@pytest.mark.parametrize("name", ["instance-colour", "network-interface.mood", "lifecycle"])
def test_what_ec2_does_not_know_is_refused(two, name):
    ec2, _, _ = two
    with pytest.raises(ClientError) as error:
        found(ec2, name, "x")
    assert code_of(error) == "InvalidParameterValue"
