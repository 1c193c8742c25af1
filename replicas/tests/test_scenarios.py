"""The three emergencies and the manual mode, told as timelines."""

from datetime import timedelta

from django.utils import timezone

from agents.models import Agent, Switch
from pricing.models import OnDemandPrice
from replicas import risk, standbys
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.tests.world import later, pool_in
from spotopt.lib.times import rfc3339
from spotopt.tests import cast


def prices(world, **by_zone):
    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price="0.0416",
        effective_from=later(days=-1)(),
    )
    for letter, price in by_zone.items():
        world.price(letter, price)


def losses(primary, count):
    """Interruptions of the pool in the last month."""
    agent, pool = cast.make_agent(primary.agent.client), primary.row.pool
    for number in range(count):
        machine = cast.make_instance(agent, f"i-0lost{number:04}", role="superseded", pool=pool)
        InterruptionEvent.objects.create(
            client=agent.client,
            agent=agent,
            instance=machine,
            pool=pool,
            kind="notice",
            key=str(number),
            detected_at=later(days=-3)(),
            received_at=later(days=-3)(),
            acted_at=later(days=-3)(),
            done_at=later(days=-3)(),
            action_taken="promoted_replica",
        )


def test_scenario_2_a_recommendation_that_comes_to_nothing(world, primary):
    prices(world, a="0.0256", b="0.0189", c="0.0172")
    primary.row.__class__.objects.update(launched_at=later(hours=-72)())
    losses(primary, 15)

    # T+0: half of the days of the month had a loss: .5 of weight .4, + age + trend, and the recommendation.
    told = primary.recommendation().json()
    assert told["replica_created"] is True
    assert risk.STANDBY_ABOVE < told["risk_score"] < 0.6
    assert world.replica.pool_id == pool_in("c")
    assert world.replica.replica_type == "automatic"

    # T+120 s: it is ready, and both report prices of their own pools.
    standby = world.boot(world.replica)
    assert standby.answer["role"] == "standby"

    # T+10 min: no notice has come, the risk is still there: kept.
    assert standbys.reevaluate(clock=later(minutes=10)) == 0
    assert standby.instance_id in world.billing()

    # T+60 min: the recommendation has faded: let go.
    assert standbys.reevaluate(clock=later(minutes=60)) == 1
    world.settled()
    assert world.billing() == {primary.instance_id}
    assert world.replica.status == Replica.Status.TERMINATED
    assert "risk fell" in world.told("standby_released")[0]
    event = InterruptionEvent.objects.get(kind="rebalance")
    assert event.done_at is not None
    assert Switch.objects.count() == 0
    assert standbys.reevaluate(clock=later(minutes=61)) == 0


def test_a_standby_that_has_become_a_move_is_not_let_go(world, primary):
    primary.configure(quiesce_seconds=30)
    primary.recommendation()
    standby = world.boot(world.replica)
    primary.notice()
    assert standbys.reevaluate(clock=later(hours=5)) == 0
    primary.imminent()
    assert world.primaries(primary.agent_id) == [standby.instance_id]


def test_scenario_3_a_notice_with_no_standby(world, primary):
    prices(world, a="0.0156", b="0.0139")
    primary.post("heartbeat", {"status": "online", "state": {"checkpoint": 41}})
    primary.post(
        "pricing-report",
        {"pool_id": pool_in("a"), "spot_price": 0.0156, "timestamp": rfc3339(timezone.now())},
    )

    # T+0: the notice. T+2: the best pool outside the zone is launched.
    told = primary.imminent().json()
    assert told["failover_initiated"] is True
    assert told["action_taken"] == "created_emergency_replica"
    [launch] = world.launches
    assert launch["az_id"] == world.replica.pool.az_id != primary.row.az_id

    # T+65: it is up, fetches what its predecessor left, and is promoted as it enrols.
    fresh = world.boot(world.replica)
    snapshot = fresh.answer["snapshot"]
    assert snapshot["state"] == {"checkpoint": 41}
    assert snapshot["config"]["role"] == "primary"
    assert fresh.answer["role"] == "primary"
    # Server-launched machines keep the agent.
    assert fresh.agent_id == primary.agent_id
    assert primary.agent.status == Agent.Status.ONLINE

    # T+70: the workload has stopped there and started here.
    stopped = world.event.received_at
    started = stopped + timedelta(seconds=70)
    fresh.post(
        "events",
        {"events": [{"event_id": "w1", "kind": "workload_started", "at": rfc3339(started)}]},
    )
    switch = Switch.objects.get()
    assert (switch.switch_type, switch.workload_started_at is not None) == (
        "emergency_termination",
        True,
    )

    # T+120: the old one is gone; nothing else bills.
    world.settled()
    assert world.billing() == {fresh.instance_id}
    assert fresh.post("heartbeat", {"status": "online"}).json()["role"] == "primary"
    event = world.event
    assert event.done_at >= event.acted_at >= event.received_at
    assert len(event.features) == 11
    assert primary.imminent().json()["failover_time_ms"] > 0


def test_scenario_4_manual_mode(world, primary, alice, as_user):
    prices(world, a="0.0256", b="0.0189", c="0.0172")
    page = as_user(alice)
    settings = f"/api/client/agents/{primary.agent_id}/settings"

    # T+0: Alice may not have both; then she chooses.
    both = page.post(settings, {"manual_replica_enabled": True}, format="json")
    assert both.status_code == 400
    assert not primary.agent.manual_replica_enabled
    chosen = {
        "manual_replica_enabled": True,
        "auto_switch_enabled": False,
        "auto_terminate_enabled": False,
    }
    assert page.post(settings, chosen, format="json").status_code == 200

    # T+1: the guard launches the standby in the cheapest pool outside the zone.
    world.sweep()
    assert world.replica.pool_id == pool_in("c")
    assert (world.replica.replica_type, world.saga.keep_alive) == ("manual", True)

    # T+120: ready. An hour later she switches.
    standby = world.boot(world.replica)
    listed = page.get(primary.path("replicas")).json()["replicas"]
    assert [row["status"] for row in listed] == ["ready"]
    path = primary.path(f"replicas/{standby.answer['replica_id']}/promote")
    told = page.post(path).json()
    assert told == {
        "status": "success",
        "promoted": True,
        "new_primary_instance_id": standby.instance_id,
        "old_primary_terminated": True,  # although auto_terminate is off: the mode always does
    }
    assert Switch.objects.get().switch_type == "manual_replica_promotion"

    # T+3604: at once the next one, in the next best pool, not where the primary is now.
    world.sweep()
    second = world.replica
    assert second.pool_id == pool_in("b")
    world.boot(second)
    assert world.replica.status == Replica.Status.READY

    # T+2 h: she switches again.
    page.post(standby.path(f"replicas/{second.pk}/promote"))
    assert world.primaries(primary.agent_id) == [second.instance.instance_id]
    world.sweep()
    third = world.boot(world.replica)

    # T+3 h: back to automatic.
    back = {"manual_replica_enabled": False, "auto_switch_enabled": True}
    assert page.post(settings, back, format="json").status_code == 200
    world.settled()
    assert world.billing() == {second.instance.instance_id}
    assert third.row.terminated_at is not None
    assert Switch.objects.count() == 2
    assert Saga.objects.filter(status__in=Saga.OPEN).count() == 0
    assert len(world.launched) == 3
