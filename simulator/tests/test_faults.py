"""What a fault is, and when it strikes."""

from __future__ import annotations

import pytest

from simulator import faults
from simulator.faults import BadFault, Faults

LAUNCH = {
    "instance_type": "m5.large",
    "az_id": "use1-az6",
    "region": "us-east-1",
    "account": "123456789012",
}


@pytest.fixture
def made():
    return Faults()


def add(made, **wanted):
    fault = faults.read(wanted)
    made.add(fault)
    return fault


def launch(made, mode="spot", **other):
    return made.on_launch(**{**LAUNCH, **other}, mode=mode)


def call(made, **other):
    asked = {"service": "ec2", "action": "RunInstances", "region": "us-east-1", "account": "1"}
    return made.on_call(**{**asked, **other})


@pytest.mark.parametrize("pool", ["m5.large.use1-az6", "m5.large.us-east-1a"])
def test_a_pool_may_be_named_by_zone_id_or_name(made, pool):
    fault = add(made, kind="capacity", pool=pool)
    assert fault.pool == "m5.large.use1-az6"
    assert launch(made) is fault
    assert launch(made, instance_type="c5.large") is None
    assert launch(made, az_id="use1-az1") is None


def test_capacity_strikes_spot_unless_told_otherwise(made):
    add(made, kind="capacity")
    assert launch(made, "spot")
    assert launch(made, "on-demand") is None
    made.clear()
    add(made, kind="capacity", mode="on-demand")
    assert launch(made, "spot") is None
    assert launch(made, "on-demand")
    made.clear()
    add(made, kind="capacity", mode="any")
    assert launch(made, "spot")
    assert launch(made, "on-demand")


def test_quota_strikes_both(made):
    add(made, kind="quota")
    assert launch(made, "spot")
    assert launch(made, "on-demand")


def test_count_is_how_often(made):
    add(made, kind="capacity", count=2)
    assert [bool(launch(made)) for _ in range(3)] == [True, True, False]
    assert made.all() == []


def test_it_ends_by_itself(made, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("simulator.faults.time.time", lambda: now)
    add(made, kind="capacity", for_seconds=10)
    now = 1009.0
    assert launch(made)
    now = 1010.0
    assert launch(made) is None


def test_what_does_not_match_is_not_counted_off(made):
    add(made, kind="capacity", pool="c5.large.use1-az6", count=1)
    assert launch(made) is None
    assert made.all()[0].left == 1


def test_asking_whether_capacity_is_short_counts_nothing(made):
    add(made, kind="capacity", count=1)
    assert made.short_of(instance_type="m5.large", az_id="use1-az6")
    assert made.short_of(instance_type="m5.large", az_id="use1-az6")
    assert launch(made)


@pytest.mark.parametrize(
    ("action", "strikes", "spares"),
    [
        ("RunInstances", {}, {"action": "DescribeInstances"}),
        ("ec2:RunInstances", {}, {"service": "sqs"}),
        ("ec2:*", {"action": "DescribeInstances"}, {"service": "sts"}),
        ("*", {"service": "sts", "action": "AssumeRole"}, None),
        (None, {"service": "sqs", "action": "ReceiveMessage"}, None),
    ],
)
def test_calls_are_matched_by_action(made, action, strikes, spares):
    add(made, kind="throttle", action=action)
    assert call(made, **strikes)
    if spares is not None:
        assert call(made, **spares) is None


def test_calls_are_matched_by_region_and_account(made):
    add(made, kind="deny", region="eu-west-1")
    assert call(made) is None
    assert call(made, region="eu-west-1")
    made.clear()
    add(made, kind="deny", account="2")
    assert call(made) is None
    assert call(made, account="2")


def test_faults_of_launches_never_meet_other_calls(made):
    add(made, kind="capacity")
    add(made, kind="quota")
    add(made, kind="az_down", az="us-east-1a")
    assert call(made) is None


def test_a_lost_answer_is_lost_once_unless_told_otherwise(made):
    add(made, kind="lost_answer")
    assert call(made)
    assert call(made) is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "kind"),
        ({"kind": "flood"}, "kind"),
        ({"kind": "capacity", "pool": "m5.large"}, "pool"),
        ({"kind": "capacity", "pool": "m5.large.use9-az9"}, "pool"),
        ({"kind": "capacity", "pool": 5}, "string"),
        ({"kind": "az_down"}, "az"),
        ({"kind": "az_down", "az": "nowhere"}, "zone"),
        ({"kind": "throttle", "count": 0}, "count"),
        ({"kind": "throttle", "count": "3"}, "count"),
        ({"kind": "throttle", "for_seconds": -1}, "for_seconds"),
        ({"kind": "throttle", "for_seconds": True}, "for_seconds"),
        ({"kind": "capacity", "mode": "both"}, "mode"),
    ],
)
def test_what_is_no_fault_is_refused(wanted, message):
    with pytest.raises(BadFault, match=message):
        faults.read(wanted)


def test_one_can_be_taken_back(made):
    first, second = add(made, kind="capacity"), add(made, kind="quota")
    assert made.remove(first.id)
    assert made.all() == [second]
    assert not made.remove(first.id)
