"""Mend: spot instances have a request that can be described, filtered and cancelled."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of, eventually

PERSISTENT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}}


def describe(ec2, **more):
    return ec2.describe_spot_instance_requests(**more)["SpotInstanceRequests"]


def test_the_instance_and_the_request_know_each_other(idle):
    ec2 = idle.client("ec2")
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "a", "Value": "b"}]}]
    one = idle.launch_fully(TagSpecifications=tags, ec2=ec2)
    assert one["SpotInstanceRequestId"].startswith("sir-")
    assert one["InstanceLifecycle"] == "spot"
    (told,) = describe(ec2, SpotInstanceRequestIds=[one["SpotInstanceRequestId"]])
    assert told["InstanceId"] == one["InstanceId"]
    assert (told["State"], told["Status"]["Code"]) == ("active", "fulfilled")
    assert told["Type"] == "one-time"
    assert told["LaunchSpecification"]["InstanceType"] == "m5.large"
    assert told["Tags"] == [{"Key": "a", "Value": "b"}]
    (again,) = ec2.describe_instances(InstanceIds=[one["InstanceId"]])["Reservations"]
    assert again["Instances"][0]["SpotInstanceRequestId"] == one["SpotInstanceRequestId"]


def test_on_demand_has_none(idle):
    one = idle.launch_fully(spot=False)
    assert not one.get("SpotInstanceRequestId")
    assert "InstanceLifecycle" not in one
    assert describe(idle.client("ec2")) == []


def test_filters(idle):
    ec2 = idle.client("ec2")
    first, second = idle.launch(ec2=ec2), idle.launch(ec2=ec2)
    ec2.terminate_instances(InstanceIds=[second])

    def ids(name, value):
        found = describe(ec2, Filters=[{"Name": name, "Values": [value]}])
        return {each["InstanceId"] for each in found}

    assert ids("state", "active") == {first}
    assert ids("status-code", "instance-terminated-by-user") == {second}
    assert ids("status-code", "instance-terminated-*") == {second}
    assert ids("instance-id", first) == {first}
    assert ids("launched-availability-zone", "us-east-1a") == {first, second}
    assert ids("tag:none", "x") == set()
    with pytest.raises(ClientError) as error:
        ids("favourite-colour", "blue")
    assert code_of(error) == "InvalidParameterValue"


def test_an_unknown_request_is_not_found(idle):
    with pytest.raises(ClientError) as error:
        describe(idle.client("ec2"), SpotInstanceRequestIds=["sir-00000000"])
    assert code_of(error) == "InvalidSpotInstanceRequestID.NotFound"


def test_requests_of_other_accounts_and_regions_are_not_seen(idle):
    idle.launch()
    assert describe(idle.client("ec2", "eu-west-1")) == []
    assert describe(idle.client("ec2", **idle.as_account("222222222222"))) == []


def test_cancelling_leaves_the_instance_running(idle):
    ec2 = idle.client("ec2")
    one = idle.launch_fully(ec2=ec2)
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[one["SpotInstanceRequestId"]])
    (told,) = describe(ec2)
    assert told["State"] == "cancelled"
    assert told["Status"]["Code"] == "request-canceled-and-instance-running"
    assert idle.instance(one["InstanceId"])["state"] in ("pending", "running")


def test_a_persistent_request_launches_again(idle):
    ec2 = idle.client("ec2")
    one = idle.launch_fully(InstanceMarketOptions=PERSISTENT, ec2=ec2)
    ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
    assert describe(ec2)[0]["State"] == "open"
    (told,) = eventually(lambda: [each for each in describe(ec2) if each["State"] == "active"])
    assert told["SpotInstanceRequestId"] == one["SpotInstanceRequestId"]
    assert told["InstanceId"] != one["InstanceId"]
    assert idle.instance(told["InstanceId"])["spot_request"]["id"] == told["SpotInstanceRequestId"]


def test_a_persistent_request_that_was_cancelled_does_not(idle):
    ec2 = idle.client("ec2")
    one = idle.launch_fully(InstanceMarketOptions=PERSISTENT, ec2=ec2)
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[one["SpotInstanceRequestId"]])
    ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
    idle.wait_state(one["InstanceId"], "terminated")
    # A second one, not cancelled, shows that there was time enough to launch again.
    other = idle.launch_fully(InstanceMarketOptions=PERSISTENT, ec2=ec2)
    ec2.terminate_instances(InstanceIds=[other["InstanceId"]])
    eventually(lambda: idle.state()["totals"]["launched"] == 3)
    assert idle.state()["totals"]["launched"] == 3


def test_a_persistent_request_waits_for_capacity(idle):
    ec2 = idle.client("ec2")
    one = idle.launch_fully(InstanceMarketOptions=PERSISTENT, ec2=ec2)
    idle.fault(kind="capacity")
    idle.interrupt(one["InstanceId"], "death")
    eventually(lambda: describe(ec2)[0]["Status"]["Code"] == "capacity-not-available")
    idle.ask("DELETE", "faults")
    eventually(lambda: describe(ec2)[0]["State"] == "active")


def test_request_spot_instances_launches_too(idle):
    ec2 = idle.client("ec2")
    ec2.request_spot_instances(
        InstanceCount=1,
        LaunchSpecification={"ImageId": "ami-simulated00000000", "InstanceType": "m5.large"},
    )
    (told,) = describe(ec2)
    assert idle.instance(told["InstanceId"])["mode"] == "spot"
