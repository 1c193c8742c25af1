"""A recommendation that no notice follows: the standby comes, stays while the risk does, and goes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Instance, Switch
from pricing.models import OnDemandPrice
from replicas import risk, standbys, tasks
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.tests.world import later, pool_in


@pytest.fixture
def calm_market(world, primary):
    """The machine has run for three days, in a pool that has lost none."""
    Instance.objects.update(launched_at=later(hours=-72)())
    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price="0.0416",
        effective_from=later(days=-1)(),
    )
    for letter, price in {"a": "0.0156", "b": "0.0139", "c": "0.0112", "d": "0.0141"}.items():
        world.price(letter, price)


def cycle(**span):
    """The minute's work at that time."""
    clock = later(**span)
    return standbys.reevaluate(clock=clock), standbys.provide(clock=clock)


def test_half_an_hour_with_a_standby_that_was_not_needed(world, primary, calm_market):
    # T+0: EC2 recommends; the agent hears it and asks.
    world.sim.interrupt(primary.instance_id, "rebalance")
    told = primary.recommendation().json()

    # T+1 s: the risk is the calm score of .05 and a recommendation that three in ten times comes true.
    assert told["risk_score"] == pytest.approx(1 - (1 - 0.0527) * (1 - 0.3), abs=0.01)
    assert told["risk_score"] > risk.STANDBY_ABOVE

    # T+2 s: the best pool outside the zone; T+3 s: launched, and the agent knows when it will be ready.
    assert told["replica_created"] is True
    assert told["estimated_ready_time_seconds"] == 120
    assert world.replica.pool_id == pool_in("c")
    assert world.replica.status == Replica.Status.LAUNCHING

    # T+120 s: its agent has enrolled; it stands by, and the workload stays where it is.
    standby = world.boot(world.replica)
    assert world.replica.status == Replica.Status.READY
    assert world.primaries(primary.agent_id) == [primary.instance_id]

    # Each minute since: nothing to let go of, nothing to add.
    assert [cycle(minutes=minute) for minute in (1, 3, 5)] == [(0, 0)] * 3

    # T+10 min: still no termination. The evidence has faded to .29, not yet well below .30: kept.
    now = later(minutes=10)()
    assert 0.27 < risk.of_instance(primary.row, now=now).value < 0.30
    assert cycle(minutes=10) == (0, 0)
    assert standby.instance_id in world.billing()

    # T+30 min: the risk is below: let go, and EC2 confirms its end.
    assert risk.of_instance(primary.row, now=later(minutes=30)()).value < 0.22
    assert cycle(minutes=30) == (1, 0)
    world.settled()
    assert world.billing() == {primary.instance_id}
    assert world.replica.status == Replica.Status.TERMINATED
    assert world.saga.status == Saga.Status.ABANDONED

    # Nothing was interrupted, people can read why it went, and it does not come back.
    assert Switch.objects.count() == 0
    assert world.event.done_at is not None
    [released] = world.told("standby_released")
    assert "risk fell to" in released
    assert [cycle(minutes=minute) for minute in (31, 35, 50, 90)] == [(0, 0)] * 4
    assert len(world.launched) == 1


def test_a_second_recommendation_keeps_it(world, primary, calm_market):
    primary.recommendation()
    world.boot(world.replica)
    # Twenty-five minutes later EC2 says it again.
    again = later(minutes=25)()
    InterruptionEvent.objects.create(
        client=world.client,
        agent=primary.agent,
        instance=primary.row,
        pool=primary.row.pool,
        kind="rebalance",
        key="again",
        detected_at=again,
        received_at=again,
        acted_at=again,
        saga=world.saga,
    )
    assert cycle(minutes=30) == (0, 0)
    assert cycle(minutes=34) == (0, 0)
    assert cycle(minutes=56) == (1, 0)


def test_the_notice_after_all(world, primary, calm_market):
    primary.recommendation()
    standby = world.boot(world.replica)
    assert cycle(minutes=10) == (0, 0)
    assert primary.notice().json()["action_taken"] == "promoted_replica"
    # The recommendation has come true: the next one in this pool weighs more.
    pool_id = primary.row.pool_id
    at = timezone.now() + timedelta(hours=2)
    assert risk.precision(pool_id, now=at) == pytest.approx(4 / 11)
    # What was promoted is a primary, and nobody's standby.
    assert standbys.reevaluate(clock=later(minutes=30)) == 0
    assert world.primaries(standby.agent_id) == [standby.instance_id]


def test_the_minutes_work_in_one_call(world, primary, calm_market):
    primary.recommendation()
    assert tasks.sef_cycle() == "0 standbys let go, 0 begun, 0 steps back to spot"
