"""The schedule table is what the code says, and each function it names can be called."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import Schedule

from spotopt import schedules

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("periodic", schedules.SCHEDULES, ids=lambda p: p.name)
def test_every_function_exists_and_does_nothing_on_an_empty_installation(periodic):
    import_string(periodic.func)()


def test_ensuring_twice_makes_each_once():
    schedules.ensure()
    schedules.ensure()
    names = sorted(Schedule.objects.values_list("name", flat=True))
    assert names == sorted(p.name for p in schedules.SCHEDULES)


def test_a_restart_does_not_put_off_what_is_due():
    schedules.ensure()
    due = timezone.now() - timedelta(minutes=1)
    Schedule.objects.filter(name="spot prices").update(next_run=due)
    schedules.ensure()
    assert Schedule.objects.get(name="spot prices").next_run == due


def test_a_changed_interval_is_taken_over():
    schedules.ensure()
    Schedule.objects.filter(name="sef cycle").update(minutes=99)
    schedules.ensure()
    assert Schedule.objects.get(name="sef cycle").minutes == 1


def test_what_is_no_longer_listed_is_gone():
    Schedule.objects.create(name="of an older version", func="nothing.at.all")
    schedules.ensure()
    assert not Schedule.objects.filter(name="of an older version").exists()


def test_only_prefixes_of_ours_are_run():
    assert {p.func.split(".")[1] for p in schedules.SCHEDULES} == {"tasks"}
