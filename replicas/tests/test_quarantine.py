"""Refusing pools are passed over, longer each time."""

from datetime import timedelta

import pytest

from replicas import quarantine
from replicas.models import Quarantine
from spotopt.tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    return cast.make_pool()


def strike(pool, at, mode="spot"):
    return quarantine.strike(
        pool_id=pool.pk, mode=mode, code="InsufficientInstanceCapacity", now=at
    )


@pytest.mark.parametrize(
    ("strikes", "minutes"), [(1, 3), (2, 6), (3, 12), (4, 24), (5, 48), (6, 60), (60, 60)]
)
def test_the_sentence_doubles_up_to_an_hour(strikes, minutes):
    assert quarantine.sentence(strikes) == timedelta(minutes=minutes)


def test_each_refusal_counts(pool):
    assert strike(pool, cast.NOON).until == cast.NOON + timedelta(minutes=3)
    later = cast.NOON + timedelta(minutes=4)
    assert strike(pool, later).until == later + timedelta(minutes=6)
    assert Quarantine.objects.get().strikes == 2


def test_modes_are_held_apart(pool):
    strike(pool, cast.NOON)
    held = quarantine.until_by_pool(pool_ids=[pool.pk], now=cast.NOON)
    assert list(held) == [(pool.pk, "spot")]


def test_long_peace_is_rewarded(pool):
    strike(pool, cast.NOON)
    later = cast.NOON + timedelta(hours=7)
    assert strike(pool, later).until == later + timedelta(minutes=3)


def test_an_answer_lifts_it(pool):
    strike(pool, cast.NOON)
    quarantine.lift(pool_id=pool.pk, mode="spot")
    assert quarantine.until_by_pool(pool_ids=[pool.pk], now=cast.NOON) == {}


def test_what_has_run_out_is_not_in_force(pool):
    strike(pool, cast.NOON)
    at = cast.NOON + timedelta(minutes=3)
    assert quarantine.until_by_pool(pool_ids=[pool.pk], now=at) == {}
