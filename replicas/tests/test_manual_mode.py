"""Manual mode: exactly one standby, whatever the number of processes; off again, none."""

import pytest

from agents.models import Agent
from clients.models import Installation
from replicas import manual, sagas
from replicas.models import Replica, Saga
from replicas.tests.world import at_once, later


@pytest.fixture
def manual_primary(world, primary):
    primary.configure(manual_replica_enabled=True, auto_switch_enabled=False)
    return primary


def test_one_standby_comes_and_no_second(world, manual_primary):
    for _ in range(3):
        world.sweep()
    assert len(world.launched) == 1
    standby = world.boot(world.replica)
    world.sweep(later(minutes=10))
    assert len(world.launched) == 1
    assert (world.replica.status, world.replica.replica_type) == ("ready", "manual")
    assert world.saga.keep_alive
    assert standby.answer["role"] == "standby"


@pytest.mark.django_db(transaction=True)
def test_several_processes_launch_one(world, manual_primary):
    done = at_once(*[lambda: manual.maintain(clock=later())] * 5)
    assert done == [None] * 5
    assert len(world.launches) == 1
    assert Replica.objects.count() == 1


def test_a_promotion_is_followed_by_the_next_at_once(world, manual_primary):
    world.sweep()
    standby = world.boot(world.replica)
    world.api.post(manual_primary.path(f"replicas/{world.replica.pk}/promote"))
    world.sweep()
    assert len(world.launched) == 2
    second = world.replica
    assert second.status == "launching"
    # Not where the new primary is.
    assert second.pool_id != standby.row.pool_id
    world.sweep_until(lambda: manual_primary.instance_id not in world.billing())
    assert world.billing() == set(world.launched)


def test_a_failure_of_long_ago_delays_nothing(world, manual_primary):
    world.sweep()
    world.boot(world.replica)
    Saga.objects.create(
        client=world.client,
        agent=manual_primary.agent,
        trigger="manual",
        goal="standby",
        status="failed",
        created_at=later(days=-2)(),
        ended_at=later(days=-2)(),
    )
    world.api.post(manual_primary.path(f"replicas/{world.replica.pk}/promote"))
    world.sweep()
    assert len(world.launched) == 2


def test_after_a_failure_it_pauses_a_minute(world, manual_primary):
    fault = world.sim.fault(kind="deny", action="RunInstances")
    world.sweep()
    assert len(world.told("launch_failed")) == 1
    world.sweep(later(seconds=30))
    assert len(world.told("launch_failed")) == 1
    world.sim.ask("DELETE", f"faults/{fault['id']}")
    world.sweep(later(seconds=70))
    assert len(world.launched) == 1


def test_a_lost_standby_is_replaced(world, manual_primary):
    world.sweep()
    standby = world.boot(world.replica)
    standby.notice()
    assert len(world.launched) == 2
    assert Replica.objects.filter(status__in=Replica.LIVE).count() == 1
    world.sweep_until(lambda: standby.instance_id not in world.billing())


def test_switched_off_the_standby_ends(world, manual_primary):
    world.sweep()
    world.boot(world.replica)
    manual_primary.configure(manual_replica_enabled=False)
    world.sweep()
    assert world.replica.status in ("terminating", "terminated")
    world.settled()
    assert world.billing() == {manual_primary.instance_id}
    assert world.saga.status == Saga.Status.ABANDONED


def test_one_asked_for_by_hand_stays_outside_the_mode(world, primary):
    standby = world.standby(primary)
    world.sweep(later(minutes=10))
    assert standby.instance_id in world.billing()


def test_with_one_asked_for_by_hand_there_is_no_second(world, manual_primary):
    world.standby(manual_primary)
    world.sweep()
    assert len(world.launched) == 1


@pytest.mark.parametrize("stop", ["installation", "client", "agent"])
def test_the_stops_hold(world, manual_primary, stop):
    if stop == "installation":
        Installation.objects.update(automation=False)
    elif stop == "client":
        world.client.__class__.objects.update(automation=False)
    else:
        manual_primary.configure(enabled=False)
    world.sweep()
    assert world.launches == []


def test_an_agent_that_is_withdrawn_leaves_no_standby(world, manual_primary):
    world.sweep()
    standby = world.boot(world.replica)
    assert world.api.delete(f"/api/agents/{manual_primary.agent_id}").status_code == 200
    world.settled()
    assert world.billing() == {manual_primary.instance_id}
    assert standby.row.terminated_at is not None
    assert Agent.objects.get().status == Agent.Status.TERMINATED
    world.sweep(later(minutes=5))
    assert len(world.launched) == 1


def test_an_agent_with_no_machine_wants_no_standby(slot):
    slot.agent.__class__.objects.update(manual_replica_enabled=True, auto_switch_enabled=False)
    slot.primary.__class__.objects.update(role="superseded")
    assert manual.wanting(later()()) == []


def test_a_notice_promotes_it_and_the_next_comes(world, manual_primary):
    world.sweep()
    standby = world.boot(world.replica)
    assert manual_primary.notice().json()["new_primary_instance_id"] == standby.instance_id
    world.sweep()
    active = sagas.active_of(manual_primary.agent)
    assert active is not None
    assert active.trigger == Saga.Trigger.MANUAL
    assert len(world.launched) == 2
