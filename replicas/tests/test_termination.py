"""Endpoint 7: the two-minute notice."""

from datetime import timedelta

from django.utils import timezone

from agents.models import Command, Instance, Switch
from clients.models import Installation
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.tests.world import ZONES, in_two_minutes, later, stored_times
from spotopt.lib.times import rfc3339
from spotopt.tests import cast

KEYS = {
    "status", "action_taken", "replica_id", "new_primary_instance_id", "quiesce_by", "message",
}  # fmt: skip


def test_a_ready_standby_is_promoted_in_that_request(world, primary):
    standby = world.standby(primary)

    response = primary.notice()

    told = response.json()
    assert response.status_code == 200
    assert set(told) == KEYS
    assert told["status"] == "success"
    assert told["action_taken"] == "promoted_replica"
    assert told["new_primary_instance_id"] == standby.instance_id
    assert told["replica_id"] == standby.answer["replica_id"]
    assert told["quiesce_by"] is None
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert primary.row.role == Instance.Role.SUPERSEDED
    assert world.launched == [standby.instance_id]
    switch = Switch.objects.get()
    assert switch.switch_type == "emergency_termination"
    assert (switch.from_instance, switch.to_instance) == (primary.row, standby.row)


def test_the_old_machine_is_fenced_and_retired(world, primary):
    standby = world.standby(primary)
    primary.notice()

    refused = primary.post("heartbeat", {"status": "online"})
    assert (refused.status_code, refused.json()["code"]) == (409, "superseded")
    world.settled()
    world.wait_gone(primary.instance_id)
    assert world.billing() == {standby.instance_id}
    assert world.saga.status == Saga.Status.DONE
    assert primary.row.terminated_at is not None


def test_the_promoted_machine_is_told(world, primary):
    standby = world.standby(primary)
    primary.notice()
    told = standby.get("pending-commands").json()["commands"]
    assert [(c["command_type"], c["priority"]) for c in told] == [("promote", 100)]
    assert standby.post("heartbeat", {"status": "online"}).json()["role"] == "primary"


def test_the_event_keeps_every_time(world, primary):
    world.standby(primary)
    seen = timezone.now() - timedelta(seconds=3)
    goes = timezone.now() + timedelta(seconds=117)
    primary.notice(detected_at=rfc3339(seen), termination_time=rfc3339(goes))

    event = world.event
    detected, received, acted, done = stored_times(event)
    assert abs(detected - seen) < timedelta(milliseconds=2)
    assert detected < received <= acted
    assert received <= done
    assert abs(event.termination_time - goes) < timedelta(milliseconds=2)
    assert (event.kind, event.channel, event.times_heard) == ("notice", "agent", 1)
    assert event.action_taken == InterruptionEvent.Action.PROMOTED
    assert event.new_instance.instance_id == world.primaries(primary.agent_id)[0]
    assert event.saga == world.saga


def test_with_no_standby_one_is_launched_in_another_zone(world, primary):
    told = primary.notice().json()

    assert told["action_taken"] == "created_emergency_replica"
    [launch] = world.launches
    assert launch["az_id"] != ZONES["a"]
    assert launch["mode"] == "spot"
    assert told["new_primary_instance_id"] == launch["instance_ids"][0]
    assert told["quiesce_by"] is None
    assert world.replica.replica_type == "emergency"
    # It serves until the other has come up.
    assert world.primaries(primary.agent_id) == [primary.instance_id]


def test_the_launched_machine_is_promoted_as_it_enrols(world, primary):
    primary.notice()
    fresh = world.boot(world.replica)
    assert fresh.answer["role"] == "primary"
    assert fresh.agent_id == primary.agent_id
    assert world.primaries(primary.agent_id) == [fresh.instance_id]
    assert world.event.done_at is not None
    world.settled()
    assert world.billing() == {fresh.instance_id}


def test_with_time_to_quiesce_the_agent_is_told_until_when(world, primary):
    primary.configure(quiesce_seconds=20)
    standby = world.standby(primary)
    before = timezone.now()

    told = primary.notice().json()

    assert told["action_taken"] == "recorded_only"
    assert told["new_primary_instance_id"] == standby.instance_id
    by = world.saga.quiesce_until
    assert told["quiesce_by"] == rfc3339(by)
    assert timedelta(seconds=20) <= by - before < timedelta(seconds=25)
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    assert primary.post("heartbeat", {"status": "online"}).status_code == 200


def test_quiescing_leaves_time_for_the_promotion(world, primary):
    primary.configure(quiesce_seconds=90)
    world.standby(primary)
    goes = timezone.now() + timedelta(seconds=30)
    primary.notice(termination_time=rfc3339(goes))
    assert abs(world.saga.quiesce_until - (goes - timedelta(seconds=5))) < timedelta(seconds=0.01)


def test_a_notice_that_comes_too_late_to_quiesce_promotes_at_once(world, primary):
    primary.configure(quiesce_seconds=90)
    standby = world.standby(primary)
    told = primary.notice(termination_time="2025-11-21T10:32:00Z").json()
    assert told["action_taken"] == "promoted_replica"
    assert world.primaries(primary.agent_id) == [standby.instance_id]


def test_the_guard_promotes_when_the_time_has_run_out(world, primary):
    primary.configure(quiesce_seconds=20)
    standby = world.standby(primary)
    primary.notice()

    world.sweep(later(seconds=10))
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    world.sweep(later(seconds=25))
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert world.event.action_taken == "promoted_replica"


def test_with_no_standby_the_machine_is_asked_to_quiesce_once_one_is_ready(world, primary):
    primary.configure(quiesce_seconds=20)
    assert primary.notice().json()["quiesce_by"] is None
    fresh = world.boot(world.replica)
    assert fresh.answer["role"] == "standby"

    [command] = primary.get("pending-commands").json()["commands"]
    assert (command["command_type"], command["parameters"]) == ("run_sync", {"quiesce": True})
    primary.imminent()
    assert world.primaries(primary.agent_id) == [fresh.instance_id]


def test_a_standby_that_is_still_syncing_is_waited_for(world, primary):
    primary.configure(sync_kind="hook")
    standby = world.standby(primary)
    assert standby.answer["role"] == "standby"

    told = primary.notice().json()
    assert told["action_taken"] == "created_emergency_replica"
    assert told["new_primary_instance_id"] == standby.instance_id
    assert world.launched == [standby.instance_id]

    standby.post(f"replicas/{told['replica_id']}/sync-status", {"sync_status": "synced"})
    assert world.primaries(primary.agent_id) == [standby.instance_id]


# --- again, late, and from elsewhere -----------------------------------------------------------


def test_heard_again_it_gives_the_same_answer_also_to_the_fenced_machine(world, primary):
    world.standby(primary)
    goes = in_two_minutes()
    first = primary.notice(termination_time=goes).json()
    second = primary.notice(termination_time=goes)
    assert (second.status_code, second.json()) == (200, first)
    assert world.event.times_heard == 2
    assert Switch.objects.count() == 1


def test_without_its_time_it_is_the_same_notice(world, primary):
    goes = in_two_minutes()
    first = primary.notice(termination_time=goes).json()
    second = primary.notice(termination_time=None).json()
    assert second == first
    assert len(world.launches) == 1


def test_a_fenced_machine_with_no_notice_of_its_own_is_refused(world, primary):
    standby = world.standby(primary)
    world.api.post(primary.path(f"replicas/{standby.answer['replica_id']}/promote"))
    refused = primary.notice()
    assert (refused.status_code, refused.json()["code"]) == (409, "superseded")
    assert world.events == []


def test_a_standbys_own_notice_moves_no_primary(world, primary):
    standby = world.standby(primary)
    told = standby.notice().json()
    assert told["action_taken"] == "recorded_only"
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    world.settled()
    assert world.billing() == {primary.instance_id}
    assert Replica.objects.get().status == Replica.Status.FAILED


def test_the_standby_of_a_machine_at_risk_is_replaced(world, primary):
    primary.recommendation()
    standby = world.boot(world.replica)
    standby.notice()
    assert len(world.launched) == 2
    other = world.boot(world.replica)
    assert primary.notice().json()["new_primary_instance_id"] == other.instance_id
    world.settled()
    assert world.billing() == {other.instance_id}


def test_a_notice_while_a_switch_is_under_way_takes_it_over(world, primary):
    command = world.api.post(
        f"/api/client/instances/{primary.instance_id}/force-switch",
        {"target_pool_id": f"t3.medium.{ZONES['c']}"},
        format="json",
    ).json()["command_id"]
    asked = primary.post(
        "replicas",
        {"replica_type": "switch", "pool_id": f"t3.medium.{ZONES['c']}", "command_id": command},
    )
    switching = world.boot(asked.json()["instance_id"])

    told = primary.notice().json()

    assert told["new_primary_instance_id"] == switching.instance_id
    assert told["action_taken"] == "promoted_replica"
    assert world.launched == [switching.instance_id]
    assert Switch.objects.get().switch_type == "emergency_termination"
    assert Command.objects.get(pk=command).status == Command.Status.EXECUTED
    # An emergency retires the old machine, whatever a planned switch would have done.
    world.settled()
    assert world.billing() == {switching.instance_id}


def test_a_notice_while_a_standby_comes_up_waits_for_that_one(world, primary):
    primary.recommendation()
    told = primary.notice().json()
    assert told["replica_id"] == str(world.replica.pk)
    assert len(world.launches) == 1
    fresh = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [fresh.instance_id]


# --- the stops ---------------------------------------------------------------------------------


def test_with_automation_off_it_is_only_recorded(world, primary):
    world.standby(primary)
    world.client.automation = False
    world.client.save()
    told = primary.notice().json()
    assert told["action_taken"] == "recorded_only"
    assert "automation" in told["message"]
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    assert world.told("interruption_notice")


def test_the_installations_stop_holds_too(world, primary):
    Installation.objects.update(automation=False)
    assert primary.notice().json()["action_taken"] == "recorded_only"
    world.settled()
    assert world.launches == []


def test_a_disabled_agent_is_left_alone(world, primary):
    primary.configure(enabled=False)
    told = primary.notice().json()
    assert told["action_taken"] == "recorded_only"
    assert "disabled" in told["message"]
    assert world.launches == []


def test_auto_switch_limits_and_cooldowns_do_not_matter(world, primary):
    primary.configure(auto_switch_enabled=False, max_switches_per_day=0, cooldown_minutes=43_200)
    assert primary.notice().json()["action_taken"] == "created_emergency_replica"


def test_an_account_that_is_not_connected_is_a_failure_that_people_hear_of(
    world, primary, settings
):
    settings.SERVER_AWS_ACCOUNT = False
    response = primary.notice()
    told = response.json()
    assert (response.status_code, told["action_taken"]) == (200, "failed")
    assert "Connect an AWS account" in told["message"]
    assert world.saga.status == Saga.Status.FAILED
    [line] = world.told("launch_failed")
    assert "Connect an AWS account" in line


def test_the_clients_software_may_report_for_its_machine(world, primary):
    response = world.api.post(
        primary.path("termination"),
        {"termination_time": in_two_minutes(), "instance_id": primary.instance_id},
        format="json",
    )
    assert response.json()["action_taken"] == "created_emergency_replica"


def test_another_machines_notice_is_not_a_machines_to_give(world, primary):
    standby = world.standby(primary)
    response = primary.notice(instance_id=standby.instance_id)
    assert response.status_code == 403
    assert world.events == []


def test_an_unknown_machine_is_404(world, primary):
    response = world.api.post(
        primary.path("termination"), {"instance_id": "i-0nobody"}, format="json"
    )
    assert response.status_code == 404


def test_somebody_elses_agent_is_404_whatever_the_body(world, primary, other_token):
    stranger = cast.bearer(other_token)
    for body in ({}, {"termination_time": "nonsense"}):
        response = stranger.post(primary.path("termination"), body, format="json")
        assert response.status_code == 404
