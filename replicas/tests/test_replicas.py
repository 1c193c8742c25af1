"""Endpoints 10 and 11: ask for a standby, list them."""

import pytest

from agents.models import Command
from replicas.models import Quarantine, Replica, Saga
from replicas.tests.world import ZONES, later, pool_in
from spotopt.tests import cast

SEED_KEYS = {"status", "replica_id", "instance_id", "ready_at"}
LISTED = {"replica_id", "instance_id", "status", "replica_type", "created_at", "ready_at"}


def ask(world, machine, **wish):
    return world.api.post(machine.path("replicas"), wish, format="json")


def order_switch(world, machine, letter="c", **more):
    response = world.api.post(
        f"/api/client/instances/{machine.instance_id}/force-switch",
        {"target_pool_id": pool_in(letter), **more},
        format="json",
    )
    return response.json()["command_id"]


def test_the_standby_asked_for_is_launched_where_it_was_asked_for(world, primary):
    response = ask(world, primary, replica_type="manual", pool_id=pool_in("d"), keep_alive=True)

    told = response.json()
    assert response.status_code == 201
    assert set(told) >= SEED_KEYS
    assert (told["status"], told["replica_status"]) == ("success", "launching")
    assert told["ready_at"].endswith("Z")
    [launch] = world.launches
    assert (launch["az_id"], launch["mode"]) == (ZONES["d"], "spot")
    assert told["instance_id"] == launch["instance_ids"][0]
    assert world.saga.keep_alive


def test_it_carries_our_tags_from_its_first_moment(world, primary):
    ask(world, primary)
    carried = world.sim.instance(world.launched[0])["tags"]
    replica = world.replica
    assert carried["spotopt:replica"] == str(replica.pk)
    assert carried["spotopt:saga"] == str(replica.saga_id)
    assert carried["spotopt:agent"] == primary.agent_id
    assert carried["spotopt:client"] == str(world.client.pk)
    assert carried["spotopt:installation"]


@pytest.mark.parametrize("wish", [{"pool_id": pool_in("d")}, {}])
def test_on_demand_means_on_demand(world, primary, wish):
    told = ask(world, primary, mode="on-demand", **wish).json()
    assert told["mode"] == "on-demand"
    assert world.launches[0]["mode"] == "on-demand"


def test_a_second_live_one_is_refused(world, primary):
    ask(world, primary)
    refused = ask(world, primary)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_moving")
    assert len(world.launches) == 1


def test_when_it_is_gone_another_may_be_asked_for(world, primary):
    first = ask(world, primary).json()["replica_id"]
    world.api.delete(primary.path(f"replicas/{first}"))
    assert ask(world, primary).status_code == 201


def test_when_no_pool_answers_the_request_is_withdrawn(world, primary):
    world.sim.fault(kind="capacity", mode="any")
    refused = ask(world, primary)
    assert refused.status_code == 409
    assert "No standby could be launched" in refused.json()["message"]
    world.settled()
    assert Saga.objects.filter(status__in=Saga.OPEN).count() == 0
    assert Replica.objects.filter(status__in=Replica.LIVE).count() == 0
    world.sim.ask("DELETE", "faults")
    world.sweep(later(minutes=5))
    assert world.launched == []
    Quarantine.objects.all().delete()
    assert ask(world, primary).status_code == 201


def test_what_ec2_says_is_handed_on(world, primary):
    world.sim.fault(kind="deny", action="RunInstances")
    refused = ask(world, primary)
    assert refused.status_code == 409
    assert "UnauthorizedOperation" in refused.json()["message"]


def test_with_no_account_nothing_is_begun(world, primary, settings):
    settings.SERVER_AWS_ACCOUNT = False
    refused = ask(world, primary)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_connected")
    assert not Saga.objects.exists()


def test_without_an_address_of_our_own_nothing_is_launched(world, primary, settings):
    settings.PUBLIC_URL = ""
    refused = ask(world, primary)
    assert refused.status_code == 409
    assert "PUBLIC_URL" in refused.json()["message"]
    assert world.launches == []


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        ("nonsense", ""),
        ("t3.medium.use1-az99x", ""),
        ("t3.medium.usw2-az1", "us-west-2"),
        ("m5.large.use1-az1", "allowed types"),
        ("pool_456", ""),
    ],
)
def test_a_pool_that_will_not_do_is_named(slot, acme_api, settings, pool, why):
    settings.SERVER_AWS_ACCOUNT = True
    path = f"/api/agents/{slot.agent.pk}/replicas"
    refused = acme_api.post(path, {"pool_id": pool}, format="json")
    assert refused.status_code == 400
    assert why in str(refused.json()["errors"]["pool_id"])
    assert not Saga.objects.exists()


def test_types_that_the_client_allows_will_do(world, primary):
    world.client.allowed_types = ["t3.large"]
    world.client.save()
    told = ask(world, primary, pool_id=f"t3.large.{ZONES['b']}").json()
    assert told["pool_id"] == f"t3.large.{ZONES['b']}"
    assert world.sim.instance(told["instance_id"])["type"] == "t3.large"


def test_a_viewer_looks_and_asks_for_nothing(slot, alice, bob, as_user, settings):
    settings.SERVER_AWS_ACCOUNT = False
    path = f"/api/agents/{slot.agent.pk}/replicas"
    assert as_user(bob).get(path).status_code == 200
    assert as_user(bob).post(path, {}, format="json").status_code == 403
    assert as_user(alice).post(path, {}, format="json").status_code == 409


# --- a switch: the agent's own request ---------------------------------------------------------


def test_an_agent_asks_for_the_switch_it_was_ordered(world, primary):
    command = order_switch(world, primary, "c")
    asked = {"replica_type": "switch", "pool_id": pool_in("c"), "command_id": command}
    told = primary.post("replicas", asked).json()
    assert (told["replica_type"], told["pool_id"]) == ("switch", pool_in("c"))
    assert world.launches[0]["az_id"] == ZONES["c"]
    # The answer may have been lost: asked again, it is the same one.
    assert primary.post("replicas", asked).json()["replica_id"] == told["replica_id"]
    assert len(world.launches) == 1


def test_what_was_ordered_counts_not_what_is_asked_for(world, primary):
    command = order_switch(world, primary, "c", target_mode="on-demand")
    told = primary.post(
        "replicas", {"replica_type": "switch", "pool_id": pool_in("d"), "command_id": command}
    ).json()
    assert (told["pool_id"], told["mode"]) == (pool_in("c"), "on-demand")


def test_an_agent_asks_for_nothing_else(world, primary):
    assert primary.post("replicas", {}).status_code == 403
    assert primary.post("replicas", {"replica_type": "switch"}).status_code == 403
    command = order_switch(world, primary)
    Command.objects.filter(pk=command).update(expires_at=later(minutes=-1)())
    asked = {"replica_type": "switch", "command_id": command}
    assert primary.post("replicas", asked).status_code == 403
    assert world.launches == []


def test_a_switch_that_nobody_ordered_is_bad_input(slot, acme_api, settings):
    settings.SERVER_AWS_ACCOUNT = True
    refused = acme_api.post(
        f"/api/agents/{slot.agent.pk}/replicas", {"replica_type": "switch"}, format="json"
    )
    assert refused.status_code == 400
    assert "replica_type" in refused.json()["errors"]


# --- 11 ------------------------------------------------------------------------------------------


def test_all_replicas_are_listed_newest_first(world, primary):
    first = world.standby(primary)
    world.api.delete(primary.path(f"replicas/{first.answer['replica_id']}"))
    second = world.standby(primary)

    told = world.api.get(primary.path("replicas")).json()
    assert told["total"] == 2
    newest, oldest = told["replicas"]
    assert set(newest) >= LISTED
    assert (newest["instance_id"], newest["status"], newest["ready"]) == (
        second.instance_id,
        "ready",
        True,
    )
    assert oldest["instance_id"] == first.instance_id
    assert oldest["status"] in ("terminating", "terminated")
    page = world.api.get(primary.path("replicas") + "?limit=1&offset=1").json()
    assert [row["replica_id"] for row in page["replicas"]] == [oldest["replica_id"]]


def test_an_agent_sees_its_own(slot, other_slot):
    path = f"/api/agents/{slot.agent.pk}/replicas"
    assert slot.api.get(path).json() == {"replicas": [], "total": 0}
    assert other_slot.api.get(path).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "offset=-1"])
def test_a_window_that_cannot_be_is_refused(slot, query):
    assert slot.api.get(f"/api/agents/{slot.agent.pk}/replicas?{query}").status_code == 400


def test_the_list_costs_the_same_however_long(slot, acme_api, django_assert_max_num_queries):
    now = later()()
    saga = Saga.objects.create(
        client=slot.agent.client, agent=slot.agent, trigger="manual", goal="standby", created_at=now
    )
    for number in range(20):
        machine = cast.make_instance(slot.agent, f"i-0gone{number:04}", role="standby")
        Replica.objects.create(
            client=saga.client,
            agent=slot.agent,
            saga=saga,
            status="terminated",
            replica_type="manual",
            pool=machine.pool,
            instance=machine,
            created_at=now,
        )
    with django_assert_max_num_queries(6):
        told = acme_api.get(f"/api/agents/{slot.agent.pk}/replicas").json()
    assert len(told["replicas"]) == 20
