"""Caps hold in emergencies too; past them a person is told."""

from decimal import Decimal

import pytest

from replicas import caps
from replicas.models import Saga
from replicas.tests.world import later
from spotopt.tests import cast


def refused(world, primary, words):
    told = primary.notice().json()
    assert told["action_taken"] == "failed"
    assert words in told["message"]
    assert words in world.told("launch_failed")[0]
    assert world.launches == []
    assert primary.row.role == "primary"


def test_instances(world, primary):
    world.client.max_instances = 1
    world.client.save()
    refused(world, primary, "cap of 1 instances")


def test_machines_that_are_gone_do_not_count(world, primary):
    world.client.max_instances = 2
    world.client.save()
    agent = cast.make_agent(world.client)
    cast.make_instance(agent, "i-0gone", terminated_at=later()())
    assert primary.notice().json()["action_taken"] == "created_emergency_replica"


def test_usd_an_hour(world, primary):
    world.price("a", "0.05")
    world.client.max_usd_per_hour = Decimal("0.05")
    world.client.save()
    refused(world, primary, "0.05 USD an hour")


def test_below_it_there_is_room(world, primary):
    world.price("a", "0.049")
    world.client.max_usd_per_hour = Decimal("0.05")
    world.client.save()
    assert primary.notice().json()["action_taken"] == "created_emergency_replica"


def test_emergency_launches_an_hour(world, primary):
    machine = primary
    for _ in range(caps.EMERGENCY_LAUNCHES_PER_HOUR):
        machine.notice()
        machine = world.boot(world.replica)
    told = machine.notice().json()
    assert told["action_taken"] == "failed"
    assert "6 emergency launches" in told["message"]
    assert len(world.launched) == 6
    assert world.primaries(primary.agent_id) == [machine.instance_id]
    # An hour later there is room again; another agent has its own six.
    assert caps.reached(agent=primary.agent, emergency=True, now=later(minutes=61)()) == ""
    other = world.enrol("us-east-1b")
    assert caps.reached(agent=other.agent, emergency=True, now=later()()) == ""
    assert caps.reached(agent=primary.agent, emergency=False, now=later()()) == ""


@pytest.mark.parametrize("route", ["replicas", "create-emergency-replica"])
def test_they_hold_for_standbys(world, primary, route):
    world.client.max_instances = 1
    world.client.save()
    response = world.api.post(primary.path(route), {}, format="json")
    assert response.status_code == (409 if route == "replicas" else 200)
    assert "cap of 1 instances" in response.json()["message"]
    assert world.launches == []
    assert Saga.objects.filter(status__in=Saga.OPEN).count() == 0
