"""Notices, rebalance recommendations and deaths, on every channel that tells of them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from .harness import alive, eventually
from .queues import Queue

EC2 = {"source": ["aws.ec2"]}
WARNING = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE = "EC2 Instance State-change Notification"
IDLER = "#!/bin/sh\ntrap '' TERM\necho $$ > pid\nwhile :; do sleep 300; done\n"


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)


def status_of(sim, instance_id: str) -> str:
    told = sim.client("ec2").describe_spot_instance_requests(
        Filters=[{"Name": "instance-id", "Values": [instance_id]}]
    )
    return str(told["SpotInstanceRequests"][0]["Status"]["Code"])


@pytest.fixture
def machine(idle):
    one = idle.launch()
    idle.wait_state(one, "running")
    return idle.instance(one)


def test_a_notice_shows_in_the_metadata_with_its_time(idle, machine):
    raised = idle.interrupt(machine["id"], "notice")
    ip = machine["private_ip"]
    status, text = idle.item(ip, "/latest/meta-data/spot/instance-action")
    assert status == 200
    told = json.loads(text)
    assert told["action"] == "terminate"
    assert parsed(told["time"]) == parsed(raised["kill_at"])
    assert idle.item(ip, "/latest/meta-data/spot/termination-time") == (200, told["time"])


def test_the_notice_is_two_minutes_divided_by_the_speed(idle, machine):
    raised = idle.interrupt(machine["id"], "notice")
    seconds = (parsed(raised["kill_at"]) - parsed(raised["raised_at"])).total_seconds()
    assert 1.2 <= seconds <= 2.3  # 120 s at speed 100, to the next whole second


def test_at_its_time_and_not_before_the_machine_is_reclaimed(idle, machine):
    idle.interrupt(machine["id"], "notice")
    assert status_of(idle, machine["id"]) == "marked-for-termination"
    assert idle.instance(machine["id"])["state"] == "running"
    idle.wait_state(machine["id"], "terminated")
    (done,) = idle.ask("GET", "interruptions")[1]["interruptions"]
    late = parsed(done["killed_at"]) - parsed(done["kill_at"])
    assert late.total_seconds() >= 0
    assert status_of(idle, machine["id"]) == "instance-terminated-no-capacity"
    told = idle.client("ec2").describe_instances(InstanceIds=[machine["id"]])
    (instance,) = told["Reservations"][0]["Instances"]
    assert instance["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert "Server.SpotInstanceTermination" in instance["StateTransitionReason"]


def test_what_ignores_sigterm_is_killed_too(sim):
    one = sim.launch(IDLER)
    pid = int(sim.wait_file(one, "pid"))
    sim.interrupt(one, "notice")
    assert alive(pid)
    sim.wait_state(one, "terminated")
    assert not alive(pid)


def test_events_of_a_notice_reach_the_queue(idle, machine):
    queue = Queue(idle, EC2)
    raised = idle.interrupt(machine["id"], "notice")
    event = queue.wait(WARNING, machine["id"])
    assert event["source"] == "aws.ec2"
    assert event["account"] == machine["account"]
    assert event["region"] == "us-east-1"
    assert event["detail"]["instance-action"] == "terminate"
    # As in life: the zone where the region should stand, and no account.
    assert event["resources"] == [f"arn:aws:ec2:{machine['az']}:instance/{machine['id']}"]
    assert abs((parsed(event["time"]) - parsed(raised["raised_at"])).total_seconds()) < 1.1
    queue.wait(STATE, machine["id"], state="shutting-down")
    queue.wait(STATE, machine["id"], state="terminated")
    assert len({each["id"] for each in queue.heard}) == len(queue.heard)


def test_a_rebalance_recommendation_changes_nothing_but_the_signal(idle, machine):
    queue = Queue(idle, EC2)
    idle.interrupt(machine["id"], "rebalance")
    event = queue.wait(REBALANCE, machine["id"])
    assert event["detail"] == {"instance-id": machine["id"]}
    path = "/latest/meta-data/events/recommendations/rebalance"
    status, text = idle.item(machine["private_ip"], path)
    assert status == 200
    assert parsed(json.loads(text)["noticeTime"])
    assert idle.instance(machine["id"])["state"] == "running"
    assert status_of(idle, machine["id"]) == "fulfilled"
    assert idle.item(machine["private_ip"], "/latest/meta-data/spot/instance-action")[0] == 404


def test_death_comes_without_notice(sim):
    queue = Queue(sim, EC2)
    one = sim.launch(IDLER)
    pid = int(sim.wait_file(one, "pid"))
    done = sim.interrupt(one, "death")
    assert not alive(pid)
    assert done["raised_at"]
    assert done["killed_at"]
    queue.wait(STATE, one, state="terminated")
    assert not [event for event in queue.heard if event["detail-type"] in (WARNING, REBALANCE)]
    assert status_of(sim, one) == "instance-terminated-no-capacity"


def test_a_price_reclaim_says_so(idle, machine):
    idle.interrupt(machine["id"], "death", reason="price")
    assert status_of(idle, machine["id"]) == "instance-terminated-by-price"


def test_it_can_be_planned_ahead(idle, machine):
    planned = idle.interrupt(machine["id"], "rebalance", in_seconds=0.4)
    assert planned["raised_at"] is None
    assert idle.instance(machine["id"])["signals"]["rebalance"] is None
    eventually(lambda: idle.instance(machine["id"])["signals"]["rebalance"])
    (done,) = idle.ask("GET", "interruptions")[1]["interruptions"]
    assert parsed(done["raised_at"]) >= parsed(planned["due_at"])


def test_one_planned_for_a_machine_that_went_first_is_never_raised(idle, machine):
    idle.interrupt(machine["id"], "notice", in_seconds=0.3)
    idle.client("ec2").terminate_instances(InstanceIds=[machine["id"]])
    other = idle.launch()
    idle.wait_state(other, "running")
    idle.interrupt(other, "rebalance", in_seconds=0.4)
    eventually(lambda: idle.instance(other)["signals"]["rebalance"])
    (first, _) = idle.ask("GET", "interruptions")[1]["interruptions"]
    assert first["raised_at"] is None


def test_a_user_who_terminates_under_notice_is_the_one_who_did_it(idle, machine):
    idle.interrupt(machine["id"], "notice")
    idle.client("ec2").terminate_instances(InstanceIds=[machine["id"]])
    idle.wait_state(machine["id"], "terminated")
    assert status_of(idle, machine["id"]) == "instance-terminated-by-user"
    (one,) = idle.ask("GET", "interruptions")[1]["interruptions"]
    assert one["killed_at"] is None


def test_stop_is_the_action_where_the_request_says_so(idle):
    options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
    one = idle.launch(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options})
    machine = idle.wait_state(one, "running")
    idle.interrupt(one, "notice")
    text = idle.item(machine["private_ip"], "/latest/meta-data/spot/instance-action")[1]
    assert json.loads(text)["action"] == "stop"
    idle.wait_state(one, "stopped")


def test_on_demand_machines_get_no_notice_but_can_die(idle):
    one = idle.launch(spot=False)
    idle.wait_state(one, "running")
    body = {"instance_id": one, "kind": "notice"}
    status, told = idle.ask("POST", "interrupt", body)
    assert status == 400
    assert "on-demand" in told["error"]
    idle.interrupt(one, "death")
    idle.wait_state(one, "terminated")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "notice"}, 400),
        ({"instance_id": "i-0", "kind": "notice"}, 404),
        ({"instance_id": "THERE", "kind": "flood"}, 400),
        ({"instance_id": "THERE"}, 400),
        ({"instance_id": "THERE", "kind": "notice", "in_seconds": -1}, 400),
        ({"instance_id": "THERE", "kind": "notice", "in_seconds": "soon"}, 400),
        ({"instance_id": "THERE", "kind": "death", "reason": "whim"}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(idle, machine, body, status):
    if body.get("instance_id") == "THERE":
        body["instance_id"] = machine["id"]
    told = idle.ask("POST", "interrupt", body)
    assert told[0] == status
    assert told[1]["error"]
    assert idle.ask("GET", "interruptions")[1]["interruptions"] == []


def test_a_second_notice_is_refused(idle, machine):
    idle.interrupt(machine["id"], "notice")
    assert idle.ask("POST", "interrupt", {"instance_id": machine["id"], "kind": "notice"})[0] == 400


def test_a_machine_that_is_gone_cannot_be_interrupted(idle, machine):
    idle.interrupt(machine["id"], "death")
    body = {"instance_id": machine["id"], "kind": "notice"}
    assert idle.ask("POST", "interrupt", body)[0] == 400


def test_the_folder_of_a_killed_machine_stays_to_be_read(sim):
    one = sim.launch("#!/bin/sh\necho hello > kept\nsleep 300\n")
    sim.wait_file(one, "kept")
    sim.interrupt(one, "death")
    assert (Path(sim.instance(one)["folder"]) / "kept").read_text() == "hello\n"
