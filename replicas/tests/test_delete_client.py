"""16: a client leaves, and nothing that it has goes on billing unseen."""

import uuid

import pytest
from django.utils import timezone

from agents.models import Agent, Instance
from clients.models import Client, FeedEvent, Token
from replicas import departures, tags
from replicas.models import Replica, Saga

pytestmark = pytest.mark.django_db


def delete(api, client, query=""):
    return api.delete(f"/api/admin/clients/{client.pk}{query}")


def finish(world):
    """The guard's rounds, until the client is gone."""

    def gone():
        departures.finish(clock=timezone.now)
        return not Client.objects.filter(pk=world.client.pk).exists()

    world.sweep_until(gone)


def test_a_client_with_nothing_is_gone_at_once(aws, staff_api, client_acme, acme_token, alice):
    answer = delete(staff_api, client_acme)
    assert answer.status_code == 200
    assert answer.json()["status"] == "success"
    assert answer.json()["message"] == "Client deleted successfully"
    assert not Client.objects.filter(pk=client_acme.pk).exists()
    assert not Token.objects.filter(kind="client").exists()
    assert FeedEvent.objects.filter(event_type="client_deleted", client=None).exists()


def test_a_primary_runs_on_untagged_and_listed(world, staff_api, primary):
    answer = delete(staff_api, world.client)
    assert answer.status_code == 200
    assert answer.json()["primaries_left_running"] == [primary.instance_id]
    assert world.billing() == {primary.instance_id}
    assert not set(world.sim.instance(primary.instance_id)["tags"]) & set(tags.ALL)
    assert not Instance.objects.exists()
    assert primary.instance_id in FeedEvent.objects.get(event_type="machines_left_running").message


def test_a_primary_is_terminated_where_that_is_asked_for(world, staff_api, primary):
    answer = delete(staff_api, world.client, "?terminate_primaries=true")
    assert answer.status_code in (200, 202)
    finish(world)
    world.wait_gone(primary.instance_id)
    assert world.billing() == set()


def test_a_machine_that_is_not_ours_is_not_terminated_even_then(world, staff_api, primary):
    Instance.objects.filter(instance_id=primary.instance_id).update(ours=False)
    delete(staff_api, world.client, "?terminate_primaries=true")
    finish(world)
    assert world.billing() == {primary.instance_id}


def test_standbys_are_terminated_before_any_row_goes(world, staff_api, primary):
    standby = world.standby(primary)
    answer = delete(staff_api, world.client)
    if answer.status_code == 202:
        assert answer.json()["terminating_instances"] == [standby.instance_id]
        assert Replica.objects.exists()
    finish(world)
    assert world.billing() == {primary.instance_id}
    assert not Saga.objects.exists()


def test_a_launch_under_way_is_not_forgotten(world, staff_api, primary):
    world.api.post(primary.path("replicas"), {}, format="json")
    delete(staff_api, world.client)
    finish(world)
    assert world.billing() == {primary.instance_id}


def test_histories_do_not_stand_in_the_way(world, staff_api, primary):
    world.standby(primary)
    primary.notice()
    delete(staff_api, world.client)
    finish(world)
    assert not Agent.objects.exists()


def test_asking_again_tells_how_far_it_is(world, staff_api, primary):
    world.standby(primary)
    first = delete(staff_api, world.client)
    again = delete(staff_api, world.client)
    assert {first.status_code, again.status_code} <= {200, 202, 404}
    finish(world)
    assert delete(staff_api, world.client).status_code == 404


def test_while_it_leaves_no_machine_joins(world, staff_api, primary):
    Client.objects.filter(pk=world.client.pk).update(status=Client.Status.DELETING)
    joined = world.register(world.claim(world.start("us-east-1b"), "us-east-1b"))
    assert joined.status_code == 409


def test_the_machines_agent_is_told_that_it_is_released(world, staff_api, primary):
    world.standby(primary)
    if delete(staff_api, world.client).status_code == 202:
        told = primary.post("heartbeat", {"status": "online"})
        assert (told.status_code, told.json()["code"]) == (409, "released")


def test_another_client_keeps_everything(world, staff_api, primary, other_slot):
    delete(staff_api, world.client)
    finish(world)
    assert Instance.objects.get().instance_id == other_slot.primary.instance_id


@pytest.mark.parametrize("query", ["?terminate_primaries=maybe", "?terminate_primaries=1"])
def test_an_unclear_wish_changes_nothing(world, staff_api, primary, query):
    answer = delete(staff_api, world.client, query)
    assert answer.status_code == 400
    assert "terminate_primaries" in answer.json()["errors"]
    assert Client.objects.get(pk=world.client.pk).status == Client.Status.ACTIVE


@pytest.mark.parametrize("key", [str(uuid.UUID(int=7)), "no-id"])
def test_no_such_client(aws, staff_api, key):
    assert staff_api.delete(f"/api/admin/clients/{key}").status_code == 404


def test_an_owner_may_not(aws, as_user, alice, client_acme):
    assert delete(as_user(alice), client_acme).status_code == 403
    assert Client.objects.filter(pk=client_acme.pk).exists()
