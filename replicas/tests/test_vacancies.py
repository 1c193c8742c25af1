"""A slot whose emergency failed is not forgotten: it is tried again, ever more slowly."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Instance
from replicas import vacancies
from replicas.models import Saga
from replicas.tests.world import later

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (99, 30)]
)
def test_the_pause_doubles_up_to_half_an_hour(failures, minutes):
    assert vacancies.pause(failures) == timedelta(minutes=minutes)


@pytest.fixture
def failed(world, primary):
    """An emergency that a cap forbade, and then the machine is gone."""
    world.client.max_instances = 1
    world.client.save()
    primary.notice()
    assert world.saga.status == Saga.Status.FAILED
    world.kill(primary.instance_id)
    Instance.objects.filter(instance_id=primary.instance_id).update(terminated_at=timezone.now())
    return primary


def raise_the_cap(world):
    world.client.max_instances = 10
    world.client.save()


def test_once_the_cap_is_raised_the_slot_gets_its_machine(world, failed):
    raise_the_cap(world)
    assert vacancies.fill(clock=later(minutes=2)) == 1
    replacement = world.boot(world.replica)
    assert world.primaries(failed.agent_id) == [replacement.instance_id]


def test_not_before_the_pause_is_over(world, failed):
    raise_the_cap(world)
    assert vacancies.fill(clock=later(seconds=30)) == 0


def test_each_failure_makes_the_pause_longer(world, failed):
    Saga.objects.update(ended_at=timezone.now())
    world.client.max_instances = 0
    world.client.save()
    assert vacancies.fill(clock=later(seconds=61)) == 1
    assert Saga.objects.filter(status=Saga.Status.FAILED).count() == 2
    assert vacancies.fill(clock=later(seconds=61 + 61)) == 0
    assert vacancies.fill(clock=later(seconds=61 + 125)) == 1


def test_one_at_a_time(world, failed):
    raise_the_cap(world)
    assert vacancies.fill(clock=later(minutes=2)) == 1
    assert vacancies.fill(clock=later(minutes=9)) == 0
    assert len(world.launched) == 1


def test_a_slot_whose_machine_lives_is_not_vacant(world, failed):
    Instance.objects.update(terminated_at=None)
    assert vacancies.vacant() == []


def test_a_slot_whose_machine_a_person_ended_is_left_alone(world, primary):
    Instance.objects.update(terminated_at=timezone.now())
    assert vacancies.vacant() == []


@pytest.mark.parametrize("stop", ["disabled", "automation"])
def test_the_stops_hold(world, failed, stop):
    raise_the_cap(world)
    if stop == "disabled":
        failed.configure(enabled=False)
    else:
        world.client.automation = False
        world.client.save()
    assert vacancies.fill(clock=later(minutes=2)) == 0
