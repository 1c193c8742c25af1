"""The one place where a slot changes its machine: all of it, or nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import commands, heartbeats, instances
from agents.models import Agent, AgentEvent, Command, Instance, Switch
from agents.tests import support
from agents.tests.support import fresh, issue, move
from clients import feed
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
Role = Instance.Role


def roles(*rows):
    return [fresh(row).role for row in rows]


def test_the_roles(slot, standby):
    move(slot.primary, standby)
    assert roles(slot.primary, standby) == ["superseded", "primary"]
    assert fresh(slot.primary).superseded_at == NOON
    assert fresh(slot.primary).suspect_after is None


def test_the_rows_in_hand_follow(slot, standby):
    old = slot.primary
    move(old, standby)
    assert (old.role, standby.role) == ("superseded", "primary")


def test_the_switch_row(slot, standby):
    prices = instances.Prices(old=Decimal("0.02"), new=Decimal("0.0125"), on_demand=Decimal("0.04"))
    switch = move(slot.primary, standby, prices=prices, switch_type=Switch.Type.EMERGENCY)
    switch = fresh(switch)
    assert (switch.from_instance, switch.to_instance) == (slot.primary, standby)
    assert (switch.client_id, switch.agent) == (slot.agent.client_id, slot.agent)
    assert (switch.from_price, switch.to_price) == (Decimal("0.02"), Decimal("0.0125"))
    assert switch.on_demand_price == Decimal("0.04")
    assert (switch.switch_type, switch.reason) == ("emergency_termination", "cheaper")
    assert switch.duration_seconds == 30
    assert switch.downtime_seconds is None


def test_unknown_prices_stay_unknown(slot, standby):
    switch = fresh(move(slot.primary, standby))
    assert (switch.from_price, switch.to_price, switch.on_demand_price) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "priority"),
    [
        (Switch.Type.EMERGENCY, 100),
        (Switch.Type.MANUAL, 75),
        (Switch.Type.PLANNED, 75),
        (Switch.Type.REBALANCE, 75),
    ],
)
def test_the_new_machine_is_told(slot, standby, kind, priority):
    move(slot.primary, standby, switch_type=kind)
    command = Command.objects.get(instance=standby)
    assert (command.command_type, command.priority, command.status) == (
        "promote",
        priority,
        "pending",
    )


def test_one_that_is_answered_its_role_is_not_told_again(slot, standby):
    move(slot.primary, standby, tell=False)
    assert not Command.objects.filter(instance=standby).exists()


def test_the_old_ones_commands_are_void_and_its_switch_done(slot, standby):
    switch = issue(slot.primary, command_type=Command.Type.SWITCH)
    void = issue(slot.primary)
    kept = issue(standby, command_type=Command.Type.RUN_SYNC)
    move(slot.primary, standby)
    assert [fresh(c).status for c in (switch, void, kept)] == ["executed", "expired", "pending"]
    assert fresh(switch).executed_at == NOON


def test_an_agent_gone_silent_is_online_by_its_new_machine(slot, standby):
    Agent.objects.update(status=Agent.Status.OFFLINE, stale_after=NOON - timedelta(hours=1))
    move(slot.primary, standby)
    agent = fresh(slot.agent)
    assert (agent.status, agent.stale_after) == ("online", NOON + timedelta(seconds=90))
    assert heartbeats.mark_silent(now=NOON) == []


def test_settings_and_state_are_untouched(slot, standby):
    Agent.objects.update(state={"a": 1}, enabled=False, config_version=4)
    move(slot.primary, standby)
    agent = fresh(slot.agent)
    assert (agent.state, agent.enabled, agent.config_version) == ({"a": 1}, False, 4)


def test_both_machines_and_the_pages_are_woken(slot, standby, monkeypatch):
    woken: list[object] = []
    hints: list[object] = []
    monkeypatch.setattr(feed, "wake_machine", woken.append)
    monkeypatch.setattr(feed, "publish", lambda **hint: hints.append(hint["kind"]))
    move(slot.primary, standby)
    assert set(woken) == {slot.primary.pk, standby.pk}
    assert "switch" in hints
    assert len(support.told("switch_completed")) == 1


def test_again_is_the_same_switch(slot, standby):
    first = move(slot.primary, standby)
    again = move(slot.primary, standby, now=NOON + timedelta(minutes=1), reason="again")
    assert again == first
    assert Switch.objects.count() == Command.objects.count() == 1
    assert len(support.told("switch_completed")) == 1


def test_a_slot_without_a_primary(slot, standby):
    Instance.objects.filter(pk=slot.primary.pk).update(role=Role.RELEASED)
    switch = move(None, standby)
    assert fresh(switch).from_instance is None
    assert roles(slot.primary, standby) == ["released", "primary"]


def test_there_and_back_is_two_switches(slot, standby, client_acme):
    move(slot.primary, standby)
    third = cast.make_instance(slot.agent, "i-0acme0000000003", role=Role.STANDBY)
    move(standby, third, now=NOON + timedelta(hours=1))
    assert roles(slot.primary, standby, third) == ["superseded", "superseded", "primary"]
    assert Switch.objects.count() == 2


def refused(slot, old, new, **fields):
    before = list(Instance.objects.order_by("pk").values())
    issued = Command.objects.count()
    with pytest.raises(instances.LostRace) as caught:
        move(old, new, **fields)
    assert list(Instance.objects.order_by("pk").values()) == before
    assert Command.objects.count() == issued
    assert not Switch.objects.filter(to_instance=new).exists()
    assert (caught.value.status, caught.value.code) == (409, "lost_race")


def test_refused_if_the_old_one_is_no_longer_primary(slot, standby):
    third = cast.make_instance(slot.agent, "i-0acme0000000003", role=Role.STANDBY)
    stale = fresh(slot.primary)
    move(slot.primary, third)
    refused(slot, stale, standby)


def test_refused_if_there_is_a_primary_after_all(slot, standby):
    refused(slot, None, standby)


def test_refused_if_the_new_one_does_not_stand_by(slot, standby):
    for role in (Role.SUPERSEDED, Role.RELEASED):
        Instance.objects.filter(pk=standby.pk).update(role=role)
        refused(slot, slot.primary, standby)


def test_refused_if_the_new_one_is_gone(slot, standby):
    instances.confirm_gone(standby, now=NOON)
    refused(slot, slot.primary, standby)


def test_refused_if_the_new_one_stands_elsewhere(slot, client_acme):
    elsewhere = cast.make_slot(client_acme, "i-0acme0000000009")
    theirs = cast.make_instance(elsewhere.agent, "i-0acme0000000008", role=Role.STANDBY)
    refused(slot, slot.primary, theirs)
    refused(slot, slot.primary, theirs, agent=slot.agent)


def test_refused_if_the_agent_is_no_longer_managed(slot, standby):
    support.terminate(slot.agent)
    refused(slot, slot.primary, standby)


@pytest.fixture
def rival_first(monkeypatch):
    """`rival_first(f)`: f is run and committed on another connection just before the slot is locked."""
    lock = type(Agent.objects.all()).select_for_update

    def arrange(act):
        waiting = [act]

        def patched(self, *args, **options):
            if waiting:
                support.elsewhere(waiting.pop())
            return lock(self, *args, **options)

        monkeypatch.setattr(type(Agent.objects.all()), "select_for_update", patched)

    return arrange


@pytest.mark.django_db(transaction=True)
def test_a_rival_promotes_another_just_before(slot, standby, rival_first):
    third = cast.make_instance(slot.agent, "i-0acme0000000003", role=Role.STANDBY)
    theirs = fresh(slot.primary)
    rival_first(lambda: move(theirs, third))
    with pytest.raises(instances.LostRace):
        move(slot.primary, standby)
    assert roles(slot.primary, standby, third) == ["superseded", "standby", "primary"]
    assert Switch.objects.get().to_instance == third


@pytest.mark.django_db(transaction=True)
def test_a_rival_who_promotes_the_same_one_is_agreed_with(slot, standby, rival_first):
    rival_first(lambda: move(fresh(slot.primary), fresh(standby)))
    switch = move(slot.primary, standby)
    assert Switch.objects.get() == switch
    assert Command.objects.filter(instance=standby).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_agent_is_withdrawn_just_before(slot, standby, rival_first):
    rival_first(lambda: support.terminate(slot.agent))
    with pytest.raises(instances.LostRace):
        move(slot.primary, standby)
    assert roles(slot.primary, standby) == ["primary", "standby"]


def test_what_fails_half_way_leaves_nothing(slot, standby, monkeypatch):
    def broken(**_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(commands, "issue", broken)
    with pytest.raises(RuntimeError):
        move(slot.primary, standby)
    assert roles(slot.primary, standby) == ["primary", "standby"]
    assert not Switch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_nobodys_heartbeat_and_hides_none(slot, standby, rival):
    """A rival's transaction that reads the rows by foreign key is not in the way."""
    with rival.transaction() as cursor:
        cursor.execute("SELECT 1 FROM agents_agent WHERE id = %s FOR KEY SHARE", [slot.agent.pk])
        move(slot.primary, standby)
    assert roles(slot.primary, standby) == ["superseded", "primary"]


def test_the_database_allows_one_primary(slot, standby):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        Instance.objects.filter(pk=standby.pk).update(role=Role.PRIMARY)


def saw(instance, kind, at):
    AgentEvent.objects.create(
        agent=instance.agent,
        instance=instance,
        event_id=f"{kind}{at}",
        kind=kind,
        at=at,
        received_at=at,
    )


def test_a_stop_reported_before_the_promotion_counts(slot, standby):
    saw(slot.primary, "workload_stopped", NOON - timedelta(days=3))
    saw(slot.primary, "workload_stopped", NOON - timedelta(seconds=4))
    switch = move(slot.primary, standby)
    assert switch.workload_stopped_at == NOON - timedelta(seconds=4)


def test_an_old_stop_does_not(slot, standby):
    saw(slot.primary, "workload_stopped", NOON - timedelta(days=3))
    assert move(slot.primary, standby).workload_stopped_at is None


def test_a_standby_that_runs_the_workload_already_means_no_downtime(slot, standby):
    saw(standby, "workload_started", NOON - timedelta(hours=1))
    saw(slot.primary, "workload_stopped", NOON - timedelta(seconds=4))
    assert move(slot.primary, standby).downtime_seconds == 0


def test_a_standby_whose_workload_has_stopped_again_does_not_run_it(slot, standby):
    saw(standby, "workload_started", NOON - timedelta(hours=2))
    saw(standby, "workload_stopped", NOON - timedelta(hours=1))
    assert move(slot.primary, standby).workload_started_at is None


def test_its_statements_do_not_grow_with_the_slots_past(slot, standby):
    def count(new):
        with CaptureQueriesContext(connection) as queries:
            move(instances.primary_of(slot.agent), new)
        return len(queries)

    first = count(standby)
    for number in range(10):
        cast.make_instance(slot.agent, f"i-0past{number}", role=Role.SUPERSEDED)
    third = cast.make_instance(slot.agent, "i-0acme0000000003", role=Role.STANDBY)
    assert count(third) == first
