"""The cycle: from rows to a decision, a command and what people are told."""

from datetime import timedelta

import pytest

from agents import commands
from agents.models import Agent, Command, Instance, Mode
from clients import installation
from clients.models import Client, FeedEvent
from mlengine import decisions, tasks
from mlengine.models import Blackout, Decision
from mlengine.tests import world
from mlengine.tests.world import HERE, B, C
from pricing.models import Pool
from replicas import quarantine
from replicas.models import Saga
from spotopt.tests import cast

pytestmark = pytest.mark.usefixtures("market")


def decide(now) -> Decision:
    """Run, and read the only slot's decision."""
    decisions.run_cycle(now=now)
    return Decision.objects.get(at=now)


def test_the_example_of_the_specification(old_slot, now):
    row = decide(now)
    command = Command.objects.get()
    assert (row.action, row.acted, row.target_pool_id, row.target_mode) == (
        "switch",
        True,
        B,
        "spot",
    )
    assert (row.policy, row.model_version, row.dry_run) == ("seed", "", False)
    assert (row.client, row.agent, row.instance, row.pool_id) == (
        old_slot.agent.client,
        old_slot.agent,
        old_slot.primary,
        HERE,
    )
    assert row.saving == pytest.approx(0.3158, abs=1e-4)
    assert row.risk == pytest.approx(0.10 * 0.5 / 0.80)
    assert row.command_id == command.pk
    assert (command.command_type, command.priority) == ("switch", 25)
    assert command.instance == old_slot.primary
    assert command.parameters == {
        "target_pool_id": B,
        "target_mode": "spot",
        "reason": "cost_optimization",
        "decision_id": str(row.pk),
    }
    assert C in row.passed_over
    assert row.inputs["current"]["price"] == 0.0456
    assert {place["pool_id"] for place in row.inputs["candidates"]} == {HERE, B, C}


def test_the_agent_is_given_the_command_and_people_are_told(old_slot, now):
    decide(now)
    told = old_slot.api.get(f"/api/agents/{old_slot.agent.pk}/pending-commands").json()["commands"]
    assert [row["parameters"]["target_pool_id"] for row in told] == [B]
    event = FeedEvent.objects.get(event_type="switch_decided")
    assert event.client == old_slot.agent.client
    assert event.agent_id == old_slot.agent.pk
    assert "31.6%" in event.message


def test_the_next_run_orders_nothing_twice(old_slot, now):
    decide(now)
    row = decide(now + timedelta(minutes=15))
    assert (row.action, row.reason) == ("stay", "a switch is ordered already")
    assert Command.objects.count() == 1


def test_a_dry_run_is_decided_and_not_ordered(old_slot, acme, now):
    Client.objects.update(dry_run=True)
    row = decide(now)
    assert (row.action, row.acted, row.dry_run, row.command_id) == ("switch", False, True, None)
    assert row.target_pool_id == B
    assert not Command.objects.exists()
    assert not FeedEvent.objects.filter(event_type="switch_decided").exists()


def stop_everything(slot, now):
    installation.set_automation(on=False, by="staff", now=now)


def stop_client(slot, now):
    Client.objects.update(automation=False)


def disable(slot, now):
    Agent.objects.update(enabled=False)


def silence(slot, now):
    Agent.objects.update(status=Agent.Status.OFFLINE)


def by_hand(slot, now):
    Agent.objects.update(auto_switch_enabled=False)


def deleting(slot, now):
    Client.objects.update(status=Client.Status.DELETING)


def disconnect(slot, now):
    Client.objects.update(aws_role_arn="")


def notice(slot, now):
    world.signal(slot.primary, "notice", at=now - timedelta(minutes=5))


def unanswered(slot, now):
    world.signal(slot.primary, "rebalance", at=now - timedelta(minutes=1), acted_at=None)


def standby(slot, now):
    Saga.objects.create(
        client=slot.agent.client,
        agent=slot.agent,
        trigger=Saga.Trigger.REBALANCE,
        goal=Saga.Goal.STANDBY,
        status=Saga.Status.STANDING,
        reason="test",
        created_at=now,
    )


def maintenance(slot, now):
    Blackout.objects.create(
        client=slot.agent.client, starts_at=now, ends_at=now + timedelta(hours=1), note="the sale"
    )


def just_moved(slot, now):
    world.moved(slot.agent, at=now - timedelta(minutes=30))


def three_today(slot, now):
    for hours in (3, 9, 23):
        world.moved(slot.agent, at=now - timedelta(hours=hours))


def ten_this_week(slot, now):
    for number in range(10):
        world.moved(slot.agent, at=now - timedelta(hours=25 + 14 * number))


def at_the_cap(slot, now):
    Client.objects.update(max_instances=1)


def failed_just_now(slot, now):
    Command.objects.create(
        agent=slot.agent,
        instance=slot.primary,
        command_type=Command.Type.SWITCH,
        priority=Command.Priority.DECISION,
        dedupe_key="test",
        status=Command.Status.FAILED,
        created_at=now - timedelta(minutes=20),
        expires_at=now,
    )


def stale(slot, now):
    Pool.objects.filter(pk=B).update(spot_price_at=now - timedelta(hours=37))


def stale_here(slot, now):
    Pool.objects.filter(pk=HERE).update(spot_price_at=now - timedelta(hours=37))


def refused(slot, now):
    quarantine.strike(pool_id=B, mode=Mode.SPOT, code="InsufficientInstanceCapacity", now=now)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (stop_everything, "automation is stopped"),
        (stop_client, "automation is stopped"),
        (disable, "the agent is disabled"),
        (silence, "the agent is offline"),
        (by_hand, "auto-switch is off"),
        (deleting, "the client is being deleted"),
        (disconnect, "no AWS account is connected"),
        (notice, "an interruption of its machine is open"),
        (unanswered, "an interruption of its machine is open"),
        (standby, "a replica stands by or a move is under way"),
        (maintenance, "maintenance: the sale"),
        (just_moved, "the last switch was 30 minutes ago"),
        (three_today, "3 switches within a day"),
        (ten_this_week, "10 switches within a week"),
        (at_the_cap, "cap of instances"),
        (failed_just_now, "which failed"),
        (stale, "no pool passes"),
        (stale_here, "the present price is unknown or stale"),
        (refused, "no pool passes"),
    ],
)
def test_what_keeps_a_slot_where_it_is(old_slot, settings, now, change, reason):
    settings.SERVER_AWS_ACCOUNT = False
    change(old_slot, now)
    row = decide(now)
    assert (row.action, row.acted) == ("stay", False)
    assert reason in row.reason
    assert not Command.objects.filter(status__in=Command.OPEN).exists()


def ended_notice(slot, now):
    world.signal(slot.primary, "notice", at=now - timedelta(hours=2))


def of_the_old_machine(slot, now):
    old = cast.make_instance(slot.agent, "i-old", role="superseded", terminated_at=now)
    world.signal(old, "notice", at=now - timedelta(minutes=5))


def answered_recommendation(slot, now):
    world.signal(slot.primary, "rebalance", at=now - timedelta(minutes=5))


def ended_standby(slot, now):
    standby(slot, now)
    Saga.objects.update(status=Saga.Status.ABANDONED)


def past_maintenance(slot, now):
    Blackout.objects.create(
        client=slot.agent.client, starts_at=now - timedelta(hours=2), ends_at=now
    )


def yesterdays(slot, now):
    for hours in (24.1, 30, 60):
        world.moved(slot.agent, at=now - timedelta(hours=hours))


def a_person_failed(slot, now):
    failed_just_now(slot, now)
    Command.objects.update(priority=Command.Priority.MANUAL)


@pytest.mark.parametrize(
    "change",
    [
        ended_notice,
        of_the_old_machine,
        answered_recommendation,
        ended_standby,
        past_maintenance,
        yesterdays,
        a_person_failed,
    ],
)
def test_what_does_not(old_slot, now, change):
    change(old_slot, now)
    row = decide(now)
    assert (row.action, row.acted) == ("switch", True), row.reason


def test_the_way_back_from_on_demand(old_slot, now):
    Instance.objects.update(mode=Mode.ON_DEMAND)
    row = decide(now)
    assert (row.action, row.target_pool_id) == ("switch", B)
    assert row.risk == pytest.approx(0.0625)
    assert row.inputs["current"]["price"] == 0.0832
    assert row.inputs["current"]["risk"] == 0.0


def test_a_machine_at_high_risk_goes_on_demand_where_the_other_pools_fare_no_better(old_slot, now):
    for pool_id in (HERE, B, C):
        home = cast.make_instance(
            cast.make_agent(old_slot.agent.client, enabled=False, status="terminated"),
            f"i-{pool_id}",
            pool=Pool.objects.get(pk=pool_id),
            role="superseded",
            terminated_at=now,
        )
        for day in range(29):
            world.signal(home, "notice", at=now - timedelta(days=day, hours=2))
        for step in range(12):
            world.clean(pool_id, "9" if step % 2 else "1", at=now - timedelta(minutes=5 * step))
    row = decide(now)
    assert (row.action, row.target_pool_id, row.target_mode) == ("on_demand", HERE, "on-demand")
    assert row.acted
    assert Command.objects.get().parameters["reason"] == "high_risk"


def test_only_allowed_types_and_zones_are_looked_at(old_slot, acme, now):
    acme.allowed_types = ["t3.large"]
    acme.aws_subnets = {"use1-az4": "subnet-1"}
    acme.save()
    world.price("t3.large.use1-az4", "0.0100", at=now)
    row = decide(now)
    looked_at = {place["pool_id"] for place in row.inputs["candidates"]}
    assert looked_at == {HERE, C, "t3.large.use1-az1", "t3.large.use1-az4"}
    assert row.target_pool_id == "t3.large.use1-az4"


def test_without_a_machine_there_is_a_decision_and_no_move(acme, now):
    cast.make_agent(acme)
    row = decide(now)
    assert (row.action, row.instance, row.pool) == ("stay", None, None)
    assert row.reason == "no machine serves this slot at present"


def test_slots_that_have_ended_are_not_looked_at(old_slot, now):
    Agent.objects.update(status=Agent.Status.TERMINATED)
    assert decisions.run_cycle(now=now).slots == 0
    assert not Decision.objects.exists()


@pytest.mark.parametrize(("here", "under"), [("0.0416", False), ("0.0420", True), (None, None)])
def test_under_target_is_on_the_row(old_slot, now, here, under):
    world.price(HERE, here, at=now)
    assert decide(now).under_target is under


def test_a_move_that_somebody_else_orders_meanwhile_is_left_to_them(old_slot, now, monkeypatch):
    """A person's force-switch is committed after we looked and before we order."""
    real = commands.issue

    def second(**wish):
        real(**{**wish, "priority": Command.Priority.MANUAL, "parameters": {"target_pool_id": C}})
        return real(**wish)

    monkeypatch.setattr(commands, "issue", second)
    row = decide(now)
    assert (row.action, row.acted, row.command_id) == ("switch", False, None)
    assert "another switch" in row.reason
    assert Command.objects.get().parameters == {"target_pool_id": C}


def test_the_task_tells_what_it_came_to(old_slot):
    assert tasks.ml_cycle() == (
        "1 slots, 1 under target: 1 switches and 0 moves on demand ordered, 0 in dry run, 0 failed"
    )


@pytest.mark.parametrize(("enabled", "pools"), [(True, {HERE, B, C}), (False, set())])
def test_other_pools_are_inputs_only_where_they_were_looked_at(old_slot, now, enabled, pools):
    Agent.objects.update(enabled=enabled)
    kept = decide(now).inputs
    assert {place["pool_id"] for place in kept["candidates"]} == pools
    assert kept["current"]["pool_id"] == HERE
