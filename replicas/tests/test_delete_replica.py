"""Endpoint 13: end a standby, whatever it is doing."""

from typing import Any

from agents.models import Instance
from replicas import caps, lifecycle
from replicas.models import Replica, Saga, Step
from replicas.tests.world import later
from spotopt.cloud import compute, errors


def delete(world, machine, replica_id):
    return world.api.delete(machine.path(f"replicas/{replica_id}"))


def test_a_ready_one_is_terminated(world, primary):
    standby = world.standby(primary)
    response = delete(world, primary, standby.answer["replica_id"])
    assert response.status_code == 200
    assert response.json() == {"status": "success", "replica_terminated": True}
    world.wait_gone(standby.instance_id)
    world.settled()
    assert world.replica.status == Replica.Status.TERMINATED
    assert world.saga.status == Saga.Status.ABANDONED
    assert world.billing() == {primary.instance_id}
    assert standby.post("heartbeat", {"status": "online"}).status_code in (200, 409)


def test_again_it_changes_nothing(world, primary):
    standby = world.standby(primary)
    delete(world, primary, standby.answer["replica_id"])
    world.settled()
    again = delete(world, primary, standby.answer["replica_id"])
    assert again.json() == {"status": "success", "replica_terminated": True}


def test_one_that_is_coming_up(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    told = delete(world, primary, asked["replica_id"]).json()
    assert told["replica_terminated"] is True
    world.settled()
    assert world.billing() == {primary.instance_id}


def test_while_its_launch_is_being_asked_for(world, primary, monkeypatch):
    real, told = compute.launch, []

    def slow(*args, **more):
        machine = real(*args, **more)
        told.append(delete(world, primary, world.replica.pk).json())
        return machine

    monkeypatch.setattr(compute, "launch", slow)
    refused = world.api.post(primary.path("replicas"), {}, format="json")
    assert refused.status_code in (201, 409)
    assert told[0]["status"] == "success"
    world.settled()
    assert len(world.launched) == 1
    assert world.billing() == {primary.instance_id}
    assert world.replica.status == Replica.Status.TERMINATED


def test_when_nobody_knows_whether_it_was_launched(world, primary, impatient):
    world.sim.fault(kind="lost_answer", action="RunInstances", count=100)
    primary.notice()
    [launched] = world.launched
    assert world.replica.instance is None
    step = world.saga.steps.get(name="launch")
    assert step.outcome == Step.Outcome.UNKNOWN

    told = delete(world, primary, world.replica.pk).json()
    assert told["status"] == "success"
    world.settled()
    world.wait_gone(launched)
    assert world.billing() == {primary.instance_id}
    assert Instance.objects.get(instance_id=launched).terminated_at is not None


def test_when_it_never_was_launched_waiting_for_it_ends(world, primary, monkeypatch, impatient):
    def nothing(*args, **more):
        raise errors.UnreachableError("ReadTimeout")

    monkeypatch.setattr(compute, "launch", nothing)
    world.api.post(primary.path("replicas"), {}, format="json")
    world.sweep(later(seconds=60))
    assert world.saga.status == Saga.Status.ABANDONING
    world.sweep(later(minutes=3))
    assert world.saga.status == Saga.Status.ABANDONED
    assert world.replica.status == Replica.Status.TERMINATED


def test_ec2_out_of_reach_it_is_tried_until_it_works(world, primary):
    standby = world.standby(primary)
    fault = world.sim.fault(kind="throttle", action="TerminateInstances")
    told = delete(world, primary, standby.answer["replica_id"]).json()
    assert told["replica_terminated"] is False
    world.sweep(later(minutes=10))
    assert standby.instance_id in world.billing()
    world.sim.ask("DELETE", f"faults/{fault['id']}")
    world.settled(later(minutes=10))
    assert world.billing() == {primary.instance_id}


def test_a_fresh_launch_that_ec2_does_not_list_yet_is_not_forgotten(world, primary, monkeypatch):
    standby = world.standby(primary)
    real_terminate, real_describe = compute.terminate, compute.describe
    # EC2 does not know it yet: both calls find nothing, and both say so quietly.
    monkeypatch.setattr(compute, "terminate", lambda *args: None)
    monkeypatch.setattr(compute, "describe", lambda *args, **more: {})
    delete(world, primary, standby.answer["replica_id"])
    assert standby.row.terminated_at is None
    monkeypatch.setattr(compute, "terminate", real_terminate)
    monkeypatch.setattr(compute, "describe", real_describe)
    world.settled()
    assert world.billing() == {primary.instance_id}


def test_one_that_was_promoted_is_409(world, primary):
    standby = world.standby(primary)
    world.api.post(primary.path(f"replicas/{standby.answer['replica_id']}/promote"))
    refused = delete(world, primary, standby.answer["replica_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "replica_gone")
    world.settled()
    assert world.billing() == {standby.instance_id}


def test_deletion_that_comes_just_after_the_promotion_loses(world, primary, monkeypatch):
    standby = world.standby(primary)
    path = primary.path(f"replicas/{standby.answer['replica_id']}")
    real = lifecycle.abandon
    answers: list[Any] = []

    def promoted_first(saga, **more):
        if not answers:
            answers.append(world.api.post(f"{path}/promote").json())
        return real(saga, **more)

    monkeypatch.setattr(lifecycle, "abandon", promoted_first)
    refused = world.api.delete(path)
    assert answers[0]["promoted"] is True
    assert (refused.status_code, refused.json()["code"]) == (409, "replica_gone")
    world.settled()
    assert world.billing() == {standby.instance_id}


def test_one_that_had_failed_before_leaves_its_successor_alone(world, primary):
    primary.recommendation()
    first = world.boot(world.replica)
    first.notice()
    second = world.boot(world.replica)
    assert second.instance_id != first.instance_id
    assert delete(world, primary, first.answer["replica_id"]).status_code == 200
    assert primary.notice().json()["new_primary_instance_id"] == second.instance_id


def test_the_only_replacement_deleted_ends_that_emergency(world, primary):
    primary.notice()
    delete(world, primary, world.replica.pk)
    world.settled()
    assert world.saga.status == Saga.Status.ABANDONED
    world.sweep(later(minutes=5))
    assert len(world.launched) == 1
    assert world.billing() == {primary.instance_id}


def test_a_machine_ends_only_the_switch_it_was_ordered(world, primary):
    standby = world.standby(primary)
    assert (
        primary.api.delete(primary.path(f"replicas/{standby.answer['replica_id']}")).status_code
        == 403
    )
    assert world.replica.status == Replica.Status.READY


def test_abandoned_as_its_intent_is_written_nothing_is_written(world, primary, monkeypatch):
    def rival(*, agent, **more):
        """Another process abandons it after the choice began, and before its row is written."""
        Saga.objects.filter(agent=agent).update(
            status=Saga.Status.ABANDONING, lease_owner=None, lease_until=None
        )
        return ""

    monkeypatch.setattr(caps, "reached", rival)
    refused = world.api.post(primary.path("replicas"), {}, format="json")
    assert refused.status_code == 409
    world.settled()
    assert not Replica.objects.exists()
    assert world.launches == []
