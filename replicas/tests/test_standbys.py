"""Automatic standbys with real machines in the simulated AWS: when they come, and when they go."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Instance
from clients.models import Client
from replicas import lifecycle, risk, standby_budget, standbys
from replicas.models import InterruptionEvent, Replica, Saga
from replicas.tests.world import ZONES, at_once, later
from spotopt.tests import cast

Policy = Client.StandbyPolicy


def configure(world, **fields):
    Client.objects.filter(pk=world.client.pk).update(**fields)


def always(world):
    configure(world, standby_policy=Policy.ALWAYS)


def dear_outage(world, usd="1000"):
    """An hour of outage costs so much that any standby pays."""
    configure(world, outage_cost_per_hour=Decimal(usd))
    for letter in "bcdef":
        world.price(letter, "0.0125")
    slow_boots(world)


def slow_boots(world):
    """Machines have taken six minutes to be ready so far."""
    at = timezone.now() - timedelta(days=3)
    agent = cast.make_agent(world.client)
    saga = past_saga(agent, at)
    for _ in range(5):
        Replica.objects.create(
            client=world.client,
            agent=agent,
            saga=saga,
            replica_type="manual",
            status="terminated",
            pool=cast.make_pool(),
            created_at=at,
            launched_at=at,
            ready_at=at + timedelta(minutes=6),
        )


def past_saga(agent, at):
    return Saga.objects.create(
        client=agent.client,
        agent=agent,
        trigger="rebalance",
        goal="standby",
        status="abandoned",
        reason="before",
        created_at=at,
        ended_at=at,
    )


def losses(primary, count, letter="a"):
    """So many losses of the zone's pool, spread over the last days."""
    agent, pool = cast.make_agent(primary.agent.client), primary.row.pool
    if letter != "a":
        pool = cast.make_pool("t3.medium", ZONES[letter])
    for number in range(count):
        at = timezone.now() - timedelta(hours=30 + 8 * number)
        machine = cast.make_instance(
            agent,
            f"i-0{letter}{number:06}",
            role="superseded",
            pool=pool,
            launched_at=at - timedelta(hours=1),
            terminated_at=at,
        )
        InterruptionEvent.objects.create(
            client=agent.client,
            agent=agent,
            instance=machine,
            pool=pool,
            kind="notice",
            key=str(number),
            detected_at=at,
            received_at=at,
            acted_at=at,
            done_at=at,
            action_taken="promoted_replica",
        )


def provide(clock=timezone.now):
    return standbys.provide(clock=clock)


# --- when they come ----------------------------------------------------------------------------


def test_a_calm_slot_of_a_cheap_workload_has_none(world, primary):
    world.price("b", "0.0125")
    assert provide() == 0
    assert world.launches == []


def test_one_is_launched_where_it_is_worth_more_than_it_costs(world, primary):
    dear_outage(world)
    losses(primary, 10)
    assert provide() == 1
    standby = world.boot(world.replica)
    assert world.replica.replica_type == "automatic"
    assert standby.row.az_id != primary.row.az_id
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    [told] = world.told("standby_wanted")
    assert "worth" in told
    assert "hazard" in told
    assert provide() == 0


def test_without_a_known_price_it_is_not_for_its_value(world, primary):
    configure(world, outage_cost_per_hour=1000)
    losses(primary, 10)
    assert provide() == 0


def test_always_keeps_one_whatever_it_costs(world, primary):
    always(world)
    assert provide() == 1
    assert provide() == 0
    assert len(world.launched) == 1


def test_always_keeps_one_for_a_machine_on_demand_too(world, primary):
    Instance.objects.update(mode="on-demand")
    always(world)
    assert provide() == 1


def test_exactly_one_however_many_processes(world, primary):
    always(world)
    begun = at_once(*[provide] * 4)
    assert sorted(begun) == [0, 0, 0, 1]
    assert len(world.launched) == 1


test_exactly_one_however_many_processes = pytest.mark.django_db(transaction=True)(
    test_exactly_one_however_many_processes
)


@pytest.mark.parametrize(
    "stop", ["automation", "dry_run", "off", "disabled", "manual", "unverified", "offline"]
)
def test_what_forbids_one(world, primary, stop):
    always(world)
    if stop == "automation":
        configure(world, automation=False)
    elif stop == "dry_run":
        configure(world, dry_run=True)
    elif stop == "off":
        configure(world, standby_policy=Policy.OFF)
    elif stop == "disabled":
        primary.configure(enabled=False)
    elif stop == "manual":
        primary.configure(auto_switch_enabled=False, manual_replica_enabled=True)
    elif stop == "unverified":
        Instance.objects.update(verified=False)
    else:
        primary.configure(status="offline")
    assert provide() == 0
    assert world.launches == []


def test_a_recommendation_that_could_not_be_answered_is_answered_later(world, primary):
    configure(world, automation=False)
    primary.recommendation()
    assert world.launches == []
    configure(world, automation=True)
    assert provide() == 1
    assert world.event.saga == world.saga
    world.boot(world.replica)
    # It is the recommendation's standby: kept while the risk lasts.
    assert standbys.reevaluate(clock=later(minutes=11)) == 0
    assert standbys.reevaluate(clock=later(minutes=61)) == 1


def test_a_cap_fails_it_and_the_next_try_waits(world, primary):
    always(world)
    configure(world, max_instances=1)
    assert provide() == 1
    assert world.saga.status == Saga.Status.FAILED
    assert provide() == 0
    assert provide(later(minutes=16)) == 1
    assert world.launches == []


# --- when they go ------------------------------------------------------------------------------


def kept(world, primary, count=10):
    dear_outage(world)
    losses(primary, count)
    assert provide() == 1
    return world.boot(world.replica)


def test_it_is_let_go_when_it_no_longer_pays(world, primary):
    standby = kept(world, primary)
    assert standbys.reevaluate(clock=later(minutes=30)) == 0
    configure(world, outage_cost_per_hour=Decimal("0.01"))
    assert standbys.reevaluate(clock=later(minutes=5)) == 0  # it has only just come up
    assert standbys.reevaluate(clock=later(minutes=30)) == 1
    world.settled()
    assert standby.instance_id not in world.billing()
    assert world.replica.saga.status == Saga.Status.ABANDONED
    assert "costs" in world.told("standby_released")[0]


def test_between_the_thresholds_it_neither_comes_nor_goes(world, primary):
    kept(world, primary)
    value = float(world.told("standby_wanted")[0].split("value ")[1].split(",")[0])
    for letter in "bcdef":
        world.price(letter, f"{value / 0.85:.6f}")
    assert standbys.reevaluate(clock=later(minutes=30)) == 0
    for letter in "bcdef":
        world.price(letter, f"{value / 0.6:.6f}")
    assert standbys.reevaluate(clock=later(minutes=30)) == 1
    world.settled()
    for letter in "bcdef":
        world.price(letter, f"{value / 0.85:.6f}")
    assert provide(later(minutes=90)) == 0


def test_once_let_go_the_next_waits_a_while(world, primary):
    kept(world, primary)
    configure(world, standby_policy=Policy.OFF)
    assert standbys.reevaluate(clock=later(minutes=1)) == 1
    world.settled()
    configure(world, standby_policy=Policy.ALWAYS)
    assert provide() == 0
    assert provide(later(minutes=17)) == 1


def test_what_a_person_deletes_is_not_launched_again_at_once(world, primary):
    always(world)
    provide()
    lifecycle.delete(replica=world.replica, reason="a person", clock=timezone.now)
    world.settled()
    assert provide() == 0


def test_a_disabled_agents_standby_goes(world, primary):
    kept(world, primary)
    primary.configure(enabled=False)
    assert standbys.reevaluate(clock=timezone.now) == 1


def test_while_automation_is_off_nothing_is_touched(world, primary):
    kept(world, primary)
    configure(world, automation=False, standby_policy=Policy.OFF)
    assert standbys.reevaluate(clock=later(hours=2)) == 0


def test_peoples_own_standbys_are_left_alone(world, primary):
    world.standby(primary)
    assert standbys.reevaluate(clock=later(hours=5)) == 0
    assert provide() == 0


def test_manual_mode_keeps_the_one_that_stands(world, primary):
    standby = kept(world, primary)
    configure(world, standby_policy=Policy.OFF)
    primary.configure(auto_switch_enabled=False, manual_replica_enabled=True)
    assert standbys.reevaluate(clock=later(hours=2)) == 0
    assert standby.instance_id in world.billing()


# --- after a promotion -------------------------------------------------------------------------


def test_after_a_promotion_the_policy_applies_to_the_new_primary(world, primary):
    always(world)
    provide()
    first = world.boot(world.replica)
    primary.notice()
    assert world.primaries(primary.agent_id) == [first.instance_id]
    assert provide() == 1
    assert world.replica.saga.old_instance.instance_id == first.instance_id
    second = world.boot(world.replica)
    assert second.row.az_id != first.row.az_id
    first.notice()
    assert world.primaries(primary.agent_id) == [second.instance_id]


def test_a_standby_that_is_lost_is_replaced(world, primary):
    always(world)
    provide()
    standby = world.boot(world.replica)
    standby.notice()
    assert world.replica.instance is not None
    assert world.replica.instance.instance_id != standby.instance_id
    assert Saga.objects.filter(status__in=Saga.ACTIVE).count() == 1


# --- the budget --------------------------------------------------------------------------------


def spend(primary, count, hours=2):
    at = timezone.now() - timedelta(hours=hours)
    saga = past_saga(primary.agent, at)
    for _ in range(count):
        Replica.objects.create(
            client=primary.agent.client,
            agent=primary.agent,
            saga=saga,
            replica_type="automatic",
            status="terminated",
            pool=primary.row.pool,
            created_at=at,
        )


def test_six_a_day_and_then_a_person_is_told_once(world, primary):
    always(world)
    spend(primary, standby_budget.PER_DAY)
    assert provide() == 0
    assert provide(later(minutes=1)) == 0
    assert primary.recommendation().json()["replica_created"] is False
    assert world.launches == []
    [told] = world.told("standby_budget")
    assert "6 automatic standbys within a day" in told
    assert "a day are the most" in world.event.explanation


def test_the_budget_is_of_a_day(world, primary):
    always(world)
    spend(primary, standby_budget.PER_DAY, hours=25)
    assert provide() == 1


def test_another_in_place_of_a_lost_one_is_within_the_budget(world, primary):
    always(world)
    spend(primary, standby_budget.PER_DAY - 1)
    provide()
    standby = world.boot(world.replica)
    standby.notice()
    assert world.launched == [standby.instance_id]
    world.settled()
    assert world.replica.saga.status == Saga.Status.FAILED


def test_emergencies_are_not_bound_by_it(world, primary):
    spend(primary, standby_budget.PER_DAY)
    told = primary.notice().json()
    assert told["action_taken"] == "created_emergency_replica"


# --- over .50 ----------------------------------------------------------------------------------


def at_high_risk(primary):
    losses(primary, 30)


def test_over_fifty_percent_it_goes_on_demand_where_spot_refuses(world, primary):
    at_high_risk(primary)
    world.sim.fault(kind="capacity", mode="spot")
    told = primary.recommendation().json()
    assert told["risk_score"] > risk.ON_DEMAND_ABOVE
    assert told["replica_created"] is True
    assert world.replica.mode == "on-demand"
    standby = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [primary.instance_id]
    assert standby.row.mode == "on-demand"


def test_over_fifty_percent_spot_serves_where_a_pool_is_calm(world, primary):
    at_high_risk(primary)
    primary.recommendation()
    assert world.replica.mode == "spot"


def test_where_every_spot_pool_is_at_risk_it_is_on_demand_at_once(world, primary):
    at_high_risk(primary)
    for letter in "bcdef":
        losses(primary, 20, letter)
    primary.recommendation()
    assert world.refused == []
    assert world.replica.mode == "on-demand"


# --- the work ----------------------------------------------------------------------------------


def test_the_statements_do_not_grow_with_the_slots_of_a_pool(world, primary):
    dear_outage(world, "0.01")
    provide()
    with CaptureQueriesContext(connection) as one:
        assert provide() == 0
    for number in range(5):
        slot = cast.make_agent(world.client)
        cast.make_instance(slot, f"i-0more{number:04}", pool=primary.row.pool)
    with CaptureQueriesContext(connection) as many:
        assert provide() == 0
    assert len(many) == len(one)
