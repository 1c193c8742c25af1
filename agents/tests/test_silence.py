"""Going offline: an indexed sweep, and exactly one process that sees each agent go."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import heartbeats
from agents.models import Agent, Instance
from agents.tests import support
from agents.tests.support import fresh
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def agent(client_acme):
    """Heard at noon."""
    slot = cast.make_slot(client_acme, "i-0acme0000000001")
    heartbeats.begin(agent=slot.agent, now=NOON)
    return fresh(slot.agent)


@pytest.mark.parametrize(("seconds", "silent"), [(0, False), (89, False), (90, True), (3600, True)])
def test_ninety_seconds(agent, seconds, silent):
    gone = heartbeats.mark_silent(now=NOON + timedelta(seconds=seconds))
    assert [one.pk for one in gone] == ([agent.pk] if silent else [])
    assert fresh(agent).status == ("offline" if silent else "online")


def test_it_is_told_once_and_with_its_client(agent, django_assert_num_queries):
    now = NOON + 2 * heartbeats.OFFLINE_AFTER
    gone = heartbeats.mark_silent(now=now)
    with django_assert_num_queries(0):
        assert gone[0].client.name == "Acme"
    assert gone[0].status == "offline"
    assert heartbeats.mark_silent(now=now) == []
    assert support.told("agent_offline") == [f"Agent {agent} has been silent for 90 s."]


def test_one_terminated_or_never_heard_is_not_silent(agent, client_acme):
    Agent.objects.filter(pk=agent.pk).update(status=Agent.Status.TERMINATED)
    cast.make_agent(client_acme, stale_after=None)
    assert heartbeats.mark_silent(now=NOON + timedelta(days=1)) == []


def test_a_quiet_sweep_is_one_question(agent):
    with CaptureQueriesContext(connection) as queries:
        heartbeats.mark_silent(now=NOON)
    statements = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(statements) == 1
    assert "SKIP LOCKED" in statements[0]


def test_a_beat_in_between_saves_it(agent):
    """What the sweep reads is what it locks: a beat that was first is seen."""
    primary = Instance.objects.select_related("agent").get(agent=agent)
    late = NOON + heartbeats.OFFLINE_AFTER
    heartbeats.record(instance=primary, beat=heartbeats.Beat(), now=late - SECOND)
    assert heartbeats.mark_silent(now=late) == []


@pytest.mark.django_db(transaction=True)
def test_an_agent_another_process_is_marking_is_left_to_it(agent, rival):
    """`rival` is a second connection: it holds the row, as a sweep of another process does."""
    with rival.transaction() as cursor:
        cursor.execute("SELECT 1 FROM agents_agent WHERE id = %s FOR UPDATE", [agent.pk])
        assert heartbeats.mark_silent(now=NOON + timedelta(hours=1)) == []
    assert len(heartbeats.mark_silent(now=NOON + timedelta(hours=1))) == 1


def test_many_go_in_one_sweep_with_few_statements(client_acme):
    for _ in range(5):
        cast.make_agent(client_acme, now=NOON)
    with CaptureQueriesContext(connection) as queries:
        assert len(heartbeats.mark_silent(now=NOON + timedelta(hours=1))) == 5
    updates = [q for q in queries if q["sql"].startswith("UPDATE")]
    assert len(updates) == 1
