"""Endpoint 1: a machine enrols."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent, Instance, Switch
from clients import tokens
from replicas.models import Replica, Saga
from replicas.tests.world import ZONES, later, pool_in
from spotopt.tests import cast

KEYS = {
    "status", "agent_id", "message", "agent_token", "pool_id", "config", "role", "replica_id",
    "snapshot", "server_time", "warnings",
}  # fmt: skip


def test_a_new_machine_gets_an_agent_and_a_token(world):
    instance_id = world.start("us-east-1b")
    response = world.register(world.claim(instance_id, "us-east-1b"))

    told = response.json()
    assert response.status_code == 201
    assert set(told) == KEYS
    assert told["status"] == "success"
    assert told["message"] == "Agent registered successfully"
    assert told["pool_id"] == pool_in("b")
    assert told["role"] == "primary"
    assert (told["replica_id"], told["snapshot"]) == (None, None)
    assert told["config"]["heartbeat_seconds"] == 30
    row = Instance.objects.get()
    assert (row.verified, row.mode, row.az_name) == (True, "spot", "us-east-1b")
    assert row.image_id == "ami-simulated00000000"
    me = cast.bearer(told["agent_token"])
    beat = me.post(f"/api/agents/{told['agent_id']}/heartbeat", {"status": "online"}, format="json")
    assert beat.status_code == 200


def test_the_same_machine_again_is_the_same_agent_with_a_new_token(world, primary):
    again = world.register(world.claim(primary.instance_id))
    assert again.status_code == 200
    assert again.json()["agent_id"] == primary.agent_id
    assert again.json()["agent_token"] != primary.token
    # The earlier token is good for ten minutes more.
    assert primary.post("heartbeat", {"status": "online"}).status_code == 200
    token = tokens.lookup(primary.token, timezone.now())
    assert token is not None
    assert token.expires_at is not None
    assert token.expires_at - timezone.now() <= timedelta(minutes=10)
    assert Agent.objects.count() == 1


def test_the_client_token_may_come_in_the_body(world, api):
    body = world.claim(world.start(), client_token=world.token)
    assert api.post("/api/agents/register", body, format="json").status_code == 201


@pytest.mark.parametrize("token", [None, "", "wrong", 7, ["x"], {"a": 1}])
def test_a_wrong_token_in_the_body_is_401(client_acme, api, token):
    body = {"instance_id": "i-0acme0000000009", "client_token": token}
    assert api.post("/api/agents/register", body, format="json").status_code == 401
    assert not Agent.objects.exists()


def test_no_credential_is_401_whatever_the_body(db, api):
    bodies: tuple[Any, ...] = ([], "x", None, {})
    for body in bodies:
        assert api.post("/api/agents/register", body, format="json").status_code == 401


def test_enrolling_tags_the_machine_as_ours(world, primary):
    carried = world.sim.instance(primary.instance_id)["tags"]
    assert carried["spotopt:client"] == str(world.client.pk)
    assert carried["spotopt:agent"] == primary.agent_id
    assert carried["spotopt:installation"]
    assert primary.row.ours


def test_without_consent_it_is_not_tagged(world):
    world.client.tag_machines = False
    world.client.save()
    machine = world.enrol()
    assert "spotopt:client" not in world.sim.instance(machine.instance_id)["tags"]
    assert not machine.row.ours


def test_what_ec2_says_goes_before_what_the_machine_says(world):
    machine = world.enrolled(
        {**world.claim(world.start("us-east-1c", mode="on-demand"), "us-east-1a")}
    )
    row = machine.row
    assert (row.mode, row.az_id) == ("on-demand", ZONES["c"])


def test_a_machine_that_ec2_does_not_know_is_unverified(world):
    told = world.register(world.claim("i-0nobodyknows"))
    assert told.status_code == 201
    row = Instance.objects.get()
    assert (row.verified, row.ours, row.mode) == (False, False, "spot")


def test_unverified_machines_may_be_refused(world, settings):
    settings.REQUIRE_VERIFIED_INSTANCES = True
    refused = world.register(world.claim("i-0nobodyknows"))
    assert (refused.status_code, refused.json()["code"]) == (409, "unverified")
    assert not Agent.objects.exists()
    world.enrol()


def test_where_only_verified_ones_come_in_a_launched_one_does(world, settings):
    settings.REQUIRE_VERIFIED_INSTANCES = True
    primary = world.enrol()
    primary.notice()
    # EC2 has told of it when it launched it: it need not be asked again now.
    world.sim.fault(kind="throttle", action="DescribeInstances")
    fresh = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]


def test_the_clients_limit_of_agents_holds(world, primary):
    world.client.agent_limit = 1
    world.client.save()
    refused = world.register(world.claim(world.start("us-east-1b"), "us-east-1b"))
    assert (refused.status_code, refused.json()["code"]) == (409, "agent_limit")
    assert Instance.objects.count() == 1
    # One that is known comes back, and a standby is no agent.
    assert world.register(world.claim(primary.instance_id)).status_code == 200
    world.standby(primary)


# --- machines we launched ------------------------------------------------------------------------


def test_a_launched_machine_joins_its_slot_with_the_token_in_its_user_data(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    exports = world.exports(asked["instance_id"])
    assert exports["SPOTOPT_SERVER_URL"] == "https://spotopt.example"
    assert exports["SPOTOPT_PARENT_AGENT_ID"] == primary.agent_id
    assert exports["SPOTOPT_TOKEN"].startswith("spo_e_")
    assert world.token not in str(exports)

    standby = world.boot(world.replica)
    assert standby.answer["role"] == "standby"
    assert standby.agent_id == primary.agent_id
    assert standby.answer["replica_id"] == str(world.replica.pk)
    assert world.replica.status == Replica.Status.READY


def test_its_token_is_bound_to_that_machine(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    token = world.exports(asked["instance_id"])["SPOTOPT_TOKEN"]
    other = world.start("us-east-1c")
    refused = world.register(world.claim(other, "us-east-1c", is_replica=True), token)
    assert refused.status_code == 403
    assert not Instance.objects.filter(instance_id=other).exists()


def test_its_token_does_not_speak_for_a_machine_that_is_there(world, primary, impatient):
    world.sim.fault(kind="lost_answer", action="RunInstances", count=100)
    primary.notice()
    token = world.exports(world.launched[0])["SPOTOPT_TOKEN"]
    assert world.replica.instance is None
    refused = world.register(world.claim(primary.instance_id), token)
    assert refused.status_code == 403
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_its_token_opens_no_other_slot(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    other = world.enrol("us-east-1b")
    token = world.exports(asked["instance_id"])["SPOTOPT_TOKEN"]
    claim = world.claim(asked["instance_id"], parent_agent_id=other.agent_id, is_replica=True)
    assert world.register(claim, token).status_code == 403


def test_its_token_does_nothing_but_enrol(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    bearer = cast.bearer(world.exports(asked["instance_id"])["SPOTOPT_TOKEN"])
    assert bearer.get(primary.path("config")).status_code == 403
    assert bearer.post(primary.path("termination"), {}, format="json").status_code == 403


def test_its_token_runs_out(world, primary, monkeypatch):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    token = world.exports(asked["instance_id"])["SPOTOPT_TOKEN"]
    assert tokens.lookup(token, later(minutes=29)()) is not None
    assert tokens.lookup(token, later(minutes=31)()) is None


def test_one_that_is_no_longer_wanted_is_turned_away(world, primary):
    asked = world.api.post(primary.path("replicas"), {}, format="json").json()
    token = world.exports(asked["instance_id"])["SPOTOPT_TOKEN"]
    world.api.delete(primary.path(f"replicas/{asked['replica_id']}"))
    refused = world.register(world.claim(asked["instance_id"], is_replica=True), token)
    assert (refused.status_code, refused.json()["code"]) == (409, "superseded")


def test_it_may_come_before_the_answer_to_its_launch_was_written(world, primary, impatient):
    world.sim.fault(kind="lost_answer", action="RunInstances", count=100)
    primary.notice()
    assert world.replica.instance is None
    [instance_id] = world.launched

    fresh = world.boot(instance_id)
    assert fresh.answer["role"] == "primary"
    assert world.primaries(primary.agent_id) == [instance_id]
    assert world.instance_of_replica == instance_id
    world.sim.ask("DELETE", "faults")
    world.settled()
    assert world.billing() == {instance_id}
    assert world.launched == [instance_id]


def test_enrolling_twice_promotes_once(world, primary):
    primary.notice()
    first = world.boot(world.replica)
    second = world.boot(world.replica)
    assert (first.answer["role"], second.answer["role"]) == ("primary", "primary")
    assert Switch.objects.count() == 1


# --- started by others -----------------------------------------------------------------------------


def test_a_standby_somebody_else_started_joins_with_the_client_token(world, primary):
    instance_id = world.start("us-east-1b")
    claim = world.claim(
        instance_id, "us-east-1b", is_replica=True, parent_agent_id=primary.agent_id
    )
    joined = world.enrolled(claim)
    assert joined.agent_id == primary.agent_id
    assert joined.answer["role"] == "standby"
    replica = world.replica
    assert joined.answer["replica_id"] == str(replica.pk)
    assert (replica.status, replica.replica_type) == ("ready", "manual")
    assert primary.notice().json()["new_primary_instance_id"] == instance_id
    assert world.launches == []


def test_a_second_one_is_refused(world, primary):
    world.standby(primary)
    claim = world.claim(
        world.start("us-east-1b"), is_replica=True, parent_agent_id=primary.agent_id
    )
    refused = world.register(claim)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_moving")
    assert Instance.objects.filter(role="standby").count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"is_replica": True}, 400, "parent_agent_id"),
        ({"recovery_mode": True}, 400, "replacing_agent_id"),
        (
            {"is_replica": True, "parent_agent_id": "4b7d1c8e-0000-4000-8000-000000000000"},
            404,
            "parent_agent_id",
        ),
        (
            {"recovery_mode": True, "replacing_agent_id": "4b7d1c8e-0000-4000-8000-000000000000"},
            404,
            "replacing_agent_id",
        ),
    ],
)
def test_a_replica_and_a_replacement_name_an_agent_that_exists(world, fields, status, named):
    refused = world.register(world.claim(world.start(), **fields))
    assert refused.status_code == status
    assert named in refused.json()["errors"]
    assert not Instance.objects.exists()


def test_another_clients_agent_is_no_parent(world, other_slot):
    claim = world.claim(world.start(), is_replica=True, parent_agent_id=str(other_slot.agent.pk))
    assert world.register(claim).status_code == 404


def test_recovery_is_a_new_agent_with_the_old_ones_configuration(world, primary):
    primary.configure(quiesce_seconds=7, logical_agent_id="web")
    primary.notice()
    instance_id = world.start("us-east-1b")
    claim = world.claim(
        instance_id, "us-east-1b", recovery_mode=True, replacing_agent_id=primary.agent_id
    )
    fresh = world.enrolled(claim)

    assert fresh.agent_id != primary.agent_id
    assert fresh.answer["role"] == "primary"
    assert fresh.answer["config"]["quiesce_seconds"] == 7
    assert fresh.answer["snapshot"]["config"]["quiesce_seconds"] == 7
    assert primary.agent.status == Agent.Status.TERMINATED
    assert str(fresh.agent.replaces_id) == primary.agent_id
    assert fresh.agent.logical_agent_id == "web"
    refused = primary.post("heartbeat", {"status": "online"})
    assert (refused.status_code, refused.json()["code"]) == (409, "superseded")


def test_what_was_launched_for_the_replaced_agent_is_ended(world, primary):
    primary.notice()
    [launched] = world.launched
    claim = world.claim(
        world.start("us-east-1b"),
        "us-east-1b",
        recovery_mode=True,
        replacing_agent_id=primary.agent_id,
    )
    fresh = world.enrolled(claim)
    world.settled()
    assert launched not in world.billing()
    assert fresh.instance_id in world.billing()
    assert world.saga.status == Saga.Status.ABANDONED


def test_a_superseded_machine_is_refused_whatever_its_token(world, primary):
    world.standby(primary)
    primary.notice()
    for token in (None, primary.token):
        refused = world.register(world.claim(primary.instance_id), token)
        assert refused.status_code in (403, 409)
    assert world.register(world.claim(primary.instance_id)).json()["code"] == "superseded"


def test_a_logical_id_is_one_slot(world):
    first = world.enrol("us-east-1a", logical_agent_id="db")
    claim = world.claim(world.start("us-east-1b"), "us-east-1b", logical_agent_id="db")
    taken = world.register(claim)
    assert (taken.status_code, taken.json()["code"]) == (409, "slot_taken")
    # When the first is gone, the next takes its place.
    Instance.objects.filter(instance_id=first.instance_id).update(terminated_at=timezone.now())
    second = world.enrolled(claim)
    assert second.agent_id == first.agent_id
    assert world.primaries(first.agent_id) == [second.instance_id]


def test_an_agents_own_token_does_not_enrol(world, primary):
    assert world.register(world.claim(world.start()), primary.token).status_code == 403


def test_people_do_not_enrol(world, alice, as_user):
    response = as_user(alice).post("/api/agents/register", {}, format="json")
    assert response.status_code == 403


def test_while_ec2_does_not_answer_it_registers_unverified_with_a_known_zone(world, primary):
    world.sim.fault(kind="throttle", action="DescribeInstances")
    late = world.enrolled(world.claim(world.start("us-east-1b"), "us-east-1b"))
    assert not late.row.verified
    world.sim.ask("DELETE", "faults")
    again = world.enrolled(world.claim(late.instance_id, "us-east-1b"))
    assert again.row.verified
