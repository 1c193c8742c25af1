"""On demand through a capacity drought, and back to spot once it is over: once."""

import pytest
from django.utils import timezone

from agents.models import Command, Instance, Switch
from clients.models import Client
from pricing.models import OnDemandPrice
from replicas import homecoming, quarantine, sagas, standbys
from replicas.models import Saga
from replicas.tests.world import ZONES, at_once, later, pool_in
from simulator.tests.harness import eventually


@pytest.fixture
def prices(world):
    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price="0.0416",
        effective_from=later(days=-1)(),
    )
    for letter in ZONES:
        world.price(letter, "0.0125")


@pytest.fixture
def drought(world, prices, primary):
    """A notice while every spot pool refuses: the workload is on demand now."""
    fault = world.sim.fault(kind="capacity", mode="spot")
    assert primary.notice().json()["action_taken"] == "launched_on_demand"
    refuge = world.boot(world.replica)
    assert world.primaries(primary.agent_id) == [refuge.instance_id]
    assert refuge.row.mode == "on-demand"
    world.settled()
    return Drought(world, refuge, fault)


class Drought:
    def __init__(self, world, refuge, fault):
        self.world = world
        self.refuge = refuge
        self.fault = fault

    def ends(self):
        self.world.sim.ask("DELETE", f"faults/{self.fault['id']}")


def refuge_retired(world, home, clock):
    """The saga goes on at that time, and EC2 bills the new machine alone."""
    sagas.run(world.replica.saga_id, clock=clock)
    return world.billing() == {home.instance_id}


def run(**span):
    return homecoming.run(clock=later(**span))


def test_back_on_spot_once_the_drought_is_over_and_only_once(world, drought):
    # While it lasts, and for as long as it may not be over, nobody moves.
    asked = len(world.launches)
    assert run(minutes=10) == 0
    drought.ends()
    assert run(minutes=29) == 0
    assert len(world.launches) == asked

    # Half an hour of quiet: a spot machine first, and the workload stays where it is until it is ready.
    assert run(minutes=31) == 1
    assert world.primaries(drought.refuge.agent_id) == [drought.refuge.instance_id]
    assert world.replica.mode == "spot"
    assert world.replica.replica_type == "switch"
    assert run(minutes=32) == 0
    home = world.boot(world.replica)

    # Ready: promoted, and the refuge is retired.
    assert run(minutes=33) == 1
    assert world.primaries(home.agent_id) == [home.instance_id]
    assert home.row.mode == "spot"
    eventually(lambda: refuge_retired(world, home, later(minutes=40)))
    switch = Switch.objects.latest("executed_at")
    assert (switch.switch_type, switch.to_instance.instance_id) == (
        Switch.Type.PLANNED,
        home.instance_id,
    )
    assert switch.reason.startswith("back to spot: saves 0.0291 USD an hour")
    assert "gain" in world.told("homecoming")[0]

    # And there it stays.
    assert [run(minutes=minutes) for minutes in (34, 64, 94, 600)] == [0, 0, 0, 0]
    assert len(Switch.objects.all()) == 2


def test_a_drought_that_goes_on_is_asked_seldom_and_keeps_the_refuge(world, drought):
    asked = len(world.launches)
    assert run(minutes=31) == 1
    assert world.primaries(drought.refuge.agent_id) == [drought.refuge.instance_id]
    # Each pool has said no once more, none was asked on demand.
    assert {mode for _, mode in world.refused[asked - 1 :]} == {"spot"}
    assert run(minutes=42) == 0
    assert world.replica.saga.status == Saga.Status.FAILED
    tried = len(world.launches)
    # Not quiet for another half an hour after that.
    assert [run(minutes=minutes) for minutes in (45, 55, 60)] == [0, 0, 0]
    assert len(world.launches) == tried
    drought.ends()
    assert run(minutes=75) == 1
    world.boot(world.replica)
    assert run(minutes=76) == 1
    assert world.replica.instance is not None
    assert world.replica.instance.mode == "spot"


def test_a_pool_that_refused_lately_is_not_the_one(world, drought):
    drought.ends()
    for letter in "abcde":
        quarantine.strike(pool_id=pool_in(letter), mode="spot", code="x", now=later(minutes=20)())
    assert run(minutes=31) == 1
    assert world.replica.pool_id == pool_in("f")


def test_the_workload_quiesces_first(world, drought):
    drought.ends()
    drought.refuge.configure(quiesce_seconds=30)
    run(minutes=31)
    home = world.boot(world.replica)
    run(minutes=31)
    assert world.primaries(home.agent_id) == [drought.refuge.instance_id]
    assert world.replica.saga.status == Saga.Status.QUIESCING
    asked = Command.objects.get(command_type="run_sync")
    assert asked.instance.instance_id == drought.refuge.instance_id
    assert asked.parameters == {"quiesce": True}
    world.sweep_until(
        lambda: world.primaries(home.agent_id) == [home.instance_id], later(minutes=33)
    )


def test_the_refuge_dying_on_the_way_home_is_an_emergency(world, drought):
    drought.ends()
    run(minutes=31)
    home = world.boot(world.replica)
    drought.refuge.notice()
    assert world.primaries(home.agent_id) == [home.instance_id]
    assert Switch.objects.latest("executed_at").switch_type == Switch.Type.EMERGENCY
    assert run(minutes=32) == 0


@pytest.mark.parametrize(
    "stop", ["automation", "dry_run", "disabled", "auto_switch", "offline", "cooldown", "a day"]
)
def test_it_is_an_ordinary_decision(world, drought, stop):
    drought.ends()
    if stop in ("automation", "dry_run"):
        Client.objects.update(**{stop: stop == "dry_run"})
    elif stop == "disabled":
        drought.refuge.configure(enabled=False)
    elif stop == "auto_switch":
        drought.refuge.configure(auto_switch_enabled=False)
    elif stop == "offline":
        drought.refuge.configure(status="offline")
    else:
        Switch.objects.create(
            client=world.client,
            agent=drought.refuge.agent,
            switch_type=Switch.Type.PLANNED,
            to_instance=Instance.objects.exclude(pk=drought.refuge.row.pk)[0],
            started_at=timezone.now(),
            executed_at=timezone.now(),
        )
        drought.refuge.configure(
            cooldown_minutes=0 if stop == "a day" else 120,
            max_switches_per_day=1 if stop == "a day" else 3,
        )
    assert run(minutes=31) == 0
    assert not Saga.objects.filter(trigger="planned").exists()


def test_an_ordered_switch_goes_first(world, drought):
    drought.ends()
    answer = world.api.post(
        f"/api/client/instances/{drought.refuge.instance_id}/force-switch",
        {"target_pool_id": pool_in("c")},
        format="json",
    )
    assert answer.status_code < 300, answer.json()
    Command.objects.update(expires_at=later(minutes=60)())
    assert run(minutes=31) == 0


def test_a_stop_on_the_way_ends_it(world, drought):
    drought.ends()
    run(minutes=31)
    standby = world.boot(world.replica)
    Client.objects.update(automation=False)
    assert run(minutes=32) == 0
    world.settled(later(minutes=40))
    assert standby.instance_id not in world.billing()
    assert world.primaries(standby.agent_id) == [drought.refuge.instance_id]


def test_what_a_person_wanted_on_demand_stays_there(world, primary, prices):
    standby = world.standby(primary, mode="on-demand")
    answer = world.api.post(primary.path(f"replicas/{world.replica.pk}/promote"), {}, format="json")
    assert answer.status_code == 200, answer.json()
    assert world.primaries(primary.agent_id) == [standby.instance_id]
    assert standby.row.mode == "on-demand"
    assert run(minutes=120) == 0


def test_without_a_known_saving_it_stays(world, drought):
    drought.ends()
    OnDemandPrice.objects.all().delete()
    assert run(minutes=31) == 0


def test_a_standby_that_is_there_already_is_the_way_home(world, drought):
    drought.ends()
    Client.objects.update(standby_policy="always")
    assert standbys.provide(clock=timezone.now) == 1
    standby = world.boot(world.replica)
    launched = len(world.launched)
    assert run(minutes=31) == 1
    assert world.primaries(standby.agent_id) == [standby.instance_id]
    assert Switch.objects.latest("executed_at").switch_type == Switch.Type.PLANNED
    assert len(world.launched) == launched


@pytest.mark.django_db(transaction=True)
def test_two_processes_set_out_once(world, drought):
    drought.ends()
    before = len(world.launched)
    assert sorted(at_once(*[lambda: run(minutes=31)] * 3)) == [0, 0, 1]
    assert len(world.launched) == before + 1
