"""A notice with no standby: pool after pool, then on demand, then again; never two machines."""

import base64

import pytest

from replicas import quarantine
from replicas.models import Quarantine, Saga, Step
from replicas.tests.world import ZONES, later, pool_in
from spotopt.cloud import compute


def order_by_price(world):
    for number, letter in enumerate("bcdefa"):
        world.price(letter, f"0.01{number}")


def test_a_pool_that_refuses_is_passed_over_and_quarantined(world, primary):
    order_by_price(world)
    world.sim.fault(kind="capacity", pool=pool_in("b"))
    told = primary.notice().json()
    assert told["action_taken"] == "created_emergency_replica"
    assert world.refused == [(ZONES["b"], "spot")]
    assert world.replica.pool_id == pool_in("c")
    held = Quarantine.objects.get()
    assert (held.pool_id, held.mode, held.code) == (
        pool_in("b"),
        "spot",
        "InsufficientInstanceCapacity",
    )
    assert held.until - held.struck_at == quarantine.FIRST
    assert world.told("launch_refused")


def test_the_next_emergency_passes_it_over_without_asking(world, primary):
    order_by_price(world)
    world.sim.fault(kind="capacity", pool=pool_in("b"))
    primary.notice()
    other = world.enrol("us-east-1a")
    other.notice()
    assert world.refused == [(ZONES["b"], "spot")]
    step = Step.objects.filter(name="launch", outcome="done").last()
    assert step is not None
    assert "quarantined" in step.detail["passed_over"][f"{pool_in('b')} spot"]


def test_a_launch_there_lifts_the_quarantine(world, primary):
    quarantine.strike(pool_id=pool_in("a"), mode="spot", code="x", now=later()())
    world.api.post(primary.path("replicas"), {"pool_id": pool_in("b")}, format="json")
    assert list(Quarantine.objects.values_list("pool_id", flat=True)) == [pool_in("a")]


def test_when_no_spot_pool_answers_it_is_on_demand(world, primary):
    world.sim.fault(kind="capacity", mode="spot")
    told = primary.notice().json()
    assert told["action_taken"] == "launched_on_demand"
    # Every zone outside the failing one first, and that one not at all.
    assert {zone for zone, _ in world.refused} == set(ZONES.values()) - {ZONES["a"]}
    fresh = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert fresh.row.mode == "on-demand"


def test_when_nothing_answers_the_guard_goes_on_asking(world, primary):
    fault = world.sim.fault(kind="capacity", mode="any")
    told = primary.notice().json()
    assert (told["action_taken"], told["new_primary_instance_id"]) == ("recorded_only", None)
    assert len(world.refused) == 12
    world.sweep(later(seconds=5))
    assert len(world.refused) == 12  # they have only just refused

    world.sim.ask("DELETE", f"faults/{fault['id']}")
    # All of them are in quarantine: an emergency asks all the same.
    world.sweep(later(seconds=40))
    assert len(world.launched) == 1
    assert world.event.action_taken == "created_emergency_replica"
    fresh = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]


def test_without_spot_quota_it_is_on_demand_at_once(world, primary):
    world.sim.fault(kind="quota", mode="spot")
    told = primary.notice().json()
    assert told["action_taken"] == "launched_on_demand"
    assert len(world.refused) == 1
    assert not Quarantine.objects.exists()


def test_without_any_quota_a_person_is_told(world, primary):
    world.sim.fault(kind="quota", mode="any")
    told = primary.notice().json()
    assert told["action_taken"] == "failed"
    [line] = world.told("launch_failed")
    assert "quota" in line
    assert world.saga.status == Saga.Status.FAILED
    world.settled()
    assert world.replica.status == "failed"


def test_a_throttled_launch_is_tried_again_in_the_same_request(world, primary):
    world.sim.fault(kind="throttle", action="RunInstances", count=2)
    told = primary.notice().json()
    assert told["action_taken"] == "created_emergency_replica"
    [launch] = world.launches
    assert launch["replays"] == 0


def test_throttled_for_long_the_guard_goes_on(world, primary, impatient):
    fault = world.sim.fault(kind="throttle", action="RunInstances")
    told = primary.notice().json()
    assert told["action_taken"] == "recorded_only"
    assert world.launches == []
    world.sim.ask("DELETE", f"faults/{fault['id']}")
    world.sweep(later(seconds=2))
    assert len(world.launched) == 1
    assert world.event.action_taken == "created_emergency_replica"


def test_a_denied_launch_fails_and_a_person_is_told(world, primary):
    world.sim.fault(kind="deny", action="RunInstances")
    told = primary.notice().json()
    assert told["action_taken"] == "failed"
    assert "UnauthorizedOperation" in told["message"]
    assert "UnauthorizedOperation" in world.told("launch_failed")[0]
    assert primary.row.role == "primary"
    world.settled()
    assert world.replica.status == "failed"


def test_an_account_that_lets_nobody_in_fails_too(world, primary):
    world.client.aws_role_arn = "arn:aws:iam::999999999999:role/spotopt"
    world.client.save()
    world.sim.fault(kind="deny", action="AssumeRole")
    told = primary.notice().json()
    assert told["action_taken"] == "failed"


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_is_asked_for_again_and_is_the_same_machine(world, primary, lost):
    world.sim.fault(kind="lost_answer", action="RunInstances", count=lost)
    told = primary.notice().json()
    assert told["action_taken"] == "created_emergency_replica"
    [launch] = world.launches
    assert launch["replays"] == lost
    assert launch["instance_ids"] == [told["new_primary_instance_id"]]
    assert world.saga.steps.filter(name="launch").count() == 1
    assert len(world.billing()) == 2


def test_settings_changed_between_two_tries_do_not_launch_twice(
    world, primary, impatient, settings
):
    world.sim.fault(kind="lost_answer", action="RunInstances", count=50)
    primary.notice()
    world.sim.ask("DELETE", "faults")
    settings.PUBLIC_URL = "https://moved.example"  # and with it the user data
    world.sweep(later(seconds=40))
    [instance_id] = world.launched
    assert world.replica.instance.instance_id == instance_id
    assert world.billing() == {primary.instance_id, instance_id}


def test_a_machine_that_never_comes_up_is_replaced(world, primary):
    primary.notice()
    first = world.replica
    world.sweep(later(minutes=4))
    second = world.replica
    assert second.pk != first.pk
    fresh = world.boot(second)
    world.settled()
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert world.billing() == {fresh.instance_id}


def test_the_launch_is_for_the_image_and_subnet_of_the_client(world, primary):
    subnets = world.sim.client("ec2").describe_subnets()["Subnets"]
    by_zone = {s["AvailabilityZoneId"]: s["SubnetId"] for s in subnets}
    world.client.aws_subnets = {ZONES["c"]: by_zone[ZONES["c"]]}
    world.client.user_data = "#!/bin/bash\necho 'set up'\n"
    world.client.save()
    primary.notice()
    # Only zones with a subnet of the client's are asked.
    assert [launch["az_id"] for launch in world.launches] == [ZONES["c"]]
    told = world.sim.client("ec2").describe_instance_attribute(
        InstanceId=world.launched[0], Attribute="userData"
    )
    script = base64.b64decode(told["UserData"]["Value"]).decode()
    assert script.count("#!") == 1
    assert "echo 'set up'\n" in script
    assert script.endswith("exec spotopt-agent run\n")


def test_with_no_image_at_all_a_person_is_told(world, primary, settings):
    settings.DEFAULT_AMI = ""
    primary.row.__class__.objects.update(image_id="")
    told = primary.notice().json()
    assert told["action_taken"] == "failed"
    assert "no image" in told["message"]


def test_the_intent_is_committed_before_the_deed(world, primary, monkeypatch):
    real, seen = compute.launch, []

    def watched(account, region, *, spec, client_token):
        step = Step.objects.get(key=client_token)
        assert step.replica is not None
        seen.append((step.outcome, step.replica.status, len(client_token)))
        return real(account, region, spec=spec, client_token=client_token)

    monkeypatch.setattr(compute, "launch", watched)
    primary.notice()
    assert seen == [("intended", "launching", 64)]
