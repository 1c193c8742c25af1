"""Risks of many pools at once say what `replicas.risk` says of each machine."""

from datetime import timedelta

import pytest

from agents.models import Instance, Mode
from mlengine import risks
from mlengine.tests import world
from mlengine.tests.cases import NOON
from mlengine.tests.world import HERE, B
from replicas import risk
from spotopt.tests import cast

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def machine(slot):
    slot.primary.launched_at = NOON - 3 * HOUR
    slot.primary.save()
    return slot.primary


def read(*instances, now=NOON):
    return risks.read([HERE, B], instances=instances, now=now)


def rough(pool_id):
    """A day of prices that jump, the last hour rising."""
    for number in range(20):
        world.clean(pool_id, f"0.0{1 + number % 3}", at=NOON - (20 - number) * HOUR)
    world.clean(pool_id, "0.030", at=NOON - 50 * MINUTE)
    world.clean(pool_id, "0.040", at=NOON - 5 * MINUTE)


@pytest.mark.parametrize("recommended", [None, 0, 20, 59, 61, 300])
@pytest.mark.parametrize("losses", [0, 4, 60])
def test_a_machines_risk_is_the_one_of_the_emergency_path(machine, losses, recommended):
    rough(HERE)
    world.price(B, "0.01", at=NOON)
    for number in range(losses):
        world.signal(machine, "notice", at=NOON - 12 * HOUR * (number + 1) + MINUTE)
    world.signal(machine, "death", at=NOON - 31 * DAY)
    for hours in (100, 200, 300):
        world.signal(machine, "rebalance", at=NOON - hours * HOUR)
    if recommended is not None:
        world.signal(machine, "rebalance", at=NOON - recommended * MINUTE)
    alone, among = risk.of_instance(machine, now=NOON), read(machine).of_instance(machine)
    assert among.value == pytest.approx(alone.value)


def test_recommendations_that_were_followed_count_more(machine):
    for hours in (100, 200, 300):
        world.signal(machine, "rebalance", at=NOON - hours * HOUR)
        world.signal(machine, "notice", at=NOON - hours * HOUR + 30 * MINUTE)
    world.signal(machine, "rebalance", at=NOON - MINUTE)
    found = read(machine).of_instance(machine)
    assert found.terms["recommendation_precision"] == pytest.approx((3 + 3) / (10 + 3))
    assert found.value == pytest.approx(risk.of_instance(machine, now=NOON).value)


def test_a_candidate_has_no_age_and_the_rest_weighs_more(machine):
    world.price(B, "0.01", at=NOON)
    rough(B)
    for number in range(15):
        world.signal(machine, "notice", at=NOON - DAY - number * HOUR, pool_id=B)
    found = read(machine).of_pool(B, client_id=machine.client_id)
    assert found.terms["age"] is None
    assert found.terms["history"] == 0.5
    assert found.terms["trend"] == 1.0
    expected = (0.4 * 0.5 + 0.3 * found.terms["volatility"] + 0.1 * 1.0) / 0.8
    assert found.value == pytest.approx(expected)


def test_on_demand_is_not_interrupted(machine):
    for number in range(30):
        world.signal(machine, "notice", at=NOON - number * HOUR)
    machine.mode = Mode.ON_DEMAND
    assert read(machine).of_instance(machine).value == 0.0


def test_signals_of_machines_ec2_does_not_know_count_for_their_own_client_alone(
    machine, other_slot, client_acme, client_other
):
    Instance.objects.filter(pk=other_slot.primary.pk).update(verified=False)
    for number in range(6):
        world.signal(other_slot.primary, "notice", at=NOON - (1 + number) * HOUR)
    for number in range(3):
        world.signal(machine, "notice", at=NOON - (1 + number) * HOUR)
    found = read(machine)
    ours = found.of_pool(HERE, client_id=client_acme.pk)
    theirs = found.of_pool(HERE, client_id=client_other.pk)
    assert (ours.terms["history"], theirs.terms["history"]) == (0.1, 0.3)


def test_a_pool_nothing_is_known_of_counts_as_calm(machine):
    found = read(machine).of_pool("no.such.use1-az9", client_id=machine.client_id)
    assert found.value == pytest.approx(0.1 * 0.5 / 0.8)


def test_few_statements_for_any_number_of_machines(client_acme, django_assert_max_num_queries):
    agents = world.fleet(client_acme, 30, now=NOON)
    machines = list(Instance.objects.filter(agent__in=agents))
    for machine in machines:
        world.signal(machine, "rebalance", at=NOON - 5 * MINUTE)
        world.signal(machine, "notice", at=NOON - 3 * DAY)
    with django_assert_max_num_queries(5):
        found = risks.read([HERE, B], instances=machines, now=NOON)
    assert len(found.recommended) == 30
    assert {found.of_instance(machine).value for machine in machines} != {0.0}


def test_another_machines_recommendation_says_nothing_about_this_one(machine, client_acme):
    neighbour = cast.make_instance(cast.make_agent(client_acme), "i-neighbour", now=NOON - 3 * HOUR)
    world.signal(neighbour, "rebalance", at=NOON - MINUTE)
    found = read(machine, neighbour)
    assert found.of_instance(neighbour).value > found.of_instance(machine).value
