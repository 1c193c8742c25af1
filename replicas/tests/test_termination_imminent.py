"""Endpoint 9: the workload is quiet, or there is no time for it."""

from datetime import timedelta

from django.utils import timezone

from agents.models import Switch
from replicas.models import Step
from replicas.tests.world import in_two_minutes, later

KEYS = {
    "status", "failover_initiated", "new_primary_instance_id", "failover_time_ms", "action_taken",
    "message",
}  # fmt: skip


def test_alone_with_a_ready_standby_it_does_all_of_it(world, primary):
    primary.configure(quiesce_seconds=60)
    standby = world.standby(primary)

    response = primary.imminent(termination_time=in_two_minutes())

    told = response.json()
    assert response.status_code == 200
    assert set(told) == KEYS
    assert told["status"] == "success"
    assert told["failover_initiated"] is True
    assert told["new_primary_instance_id"] == standby.instance_id
    assert told["action_taken"] == "promoted_replica"
    assert 0 <= told["failover_time_ms"] < 10_000
    assert world.primaries(primary.agent_id) == [standby.instance_id]


def test_alone_with_no_standby_it_launches(world, primary):
    primary.configure(quiesce_seconds=60)
    told = primary.imminent().json()
    assert told["failover_initiated"] is True
    assert told["action_taken"] == "created_emergency_replica"
    assert told["failover_time_ms"] is None
    assert told["new_primary_instance_id"] == world.launched[0]
    # The machine is quiet already: it is not asked again when the other is ready.
    fresh = world.boot(world.replica)
    assert fresh.answer["role"] == "primary"


def test_after_7_it_ends_the_quiescing(world, primary):
    primary.configure(quiesce_seconds=60)
    standby = world.standby(primary)
    goes = in_two_minutes()
    primary.notice(termination_time=goes)
    assert world.primaries(primary.agent_id) == [primary.instance_id]

    told = primary.imminent(termination_time=goes).json()
    assert told["failover_initiated"] is True
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert world.event.action_taken == "promoted_replica"
    assert world.event.times_heard == 2


def test_the_time_granted_to_quiesce_is_not_counted_as_failover(world, primary):
    primary.configure(quiesce_seconds=60)
    world.standby(primary)
    primary.notice()
    event = world.event
    # As if the agent had taken twenty seconds.
    earlier = timezone.now() - timedelta(seconds=20)
    type(event).objects.update(received_at=earlier)
    Step.objects.filter(name="quiesce").update(started_at=earlier)
    told = primary.imminent().json()
    assert told["failover_time_ms"] < 15_000


def test_again_and_fenced_it_is_the_same_answer(world, primary):
    world.standby(primary)
    first = primary.imminent().json()
    second = primary.imminent()
    assert (second.status_code, second.json()) == (200, first)
    assert Switch.objects.count() == 1


def test_after_the_guard_has_promoted_it_changes_nothing(world, primary):
    primary.configure(quiesce_seconds=10)
    standby = world.standby(primary)
    primary.notice()
    world.sweep(later(seconds=15))
    told = primary.imminent().json()
    assert told["new_primary_instance_id"] == standby.instance_id
    assert Switch.objects.count() == 1


def test_with_automation_off_nothing_is_initiated(world, primary):
    world.standby(primary)
    world.client.automation = False
    world.client.save()
    told = primary.imminent().json()
    assert (told["failover_initiated"], told["action_taken"]) == (False, "recorded_only")
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_a_stop_that_is_lifted_in_time_does_not_lose_the_machine(world, primary):
    standby = world.standby(primary)
    world.client.automation = False
    world.client.save()
    primary.notice()
    world.client.automation = True
    world.client.save()
    told = primary.imminent().json()
    assert told["action_taken"] == "promoted_replica"
    assert world.primaries(primary.agent_id) == [standby.instance_id]
