"""The control interface."""

from __future__ import annotations

import urllib.request

import pytest


def test_the_state_tells_each_instance(idle):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]
    one = idle.launch(ClientToken="tok", TagSpecifications=tags)
    told = idle.state()
    (instance,) = told["instances"]
    assert instance["id"] == one
    assert instance["account"] == "123456789012"
    assert instance["pool"] == f"{instance['type']}.{instance['az_id']}" == "m5.large.use1-az6"
    assert (instance["region"], instance["az"], instance["mode"]) == (
        "us-east-1",
        "us-east-1a",
        "spot",
    )
    assert instance["client_token"] == "tok"
    assert instance["tags"] == {"a": "b"}
    assert instance["signals"] == {"notice": None, "rebalance": None}
    assert instance["spot_request"]["status_code"] == "fulfilled"
    assert instance["terminated_at"] is None
    assert told["speed"] == 100
    assert told["agents"] is False
    assert told["totals"]["launched"] == 1
    (launch,) = told["launches"]
    assert (launch["client_token"], launch["instance_ids"]) == ("tok", [one])


def test_one_instance_alone(idle):
    one = idle.launch()
    assert idle.ask("GET", f"instances/{one}")[1]["id"] == one
    assert idle.ask("GET", "instances/i-0")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "nothing/at/all", {}, 404),
        ("DELETE", "interrupt", None, 405),
        ("GET", "reset", None, 405),
        ("POST", "advance", {}, 400),
        ("POST", "advance", {"seconds": 0}, 400),
        ("POST", "advance", {"seconds": -5}, 400),
        ("POST", "advance", {"seconds": 1e12}, 400),
        ("POST", "advance", {"seconds": "many"}, 400),
        ("POST", "advance", {"seconds": True}, 400),
        ("POST", "faults", [1], 400),
        ("POST", "interrupt", {}, 400),
    ],
)
def test_mistakes_are_answered_and_change_nothing(idle, method, path, body, status):
    told = idle.ask(method, path, body)
    assert told[0] == status
    assert isinstance(told[1]["error"], str)
    assert idle.state()["advanced_seconds"] == 0
    assert idle.state()["faults"] == []


def test_a_body_that_is_no_json(idle):
    request = urllib.request.Request(f"{idle.url}/_sim/advance", data=b"{", method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.code == 400


def test_advancing_moves_simulated_time_alone(idle):
    before = idle.state()
    assert idle.ask("POST", "advance", {"seconds": 3600})[1]["advanced_seconds"] == 3600
    assert idle.ask("POST", "advance", {"seconds": 400})[1]["advanced_seconds"] == 4000
    after = idle.state()
    assert after["time"][:13] in (before["time"][:13], after["time"][:13])
    assert after["simulated_time"] > after["time"]


def test_reset_leaves_nothing(sim):
    ec2 = sim.client("ec2")
    one = sim.launch("#!/bin/sh\necho up > up\nexec sleep 300\n", ec2=ec2, ClientToken="t")
    sim.wait_file(one, "up")
    sim.fault(kind="throttle", action="DescribeImages")
    sim.interrupt(one, "rebalance")
    sim.ask("POST", "advance", {"seconds": 60})
    sim.reset()
    told = sim.state()
    for key in ("instances", "faults", "interruptions", "launches", "targets"):
        assert told[key] == [], key
    assert told["advanced_seconds"] == 0
    assert ec2.describe_instances()["Reservations"] == []
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    again = sim.launch("#!/bin/sh\n", ec2=ec2, ClientToken="t")
    assert again != one


def test_reset_forgets_what_was_planned(idle):
    one = idle.launch()
    idle.interrupt(one, "notice", in_seconds=0.2)
    idle.reset()
    other = idle.launch()
    idle.wait_state(other, "running")
    assert idle.ask("GET", "interruptions")[1]["interruptions"] == []
