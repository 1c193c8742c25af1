"""Mend: detaching without naming the instance, and attaching across zones."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of


@pytest.fixture
def here(idle):
    """EC2, an instance in us-east-1a, and a volume beside it."""
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2, Placement={"AvailabilityZone": "us-east-1a"})
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    return ec2, one, volume


def test_detached_without_naming_the_instance(here):
    ec2, one, volume = here
    ec2.attach_volume(VolumeId=volume, InstanceId=one, Device="/dev/sdf")
    answer = ec2.detach_volume(VolumeId=volume)
    assert (answer["InstanceId"], answer["Device"]) == (one, "/dev/sdf")
    (told,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert told["State"] == "available"


def test_detached_from_one_and_attached_to_another(idle, here):
    ec2, one, volume = here
    other = idle.launch(ec2=ec2, Placement={"AvailabilityZone": "us-east-1a"})
    ec2.attach_volume(VolumeId=volume, InstanceId=one, Device="/dev/sdf")
    with pytest.raises(ClientError) as error:
        ec2.attach_volume(VolumeId=volume, InstanceId=other, Device="/dev/sdf")
    assert code_of(error) == "VolumeInUse"
    ec2.detach_volume(VolumeId=volume, InstanceId=one)
    ec2.attach_volume(VolumeId=volume, InstanceId=other, Device="/dev/sdf")
    (told,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert told["Attachments"][0]["InstanceId"] == other


def test_not_across_zones(idle, here):
    ec2, _, volume = here
    other = idle.launch(ec2=ec2, Placement={"AvailabilityZone": "us-east-1b"})
    with pytest.raises(ClientError) as error:
        ec2.attach_volume(VolumeId=volume, InstanceId=other, Device="/dev/sdf")
    assert code_of(error) == "InvalidVolume.ZoneMismatch"


def test_what_is_not_attached_cannot_be_detached(here):
    ec2, _, volume = here
    with pytest.raises(ClientError) as error:
        ec2.detach_volume(VolumeId=volume)
    assert code_of(error) == "IncorrectState"
    with pytest.raises(ClientError) as error:
        ec2.detach_volume(VolumeId="vol-00000000")
    assert code_of(error) == "InvalidVolume.NotFound"


def test_not_from_an_instance_that_does_not_hold_it(idle, here):
    ec2, one, volume = here
    ec2.attach_volume(VolumeId=volume, InstanceId=one, Device="/dev/sdf")
    with pytest.raises(ClientError) as error:
        ec2.detach_volume(VolumeId=volume, InstanceId=idle.launch(ec2=ec2))
    assert code_of(error) == "InvalidAttachment.NotFound"


def test_a_terminated_machine_leaves_what_was_attached_to_it(idle, here):
    ec2, one, volume = here
    (root,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [one]}])[
        "Volumes"
    ]
    ec2.attach_volume(VolumeId=volume, InstanceId=one, Device="/dev/sdf")
    ec2.terminate_instances(InstanceIds=[one])
    idle.wait_state(one, "terminated")
    left = {each["VolumeId"]: each["State"] for each in ec2.describe_volumes()["Volumes"]}
    assert left == {volume: "available"}
    assert root["VolumeId"] not in left
