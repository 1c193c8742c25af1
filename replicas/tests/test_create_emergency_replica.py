"""Endpoint 8: a rebalance recommendation."""

import pytest

from agents.models import Switch
from clients.models import Client
from replicas import risk
from replicas.models import Saga
from replicas.tests.world import ZONES, later, pool_in
from spotopt.tests import cast

KEYS = {
    "status", "replica_created", "replica_id", "replica_instance_id",
    "estimated_ready_time_seconds", "risk_score", "message",
}  # fmt: skip


def test_a_standby_is_launched_outside_the_zone_and_kept(world, primary):
    response = primary.recommendation()

    told = response.json()
    assert response.status_code == 200
    assert set(told) == KEYS
    assert told["status"] == "success"
    assert told["replica_created"] is True
    [launch] = world.launches
    assert launch["az_id"] != ZONES["a"]
    assert told["replica_instance_id"] == launch["instance_ids"][0]
    assert told["replica_id"] == str(world.replica.pk)
    assert told["estimated_ready_time_seconds"] == 120
    assert told["risk_score"] > risk.STANDBY_ABOVE
    assert world.event.risk_score == told["risk_score"]
    assert world.replica.replica_type == "automatic"

    world.boot(world.replica)
    world.sweep(later(minutes=1))
    assert world.saga.status == Saga.Status.STANDING
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    assert Switch.objects.count() == 0


def test_said_again_it_is_the_same_standby(world, primary):
    first = primary.recommendation().json()
    again = primary.recommendation().json()
    assert again["replica_id"] == first["replica_id"]
    assert len(world.launches) == 1
    assert world.event.times_heard == 2


def test_with_a_standby_already_there_that_one_is_named(world, primary):
    standby = world.standby(primary)
    told = primary.recommendation().json()
    assert told["replica_created"] is True
    assert told["replica_instance_id"] == standby.instance_id
    assert told["estimated_ready_time_seconds"] == 0
    assert world.launched == [standby.instance_id]


def test_a_low_risk_brings_no_standby(world, primary):
    # An old machine in a pool whose recommendations have come to nothing, again and again.
    primary.row.__class__.objects.update(launched_at=later(days=-30)())
    pool = primary.row.pool
    agent = cast.make_agent(world.client)
    for number in range(100):
        machine = cast.make_instance(agent, f"i-0old{number:04}", role="superseded", pool=pool)
        machine.interruptions.create(
            client=world.client,
            agent=agent,
            pool=pool,
            kind="rebalance",
            key=str(number),
            detected_at=later(days=-2)(),
            received_at=later(days=-2)(),
        )
    told = primary.recommendation().json()
    assert told["replica_created"] is False
    assert (told["replica_id"], told["estimated_ready_time_seconds"]) == (None, None)
    assert told["risk_score"] < risk.STANDBY_ABOVE
    assert "not above" in told["message"]
    assert world.launches == []


@pytest.mark.parametrize("stop", ["policy", "automation", "agent"])
def test_the_stops_hold(world, primary, stop):
    if stop == "policy":
        world.client.standby_policy = Client.StandbyPolicy.OFF
    elif stop == "automation":
        world.client.automation = False
    else:
        primary.configure(enabled=False)
    world.client.save()
    told = primary.recommendation().json()
    assert told["replica_created"] is False
    assert world.event.action_taken == "recorded_only"
    assert world.launches == []


def test_a_standby_may_wait_for_spot_capacity(world, primary):
    fault = world.sim.fault(kind="capacity")
    told = primary.recommendation().json()
    assert told["replica_created"] is False
    assert all(mode == "spot" for _, mode in world.refused)
    assert len(world.refused) == 6

    # Later there is room, and the guard finds it.
    world.sim.ask("DELETE", f"faults/{fault['id']}")
    world.sweep_until(lambda: world.launched, later(minutes=5))
    assert world.event.action_taken == "created_emergency_replica"


def test_the_notice_that_follows_promotes_it(world, primary):
    primary.recommendation()
    standby = world.boot(world.replica)
    told = primary.notice().json()
    assert told["action_taken"] == "promoted_replica"
    assert told["new_primary_instance_id"] == standby.instance_id
    assert [event.kind for event in world.events] == ["rebalance", "notice"]
    assert world.launched == [standby.instance_id]


def test_a_standbys_own_recommendation_is_only_recorded(world, primary):
    standby = world.standby(primary)
    told = standby.recommendation().json()
    assert told["replica_created"] is False
    assert world.launched == [standby.instance_id]


def test_the_best_pool_is_the_cheap_and_quiet_one(world, primary):
    for letter, price in {"b": "0.0150", "c": "0.0125", "d": "0.0160", "a": "0.0010"}.items():
        world.price(letter, price)
    from pricing.models import OnDemandPrice

    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price="0.0416",
        effective_from=later(days=-1)(),
    )
    primary.recommendation()
    assert world.replica.pool_id == pool_in("c")
    step = world.saga.steps.get(name="launch")
    assert step.detail["terms"]["price"] == 0.0125
    assert step.detail["passed_over"][f"{pool_in('b')} spot"].startswith("scores")
