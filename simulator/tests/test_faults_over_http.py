"""Faults as boto3 meets them: the codes that the product sorts errors by."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from .harness import code_of, eventually


@pytest.mark.parametrize(
    ("kind", "spot", "code"),
    [
        ("capacity", True, "InsufficientInstanceCapacity"),
        ("quota", True, "MaxSpotInstanceCountExceeded"),
        ("quota", False, "VcpuLimitExceeded"),
    ],
)
def test_launches_are_refused(idle, kind, spot, code):
    idle.fault(kind=kind, count=1)
    with pytest.raises(ClientError) as error:
        idle.launch(spot=spot)
    assert code_of(error) == code
    assert idle.launch(spot=spot)


def test_without_spot_capacity_on_demand_still_launches(idle):
    idle.fault(kind="capacity")
    with pytest.raises(ClientError):
        idle.launch()
    assert idle.launch(spot=False)


def test_a_pool_without_capacity_leaves_the_others(idle):
    ec2 = idle.client("ec2")
    idle.fault(kind="capacity", pool="m5.large.us-east-1a")
    there, elsewhere = {"AvailabilityZone": "us-east-1a"}, {"AvailabilityZone": "us-east-1b"}
    with pytest.raises(ClientError) as error:
        idle.launch(Placement=there, ec2=ec2)
    assert code_of(error) == "InsufficientInstanceCapacity"
    assert idle.launch(Placement=elsewhere, ec2=ec2)
    assert idle.launch(Placement=there, InstanceType="c5.large", ec2=ec2)


@pytest.mark.parametrize(
    ("service", "call", "arguments", "throttled", "denied"),
    [
        ("ec2", "describe_instances", {}, "RequestLimitExceeded", "UnauthorizedOperation"),
        ("elbv2", "describe_load_balancers", {}, "Throttling", "AccessDenied"),
        ("sts", "get_caller_identity", {}, "Throttling", "AccessDenied"),
        ("sqs", "list_queues", {}, "ThrottlingException", "AccessDeniedException"),
        ("events", "list_rules", {}, "ThrottlingException", "AccessDeniedException"),
        ("route53", "list_hosted_zones", {}, "Throttling", "AccessDenied"),
    ],
)
def test_each_service_says_it_in_its_own_way(idle, service, call, arguments, throttled, denied):
    ask = getattr(idle.client(service), call)
    for kind, code in (("throttle", throttled), ("deny", denied)):
        idle.fault(kind=kind, count=1)
        with pytest.raises(ClientError) as error:
            ask(**arguments)
        assert code_of(error) == code
        ask(**arguments)


def test_a_throttled_call_is_503_and_denied_is_403(idle):
    ec2 = idle.client("ec2")
    for kind, status in (("throttle", 503), ("deny", 403)):
        idle.fault(kind=kind, action="RunInstances", count=1)
        with pytest.raises(ClientError) as error:
            idle.launch(ec2=ec2)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert idle.state()["totals"]["instances"] == 0


def test_only_the_action_named_is_struck(idle):
    ec2 = idle.client("ec2")
    idle.fault(kind="deny", action="ec2:TerminateInstances")
    one = idle.launch(ec2=ec2)
    with pytest.raises(ClientError):
        ec2.terminate_instances(InstanceIds=[one])
    assert idle.instance(one)["state"] in ("pending", "running")


def test_the_deed_of_a_lost_answer_is_done(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ec2=ec2)
    idle.fault(kind="lost_answer", action="TerminateInstances")
    with pytest.raises(ConnectionClosedError):
        ec2.terminate_instances(InstanceIds=[one])
    idle.wait_state(one, "terminated")


def test_a_fault_with_a_time_ends(idle):
    ec2 = idle.client("ec2")
    idle.fault(kind="throttle", for_seconds=0.3)
    with pytest.raises(ClientError):
        ec2.describe_instances()
    eventually(lambda: idle.ask("GET", "faults")[1]["faults"] == [])
    ec2.describe_instances()


def test_faults_are_listed_counted_and_taken_back(idle):
    first = idle.fault(kind="capacity", pool="m5.large.use1-az6")
    idle.fault(kind="throttle", action="DescribeImages", count=5)
    with pytest.raises(ClientError):
        idle.launch(Placement={"AvailabilityZone": "us-east-1a"})
    told = {each["kind"]: each for each in idle.ask("GET", "faults")[1]["faults"]}
    assert told["capacity"]["fired"] == 1
    assert told["throttle"]["left"] == 5
    assert idle.ask("DELETE", f"faults/{first['id']}")[0] == 200
    assert idle.ask("DELETE", f"faults/{first['id']}")[0] == 404
    assert [each["kind"] for each in idle.state()["faults"]] == ["throttle"]
    assert idle.ask("DELETE", "faults") == (200, {"faults": []})
    assert idle.state()["faults"] == []


def test_a_bad_fault_changes_nothing(idle):
    status, told = idle.ask("POST", "faults", {"kind": "capacity", "pool": "nowhere"})
    assert status == 400
    assert "pool" in told["error"]
    assert idle.state()["faults"] == []


def test_a_dark_zone_kills_and_refuses(idle):
    ec2 = idle.client("ec2")
    here, there = {"AvailabilityZone": "us-east-1a"}, {"AvailabilityZone": "us-east-1b"}
    lost = [idle.launch(Placement=here, ec2=ec2), idle.launch(spot=False, Placement=here, ec2=ec2)]
    kept = idle.launch(Placement=there, ec2=ec2)
    told = idle.fault(kind="az_down", az="us-east-1a")
    assert sorted(told["killed"]) == sorted(lost)
    for one in lost:
        idle.wait_state(one, "terminated")
    assert idle.instance(kept)["state"] in ("pending", "running")
    for spot in (True, False):
        with pytest.raises(ClientError) as error:
            idle.launch(spot=spot, Placement=here, ec2=ec2)
        assert code_of(error) == "InsufficientInstanceCapacity"
    (request,) = ec2.describe_spot_instance_requests(
        Filters=[{"Name": "instance-id", "Values": lost[:1]}]
    )["SpotInstanceRequests"]
    assert request["Status"]["Code"] == "instance-terminated-by-service"
    idle.ask("DELETE", "faults")
    assert idle.launch(Placement=here, ec2=ec2)


def test_a_dark_zone_by_its_id_for_a_while(idle):
    idle.fault(kind="az_down", az="use1-az6", for_seconds=0.3)
    until = time.time() + 0.3
    here = {"AvailabilityZone": "us-east-1a"}
    with pytest.raises(ClientError):
        idle.launch(Placement=here)
    eventually(lambda: time.time() > until)
    assert idle.launch(Placement=here)
