"""Endpoint 26: a person moves a slot to a pool of their choice."""

import pytest

from agents.models import Command, Mode
from replicas.models import Saga
from replicas.tests.world import pool_in
from spotopt.tests import cast

B, C = pool_in("b"), pool_in("c")


def force(api, instance_id, query="", **body):
    return api.post(f"/api/client/instances/{instance_id}/force-switch{query}", body, format="json")


def test_the_agent_gets_a_switch_command(slot, acme_api):
    response = force(
        acme_api, slot.primary.instance_id, target_pool_id=C, reason="manual_optimization"
    )

    command = Command.objects.get()
    assert response.status_code == 200
    assert response.json() == {
        "status": "success",
        "command_id": str(command.pk),
        "message": "Switch command issued",
    }
    told = slot.api.get(f"/api/agents/{slot.agent.pk}/pending-commands").json()["commands"]
    [row] = told
    assert (row["command_type"], row["priority"]) == ("switch", 75)
    assert row["parameters"] == {
        "target_pool_id": C,
        "target_mode": "spot",
        "reason": "manual_optimization",
    }


def test_asked_twice_it_is_one_command(slot, acme_api):
    one = force(acme_api, slot.primary.instance_id, target_pool_id=C).json()
    two = force(acme_api, slot.primary.instance_id, target_pool_id=C).json()
    assert one["command_id"] == two["command_id"]


def test_the_same_pool_is_bad_input_unless_the_mode_changes(slot, acme_api):
    here = slot.primary.pool_id
    refused = force(acme_api, slot.primary.instance_id, target_pool_id=here)
    assert refused.status_code == 400
    assert "target_pool_id" in refused.json()["errors"]
    moved = force(
        acme_api, slot.primary.instance_id, target_pool_id=here, target_mode=Mode.ON_DEMAND
    )
    assert moved.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"target_pool_id": "pool_456"},
        {"target_pool_id": "t3.medium.euw1-az1"},
        {"target_pool_id": "m5.large.use1-az2"},
        {"target_pool_id": None},
        {"target_pool_id": []},
        {"target_pool_id": {}},
        {"target_pool_id": True},
        {"target_pool_id": 7},
    ],
)
def test_a_pool_that_will_not_do_is_named(slot, acme_api, body):
    refused = force(acme_api, slot.primary.instance_id, **body)
    assert refused.status_code == 400
    assert "target_pool_id" in refused.json()["errors"]
    assert not Command.objects.exists()


def test_a_machine_that_is_no_primary_is_409(slot, acme_api):
    standby = cast.make_instance(slot.agent, "i-0standby", role="standby")
    assert force(acme_api, standby.instance_id, target_pool_id=C).status_code == 409


def test_while_something_is_under_way_it_is_409(world, primary):
    world.standby(primary)
    refused = force(world.api, primary.instance_id, target_pool_id=C)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_moving")
    assert Saga.objects.count() == 1


def test_who_may(slot, other_slot, other_api, alice, bob, charlie, as_user):
    iid = slot.primary.instance_id
    assert force(as_user(bob), iid, target_pool_id=C).status_code == 403
    assert force(slot.api, iid, target_pool_id=C).status_code == 403
    assert force(other_api, iid, target_pool_id=C).status_code == 404
    assert force(as_user(charlie), iid, target_pool_id=C).status_code == 404
    assert not Command.objects.exists()
    assert force(as_user(alice), iid, target_pool_id=C).status_code == 200


def test_staff_say_whose_where_two_clients_have_it(slot, other_slot, staff_api):
    twin = cast.make_instance(cast.make_agent(other_slot.agent.client), slot.primary.instance_id)
    iid = slot.primary.instance_id
    refused = force(staff_api, iid, target_pool_id=C)
    assert refused.status_code == 400
    assert "client_id" in refused.json()["errors"]
    told = force(staff_api, iid, f"?client_id={twin.client_id}", target_pool_id=C)
    assert told.status_code == 200
    assert Command.objects.get().agent_id == twin.agent_id
    assert force(staff_api, iid, "?client_id=nonsense", target_pool_id=C).status_code == 400


def test_an_unknown_machine_is_404(acme_api, slot):
    assert force(acme_api, "i-0nobody", target_pool_id=B).status_code == 404
