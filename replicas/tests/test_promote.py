"""Endpoint 12: make a ready replica the primary."""

from datetime import timedelta
from typing import Any

import pytest

from agents import instances
from agents.models import Instance, Switch
from replicas import interruptions, lifecycle, routes, sagas
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.tests.world import later, pool_in
from spotopt.tests import cast


def promote(world, machine, replica_id):
    return world.api.post(machine.path(f"replicas/{replica_id}/promote"))


def test_the_standby_becomes_the_primary_and_the_old_one_ends(world, primary):
    standby = world.standby(primary)

    response = promote(world, primary, standby.answer["replica_id"])

    assert response.status_code == 200
    assert response.json() == {
        "status": "success",
        "promoted": True,
        "new_primary_instance_id": standby.instance_id,
        "old_primary_terminated": True,
    }
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    switch = Switch.objects.get()
    assert (switch.switch_type, switch.reason) == ("manual_replica_promotion", "asked for")
    world.settled()
    assert world.billing() == {standby.instance_id}
    assert world.replica.status == Replica.Status.PROMOTED


def test_one_that_is_not_ready_is_409(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    refused = promote(world, primary, asked["replica_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "not_ready")
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_one_that_is_promoted_or_gone_is_409(world, primary):
    first = world.standby(primary)
    promote(world, primary, first.answer["replica_id"])
    again = promote(world, primary, first.answer["replica_id"])
    assert (again.status_code, again.json()["code"]) == (409, "replica_gone")

    second = world.standby(first)
    world.api.delete(first.path(f"replicas/{second.answer['replica_id']}"))
    refused = promote(world, first, second.answer["replica_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "replica_gone")
    assert Switch.objects.count() == 1


@pytest.mark.parametrize("replica_id", ["replica_789", "4b7d1c8e-0000-4000-8000-000000000000"])
def test_an_unknown_one_is_404(slot, acme_api, replica_id):
    path = f"/api/agents/{slot.agent.pk}/replicas/{replica_id}"
    assert acme_api.post(f"{path}/promote").status_code == 404
    assert acme_api.delete(path).status_code == 404
    body = {"sync_status": "synced"}
    assert acme_api.post(f"{path}/sync-status", body, format="json").status_code == 404


def test_another_agents_replica_is_404(world, primary):
    other = world.enrol("us-east-1b")
    standby = world.standby(primary)
    assert promote(world, other, standby.answer["replica_id"]).status_code == 404


def test_with_time_to_quiesce_it_answers_before_the_promotion(world, primary):
    primary.configure(quiesce_seconds=20)
    standby = world.standby(primary)
    told = promote(world, primary, standby.answer["replica_id"]).json()
    assert told["promoted"] is False
    assert told["old_primary_terminated"] is False
    [command] = primary.get("pending-commands").json()["commands"]
    assert command["parameters"] == {"quiesce": True}
    # The agent is quiet, and says so.
    primary.imminent()
    assert world.primaries(primary.agent_id) == [standby.instance_id]


def test_a_machine_promotes_only_the_switch_it_was_ordered(world, primary):
    standby = world.standby(primary)
    assert primary.post(f"replicas/{standby.answer['replica_id']}/promote").status_code == 403
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_a_viewer_promotes_nothing(world, primary, bob, alice, as_user):
    standby = world.standby(primary)
    path = primary.path(f"replicas/{standby.answer['replica_id']}/promote")
    assert as_user(bob).post(path).status_code == 403
    assert as_user(alice).post(path).json()["promoted"] is True


def test_routing_follows(world, primary):
    elb = world.sim.client("elbv2")
    vpc = world.sim.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    [group] = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)[
        "TargetGroups"
    ]
    arn = group["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": primary.instance_id}])
    primary.configure(target_group_arn=arn)
    standby = world.standby(primary)
    promote(world, primary, standby.answer["replica_id"])
    world.settled()
    health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    serving = {h["Target"]["Id"] for h in health if h["TargetHealth"]["State"] != "draining"}
    assert serving == {standby.instance_id}
    steps = world.saga.steps.filter(outcome="done").values_list("name", flat=True)
    assert {"route", "rebind", "deroute", "retire"} <= set(steps)


def test_routing_that_fails_keeps_no_promotion_waiting(world, primary):
    missing = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/no/0123456789abcdef"
    primary.configure(target_group_arn=missing)
    standby = world.standby(primary)
    assert promote(world, primary, standby.answer["replica_id"]).json()["promoted"] is True
    assert "look at its target group" in world.told("routing_failed")[0]


# --- races ---------------------------------------------------------------------------------------


def rival_at_routing(monkeypatch, act):
    """Between claim and promotion, in the other process, once."""
    real = routes.to
    done: list[Any] = []

    def routed(lease, instance):
        real(lease, instance)
        if not done:
            done.append(act())

    monkeypatch.setattr(routes, "to", routed)
    return done


def test_manual_promotion_against_an_emergency_is_one_promotion(world, primary, monkeypatch):
    standby = world.standby(primary)
    real = lifecycle.promoting
    heard: list[Any] = []

    def rival_first(*, replica):
        """The notice comes to another process, which can note it down but not have the lease."""
        if not heard:
            now = later()()
            event, _ = interruptions.record(
                instance=primary.row,
                kind=InterruptionEvent.Kind.NOTICE,
                detected_at=now,
                termination_time=now + timedelta(minutes=2),
                channel=InterruptionEvent.Channel.EVENTBRIDGE,
                now=now,
            )
            sagas.escalate(replica.saga, trigger=Saga.Trigger.EMERGENCY, reason="notice", now=now)
            heard.append(event)
        return real(replica=replica)

    monkeypatch.setattr(lifecycle, "promoting", rival_first)
    told = promote(world, primary, standby.answer["replica_id"]).json()
    assert told["promoted"] is True
    assert Switch.objects.count() == 1
    # The guard finds the signal unanswered, and that there is nothing left to do.
    world.settled()
    assert world.event.action_taken == "recorded_only"
    assert world.launched == [standby.instance_id]
    assert world.billing() == {standby.instance_id}


def test_a_replica_given_up_at_the_last_moment_is_not_promoted(world, primary, monkeypatch):
    primary.configure(quiesce_seconds=0)
    standby = world.standby(primary)
    rival_at_routing(
        monkeypatch,
        lambda: lifecycle.lost(
            replica=world.replica, why="its own machine was interrupted", now=later()()
        ),
    )
    told = primary.notice().json()
    assert told["new_primary_instance_id"] != standby.instance_id
    fresh = world.boot(world.replica)
    world.settled()
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert world.billing() == {fresh.instance_id}


def test_a_standby_that_dies_as_it_is_promoted_is_replaced(world, primary, monkeypatch):
    standby = world.standby(primary)
    rival_at_routing(monkeypatch, lambda: instances.confirm_gone(standby.row, now=later()()))
    primary.notice()
    fresh = world.boot(world.replica)
    assert fresh.instance_id != standby.instance_id
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert Replica.objects.get(instance=standby.row).status in ("terminating", "failed")


def test_a_slot_that_another_machine_took_meanwhile_is_left_to_it(world, primary, monkeypatch):
    primary.configure(logical_agent_id="web")
    world.standby(primary)
    Instance.objects.filter(instance_id=primary.instance_id).update(terminated_at=later()())
    claim = world.claim(world.start("us-east-1d"), "us-east-1d", logical_agent_id="web")
    taken = []
    rival_at_routing(monkeypatch, lambda: taken.append(world.enrolled(claim)))
    told = promote(world, primary, str(world.replica.pk))
    assert (told.status_code, told.json()["code"]) == (409, "replica_gone")
    assert world.primaries(primary.agent_id) == [taken[0].instance_id]
    world.settled()
    assert world.saga.status == Saga.Status.ABANDONED
    assert world.billing() == {taken[0].instance_id, primary.instance_id}


def test_promotion_against_deletion_has_one_winner(world, primary, monkeypatch):
    standby = world.standby(primary)
    path = primary.path(f"replicas/{standby.answer['replica_id']}")
    real = sagas.escalate
    answers: list[Any] = []

    def deleted_first(saga, **more):
        if not answers:
            answers.append(world.api.delete(path))
        return real(saga, **more)

    monkeypatch.setattr(sagas, "escalate", deleted_first)
    refused = world.api.post(f"{path}/promote")
    assert answers[0].status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (409, "replica_gone")
    world.settled()
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    assert world.billing() == {primary.instance_id}


# --- a planned switch, steered by the agent ------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False])
def test_a_planned_switch_ends_the_old_machine_only_where_that_is_wanted(world, primary, ends):
    primary.configure(auto_terminate_enabled=ends, terminate_wait_seconds=60, quiesce_seconds=30)
    command = world.api.post(
        f"/api/client/instances/{primary.instance_id}/force-switch",
        {"target_pool_id": pool_in("c")},
        format="json",
    ).json()["command_id"]
    asked = primary.post("replicas", {"replica_type": "switch", "command_id": command}).json()
    fresh = world.boot(asked["instance_id"])
    # The agent has quiesced and synced by itself.
    told = primary.post(f"replicas/{asked['replica_id']}/promote").json()

    assert told["promoted"] is True
    assert told["new_primary_instance_id"] == fresh.instance_id
    assert told["old_primary_terminated"] is False
    assert Switch.objects.get().switch_type == "planned"
    world.sweep(later(seconds=50))
    assert primary.instance_id in world.billing()
    if ends:
        world.settled(later(seconds=70))
        assert world.billing() == {fresh.instance_id}
    else:
        world.settled(later(minutes=10))
        assert world.billing() == {fresh.instance_id, primary.instance_id}
        [line] = world.told("old_machine_left_running")
        assert primary.instance_id in line
        assert primary.row.role == Instance.Role.SUPERSEDED


def test_a_machine_that_is_not_ours_is_left_running_and_people_are_told(world):
    world.client.tag_machines = False
    world.client.save()
    primary = world.enrol()
    standby = world.standby(primary)
    told = promote(world, primary, standby.answer["replica_id"]).json()
    assert (told["promoted"], told["old_primary_terminated"]) == (True, False)
    world.settled()
    assert world.billing() == {standby.instance_id, primary.instance_id}
    [line] = world.told("old_machine_left_running")
    assert "not tagged as ours" in line
    assert cast.bearer(primary.token).get(primary.path("config")).status_code == 409
