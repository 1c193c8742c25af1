"""Maintenance hours: when one is in force, and for whom."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from mlengine import blackouts
from mlengine.models import Blackout
from mlengine.tests.cases import NOON
from spotopt.tests import cast

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("repeats", "at", "inside"),
    [
        ("once", -HOUR, False),
        ("once", HOUR * 0, True),
        ("once", HOUR * 1.99, True),
        ("once", HOUR * 2, False),
        ("once", DAY, False),
        ("daily", -DAY, False),
        ("daily", HOUR, True),
        ("daily", DAY + HOUR, True),
        ("daily", DAY * 100 + HOUR * 1.99, True),
        ("daily", DAY + HOUR * 2, False),
        ("weekly", DAY + HOUR, False),
        ("weekly", DAY * 7 + HOUR, True),
        ("weekly", DAY * 7 - HOUR, False),
        ("weekly", DAY * 70, True),
    ],
)
def test_when(repeats, at, inside):
    row = Blackout(starts_at=NOON, ends_at=NOON + 2 * HOUR, repeats=repeats)
    assert blackouts.covers(row, NOON + at) is inside


@pytest.mark.parametrize("at", [HOUR, DAY + HOUR, 8 * DAY])
@pytest.mark.parametrize("repeats", ["once", "daily", "weekly"])
def test_the_database_is_asked_the_same_question(client_acme, repeats, at):
    row = Blackout.objects.create(
        client=client_acme, starts_at=NOON, ends_at=NOON + 2 * HOUR, repeats=repeats
    )
    assert list(blackouts.in_force(NOON + at).rows) == [row][: blackouts.covers(row, NOON + at)]


def test_for_whom(client_acme, client_other):
    one, two = cast.make_agent(client_acme), cast.make_agent(client_acme)
    theirs = cast.make_agent(client_other)

    def over(agent):
        return blackouts.in_force(NOON).over(client_id=agent.client_id, agent_id=agent.pk)

    Blackout.objects.create(client=client_acme, agent=one, starts_at=NOON, ends_at=NOON + HOUR)
    assert [bool(over(agent)) for agent in (one, two, theirs)] == [True, False, False]
    Blackout.objects.create(
        client=client_acme, starts_at=NOON, ends_at=NOON + HOUR, note="the sale"
    )
    assert [bool(over(agent)) for agent in (one, two, theirs)] == [True, True, False]
    assert over(two) == "the sale"


def test_one_statement(client_acme, django_assert_num_queries):
    for _ in range(5):
        Blackout.objects.create(client=client_acme, starts_at=NOON, ends_at=NOON + HOUR)
    with django_assert_num_queries(1):
        assert len(blackouts.in_force(NOON).rows) == 5


def test_it_ends_after_it_starts(client_acme):
    with pytest.raises(IntegrityError), transaction.atomic():
        Blackout.objects.create(client=client_acme, starts_at=NOON, ends_at=NOON)
