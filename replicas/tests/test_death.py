"""Silence: EC2 is asked, and only its word counts."""

import pytest

from agents.models import Instance, Switch
from replicas import reconcile
from replicas.tests.world import later
from spotopt.cloud import compute

SILENT = later(minutes=2)


def test_silent_but_running_is_left_alone(world, primary):
    world.standby(primary)
    for _ in range(3):
        world.sweep(SILENT)
    assert world.events == []
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_silent_and_gone_is_failed_over(world, primary):
    standby = world.standby(primary)
    world.kill(primary.instance_id)
    world.sweep()
    assert world.events == []  # it is not overdue yet
    world.sweep(SILENT)
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    event = world.event
    assert (event.kind, event.channel) == ("death", "state")
    assert event.action_taken == "promoted_replica"
    assert Switch.objects.get().switch_type == "emergency_termination"
    world.settled(later(minutes=3))
    assert world.billing() == {standby.instance_id}


def test_with_no_standby_one_is_launched(world, primary):
    world.kill(primary.instance_id)
    world.sweep(SILENT)
    fresh = world.boot(world.replica)
    assert fresh.answer["snapshot"] is not None
    world.sweep(SILENT)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    world.settled(later(minutes=3))
    assert world.billing() == {fresh.instance_id}


def test_stopped_by_somebody_counts_as_gone(world, primary):
    ended = compute.Machine(
        instance_id=primary.instance_id, state="stopped", az_name="", instance_type="t3.medium"
    )
    assert reconcile.ended(ended)
    reconcile.died(primary.row, ended, clock=later())
    assert world.event.kind == "death"
    assert primary.row.terminated_at is None


def test_a_whole_zone_goes_dark(world):
    machines = [world.enrol("us-east-1a") for _ in range(3)]
    world.sim.fault(kind="az_down", az="us-east-1a")
    for machine in machines:
        world.wait_gone(machine.instance_id)
    world.sweep(SILENT)
    assert len(world.launched) == 3
    assert world.refused == []
    fresh = [world.boot(instance_id) for instance_id in world.launched]
    world.sweep(SILENT)
    assert {machine.row.role for machine in fresh} == {"primary"}
    assert "use1-az6" not in {machine.row.az_id for machine in fresh}


def test_unverified_machines_are_never_failed_over_for_their_silence(world):
    world.enrolled(world.claim("i-0nobodyknows"))
    for moment in (SILENT, later(hours=5)):
        world.sweep(moment)
        reconcile.run(clock=moment)
    assert world.events == []
    assert world.launches == []


def test_while_ec2_does_not_answer_nothing_is_concluded(world, primary):
    world.kill(primary.instance_id)
    fault = world.sim.fault(kind="throttle", action="DescribeInstances")
    world.sweep(SILENT)
    assert world.events == []
    world.sim.ask("DELETE", f"faults/{fault['id']}")
    world.sweep(later(minutes=3))
    assert world.event.kind == "death"


def test_a_death_after_its_notice_is_the_same_interruption(world, primary):
    primary.notice()
    world.kill(primary.instance_id)
    world.sweep(SILENT)
    assert world.event.kind == "notice"
    assert len(world.launched) == 1


def test_a_standby_that_died_is_seen(world, primary):
    standby = world.standby(primary)
    world.kill(standby.instance_id)
    world.sweep(SILENT)
    assert world.events == []
    assert world.replica.status in ("terminating", "failed")
    world.settled(later(minutes=3))
    assert world.replica.status == "failed"
    assert world.billing() == {primary.instance_id}


def test_a_fresh_launch_that_ec2_does_not_list_yet_is_not_dead(world, primary, monkeypatch):
    standby = world.standby(primary)
    monkeypatch.setattr(compute, "describe", lambda *args, **more: {})
    world.sweep(later(seconds=60))
    reconcile.run(clock=later(seconds=60))
    assert standby.row.terminated_at is None
    assert world.events == []
    # Two minutes and more after its launch, "unknown" means gone.
    world.sweep(later(minutes=4))
    assert {row.terminated_at is not None for row in Instance.objects.all()} >= {True}


@pytest.mark.parametrize("stop", ["client", "agent"])
def test_the_stops_hold_and_lifted_the_slot_is_saved(world, primary, stop):
    if stop == "client":
        world.client.__class__.objects.update(automation=False)
    else:
        primary.configure(enabled=False)
    world.sim.interrupt(primary.instance_id, "death")
    world.wait_gone(primary.instance_id)
    world.sweep(SILENT)
    assert world.event.action_taken == "recorded_only"
    assert world.launches == []
