"""A notice heard many times, at once and on two channels: one action, one answer."""

import pytest
from django.utils import timezone

from agents.models import Instance, Switch
from replicas import sagas, sef
from replicas.models import InterruptionEvent, Sighting
from replicas.tests.world import at_once, in_two_minutes, later

pytestmark = pytest.mark.django_db(transaction=True)
Channel = InterruptionEvent.Channel


def answers(responses):
    for response in responses:
        assert not isinstance(response, Exception), repr(response)
        assert response.status_code == 200, response.json()
    return [response.json() for response in responses]


def test_six_times_at_once_with_a_ready_standby(world, primary):
    standby = world.standby(primary)
    goes = in_two_minutes()
    told = answers(at_once(*[lambda: primary.notice(termination_time=goes)] * 6))
    assert all(one == told[0] for one in told)
    assert told[0]["action_taken"] == "promoted_replica"
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert Switch.objects.count() == 1
    assert world.event.times_heard == 6
    assert world.launched == [standby.instance_id]


def test_six_times_at_once_with_none(world, primary):
    goes = in_two_minutes()
    told = answers(at_once(*[lambda: primary.notice(termination_time=goes)] * 6))
    assert {one["action_taken"] for one in told} == {"created_emergency_replica"}
    assert {one["new_primary_instance_id"] for one in told} == set(world.launched)
    assert len(world.launches) == 1
    assert len(world.launched) == 1


def test_7_8_and_9_at_once(world, primary):
    world.standby(primary)
    answers(at_once(primary.notice, primary.imminent, primary.recommendation, primary.imminent))
    assert Switch.objects.count() == 1
    assert len(world.launched) == 1
    assert sorted(event.kind for event in world.events) == ["notice", "rebalance"]
    world.settled()
    assert len(world.billing()) == 1


def test_on_two_channels_the_first_acts_and_the_other_is_counted(world, primary):
    standby = world.standby(primary)
    row = primary.row

    def from_eventbridge():
        return sef.on_notice(
            instance=Instance.objects.get(pk=row.pk),
            detected_at=timezone.now(),
            termination_time=None,
            channel=Channel.EVENTBRIDGE,
            imminent=False,
            clock=timezone.now,
        )

    from_agent, other = at_once(primary.notice, from_eventbridge)
    assert from_agent.json()["new_primary_instance_id"] == standby.instance_id
    assert other.new_instance.instance_id == standby.instance_id
    assert other.promoted
    assert Switch.objects.count() == 1
    assert set(Sighting.objects.values_list("channel", "times")) == {
        ("agent", 1),
        ("eventbridge", 1),
    }


def test_a_machine_that_enrols_as_another_asks_again(world, primary):
    primary.notice()
    replica = world.replica
    first, second, third = at_once(
        lambda: world.boot(replica), primary.imminent, lambda: world.boot(replica)
    )
    for boot in (first, third):
        assert not isinstance(boot, Exception), repr(boot)
    assert second.status_code == 200
    assert world.primaries(primary.agent_id) == [first.instance_id]
    assert Switch.objects.count() == 1


def test_promotion_and_emergency_at_once(world, primary):
    standby = world.standby(primary)
    path = primary.path(f"replicas/{standby.answer['replica_id']}/promote")
    manual, emergency = at_once(lambda: world.api.post(path), primary.notice)
    assert manual.status_code in (200, 409)
    assert emergency.status_code in (200, 409)
    assert Switch.objects.count() == 1
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    world.settled()
    assert world.billing() == {standby.instance_id}


def test_promotion_and_deletion_at_once(world, primary):
    standby = world.standby(primary)
    path = primary.path(f"replicas/{standby.answer['replica_id']}")
    promoted, deleted = at_once(
        lambda: world.api.post(f"{path}/promote"), lambda: world.api.delete(path)
    )
    assert {promoted.status_code, deleted.status_code} == {200, 409}
    winner = standby if promoted.status_code == 200 else primary
    world.settled()
    assert world.primaries(primary.agent_id) == [winner.instance_id]
    assert world.billing() == {winner.instance_id}


def test_asking_for_a_standby_at_once_gives_one(world, primary):
    asked = at_once(*[lambda: world.api.post(primary.path("replicas"), {}, format="json")] * 4)
    assert sorted(one.status_code for one in asked) == [201, 409, 409, 409]
    assert len(world.launches) == 1


def test_guards_at_once_launch_once(world, primary, monkeypatch, impatient):
    world.sim.fault(kind="throttle", action="RunInstances")
    primary.notice()
    world.sim.ask("DELETE", "faults")
    saga = world.saga
    at_once(*[lambda: sagas.run(saga.pk, clock=later(seconds=40))] * 4)
    assert len(world.launched) == 1
