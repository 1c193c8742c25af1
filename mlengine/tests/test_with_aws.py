"""Prices, options and an ordered switch against the simulated AWS, over HTTP as in production."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent, Command
from mlengine import decisions
from mlengine.models import Decision
from pricing.models import Pool
from replicas.models import Replica
from replicas.tests.conftest import aws, simulator, warm_clients_end_with_the_run, world
from replicas.tests.world import ZONES

__all__ = ["aws", "simulator", "warm_clients_end_with_the_run", "world"]


@pytest.fixture
def machine(world):
    return world.enrol("us-east-1a")


def options(world, machine):
    path = f"/api/client/instances/{machine.instance_id}/available-options"
    response = world.api.get(path)
    assert response.status_code == 200, response.json()
    return response.json()["options"]


def test_options_need_no_collector_to_have_run(world, machine):
    Pool.objects.update(spot_price=None, spot_price_at=None)
    found = options(world, machine)
    assert {row["az_id"] for row in found} == set(ZONES.values()) - {ZONES["a"]}
    assert {row["az"] for row in found} == {f"us-east-1{letter}" for letter in "bcdef"}
    for row in found:
        assert row["current_spot_price"] > 0
        assert 0 < row["savings_percent"] < 100
        assert 0 <= row["risk_score"] <= 1
    assert sum(row["recommended"] for row in found) <= 1


def test_a_decision_ends_in_a_replica_where_it_said(world, machine):
    others = options(world, machine)  # has the prices fetched
    dear = 2 * min(row["current_spot_price"] for row in others)
    Pool.objects.filter(pk=machine.row.pool_id).update(spot_price=dear)
    now = timezone.now() + timedelta(seconds=1)
    decisions.run_cycle(now=now)
    decision = Decision.objects.get(agent=machine.agent_id)
    assert decision.acted, decision.reason
    [told] = machine.get("pending-commands").json()["commands"]
    assert told["command_type"] == "switch"
    assert told["parameters"]["target_pool_id"] == decision.target_pool_id

    answer = machine.post(
        "replicas",
        {
            "replica_type": "switch",
            "pool_id": told["parameters"]["target_pool_id"],
            "mode": told["parameters"]["target_mode"],
            "command_id": told["command_id"],
        },
    )
    assert answer.status_code == 201, answer.json()
    replica = Replica.objects.get(pk=answer.json()["replica_id"])
    assert (replica.pool_id, replica.mode) == (decision.target_pool_id, "spot")
    assert replica.saga.command_id == Command.objects.get().pk

    decisions.run_cycle(now=now + timedelta(minutes=1))
    again = Decision.objects.get(agent=machine.agent_id, at=now + timedelta(minutes=1))
    assert again.reason == "a replica stands by or a move is under way"
    assert Agent.objects.get(pk=machine.agent_id).status == "online"
