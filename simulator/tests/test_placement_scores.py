"""Mend: GetSpotPlacementScores."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of

TYPES = ["m5.large", "m5a.large", "c5.large"]


def ask(ec2, **more):
    arguments = {"InstanceTypes": TYPES, "TargetCapacity": 1, **more}
    return ec2.get_spot_placement_scores(**arguments)["SpotPlacementScores"]


def test_by_region(idle):
    rows = ask(idle.client("ec2"), RegionNames=["us-east-1", "eu-west-1"])
    assert {row["Region"] for row in rows} == {"us-east-1", "eu-west-1"}
    assert all(1 <= row["Score"] <= 10 for row in rows)
    assert rows == sorted(rows, key=lambda row: -row["Score"])


def test_by_zone_and_the_same_each_time(idle):
    ec2 = idle.client("ec2")
    rows = ask(ec2, SingleAvailabilityZone=True)
    assert len({row["AvailabilityZoneId"] for row in rows}) == 6
    assert ask(ec2, SingleAvailabilityZone=True) == rows


def test_a_zone_without_capacity_scores_lowest(idle):
    ec2 = idle.client("ec2")
    idle.fault(kind="capacity", az="us-east-1a")
    scores = {r["AvailabilityZoneId"]: r["Score"] for r in ask(ec2, SingleAvailabilityZone=True)}
    assert scores.pop("use1-az6") == 1
    assert min(scores.values()) > 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"InstanceTypes": TYPES[:2]}, "InvalidParameterCombination"),
        ({"InstanceTypes": [TYPES[0]] * 3}, "InvalidParameterCombination"),
        ({"RegionNames": [f"us-east-{n}" for n in range(11)]}, "InvalidParameterValue"),
    ],
)
def test_limits(idle, wrong, code):
    with pytest.raises(ClientError) as error:
        ask(idle.client("ec2"), **wrong)
    assert code_of(error) == code
