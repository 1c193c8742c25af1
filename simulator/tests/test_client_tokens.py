"""Mend: RunInstances heeds its ClientToken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from .harness import code_of, eventually


def test_same_token_and_parameters_give_the_same_instance(idle):
    first = idle.launch_fully(ClientToken="t-1", UserData="#!/bin/sh\n")
    again = idle.launch_fully(ClientToken="t-1", UserData="#!/bin/sh\n")
    assert again["InstanceId"] == first["InstanceId"]
    totals = idle.state()["totals"]
    assert (totals["launched"], totals["replayed"]) == (1, 1)


def test_a_repeated_call_tells_the_present_state(idle):
    one = idle.launch(ClientToken="t-1")
    idle.wait_state(one, "running")
    assert idle.launch_fully(ClientToken="t-1")["State"]["Name"] == "running"


def test_a_repeated_call_after_termination_launches_nothing(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ClientToken="t-1", ec2=ec2)
    ec2.terminate_instances(InstanceIds=[one])
    idle.wait_state(one, "terminated")
    again = idle.launch_fully(ClientToken="t-1", ec2=ec2)
    assert (again["InstanceId"], again["State"]["Name"]) == (one, "terminated")


@pytest.mark.parametrize(
    "other",
    [
        {"InstanceType": "c5.large"},
        {"UserData": "#!/bin/sh\necho other\n"},
        {"spot": False},
        {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]},
    ],
)
def test_other_parameters_are_a_mismatch(idle, other):
    idle.launch(ClientToken="t-1")
    with pytest.raises(ClientError) as error:
        idle.launch(ClientToken="t-1", **other)
    assert code_of(error) == "IdempotentParameterMismatch"
    assert idle.state()["totals"]["instances"] == 1


def test_calls_at_the_same_time_are_one_launch(idle):
    ec2 = idle.client("ec2")
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda _: idle.launch(ClientToken="t-1", ec2=ec2), range(24)))
    assert len(set(made)) == 1
    assert idle.state()["totals"]["instances"] == 1


def test_tokens_are_scoped_by_account_and_region(idle):
    elsewhere = idle.client("ec2", "eu-west-1")
    other = idle.client("ec2", **idle.as_account("222222222222"))
    made = {
        idle.launch(ClientToken="t-1"),
        idle.launch(ClientToken="t-1", ec2=elsewhere),
        idle.launch(ClientToken="t-1", ec2=other),
    }
    assert len(made) == 3


def test_a_refused_launch_leaves_its_token_unused(idle):
    idle.fault(kind="capacity", count=1)
    with pytest.raises(ClientError):
        idle.launch(ClientToken="t-1")
    assert idle.launch(ClientToken="t-1").startswith("i-")


def test_a_repeated_call_meets_no_capacity_fault(idle):
    one = idle.launch(ClientToken="t-1")
    idle.fault(kind="capacity")
    assert idle.launch(ClientToken="t-1") == one


def test_an_answer_that_was_lost_is_found_again_by_its_token(idle):
    idle.fault(kind="lost_answer", action="RunInstances")
    with pytest.raises(Exception, match=r"(?i)connection"):
        idle.launch(ClientToken="t-1")
    eventually(lambda: idle.state()["totals"]["instances"] == 1)
    found = idle.launch(ClientToken="t-1")
    assert [each["id"] for each in idle.state()["instances"]] == [found]


def test_a_token_that_is_too_long_is_refused(idle):
    with pytest.raises(ClientError) as error:
        idle.launch(ClientToken="x" * 65)
    assert code_of(error) == "InvalidParameterValue"


def test_the_instance_tells_its_token(idle):
    ec2 = idle.client("ec2")
    one = idle.launch(ClientToken="t-1", ec2=ec2)
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["t-1"]}])
    (told,) = found["Reservations"][0]["Instances"]
    assert (told["InstanceId"], told["ClientToken"]) == (one, "t-1")


def test_several_at_once_come_back_all(idle):
    ec2 = idle.client("ec2")
    arguments = {"ImageId": "ami-simulated00000000", "InstanceType": "m5.large"}
    first = ec2.run_instances(**arguments, MinCount=1, MaxCount=3, ClientToken="t-3")
    again = ec2.run_instances(**arguments, MinCount=1, MaxCount=3, ClientToken="t-3")
    ids = [each["InstanceId"] for each in first["Instances"]]
    assert len(ids) == 3
    assert [each["InstanceId"] for each in again["Instances"]] == ids
