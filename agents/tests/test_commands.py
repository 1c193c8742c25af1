"""Commands: one open per need, the most urgent first, at least once, until executed or expired."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import commands
from agents.models import Command
from agents.tests import support
from agents.tests.support import fresh, issue
from clients import feed
from spotopt.lib.errors import NotFound
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
P = Command.Priority


def report(command, *, instance=None, success=True, now=NOON, **fields):
    told = {"result": {}, "error": ""} | fields
    return commands.executed(
        agent=command.agent,
        instance=instance,
        command_id=command.pk,
        success=success,
        now=now,
        **told,
    )


def test_issued(slot):
    command = issue(slot.primary, parameters={"a": 1})
    assert (command.status, command.parameters) == ("pending", {"a": 1})
    assert command.expires_at == NOON + timedelta(hours=1)


def test_the_same_need_is_one_command(slot):
    first = issue(slot.primary)
    second = issue(slot.primary, now=NOON + MINUTE, parameters={"other": 1})
    assert second == first
    assert Command.objects.count() == 1


def test_another_key_another_machine_or_another_agent_is_another_need(slot, standby, other_slot):
    issue(slot.primary)
    issue(slot.primary, dedupe_key="mine")
    issue(standby)
    issue(other_slot.primary, dedupe_key="mine")
    assert Command.objects.count() == 4


def test_a_more_urgent_repetition_raises_the_first(slot):
    first = issue(slot.primary, priority=P.SCHEDULED)
    assert issue(slot.primary, priority=P.URGENT).priority == P.URGENT
    assert issue(slot.primary, priority=P.DECISION).priority == P.URGENT
    assert fresh(first).priority == P.URGENT


@pytest.mark.parametrize("success", [True, False])
def test_what_is_done_stands_in_nobodys_way(slot, success):
    first = issue(slot.primary)
    report(first, success=success)
    assert issue(slot.primary) != first


def test_what_has_run_out_stands_in_nobodys_way_though_nobody_swept(slot):
    first = issue(slot.primary)
    second = issue(slot.primary, now=NOON + timedelta(hours=1))
    assert second != first
    assert fresh(first).status == "expired"


def test_a_rival_who_issues_it_first(slot, monkeypatch):
    """The row appears between the decision to insert and the insertion."""
    insert = type(Command.objects.all()).bulk_create
    theirs: list[object] = []

    def rival_first(self, rows, **options):
        if not theirs:
            theirs.append(rows[0].dedupe_key)
            row = rows[0]
            theirs.append(
                Command.objects.create(
                    agent=row.agent,
                    instance=row.instance,
                    command_type=row.command_type,
                    priority=row.priority,
                    dedupe_key=row.dedupe_key,
                    created_at=NOON,
                    expires_at=NOON + MINUTE,
                )
            )
        return insert(self, rows, **options)

    monkeypatch.setattr(type(Command.objects.all()), "bulk_create", rival_first)
    assert issue(slot.primary) == theirs[1]
    assert Command.objects.count() == 1


def test_a_rival_who_ends_it_just_then(slot, monkeypatch):
    """The insertion meets the rival's row, and when it is looked for it is done: then it is our turn."""
    first = issue(slot.primary)
    insert = type(Command.objects.all()).bulk_create

    def then_it_ends(self, rows, **options):
        result = insert(self, rows, **options)
        Command.objects.filter(pk=first.pk).update(status=Command.Status.EXECUTED)
        return result

    monkeypatch.setattr(type(Command.objects.all()), "bulk_create", then_it_ends)
    second = issue(slot.primary)
    assert second.pk != first.pk
    assert fresh(second).status == "pending"


def test_the_order_of_delivery(slot):
    def one(name, priority, minutes):
        issue(slot.primary, dedupe_key=name, priority=priority, now=NOON + minutes * MINUTE)

    one("late decision", P.DECISION, 3)
    one("scheduled", P.SCHEDULED, 0)
    one("emergency", P.EMERGENCY, 4)
    one("early decision", P.DECISION, 1)
    one("manual", P.MANUAL, 2)
    one("urgent", P.URGENT, 2)
    got = [c.dedupe_key for c in commands.pending(slot.primary, now=NOON + 5 * MINUTE)]
    assert got == ["emergency", "manual", "urgent", "early decision", "late decision", "scheduled"]


def test_delivered_again_until_it_is_executed(slot):
    command = issue(slot.primary)
    assert commands.pending(slot.primary, now=NOON) == [command]
    assert fresh(command).status == "delivered"
    assert commands.pending(slot.primary, now=NOON + MINUTE) == [command]
    report(command)
    assert commands.pending(slot.primary, now=NOON + MINUTE) == []


def test_no_longer_delivered_once_its_time_is_out(slot):
    command = issue(slot.primary, lifetime=MINUTE)
    assert commands.pending(slot.primary, now=NOON + MINUTE) == []
    assert not commands.waiting(slot.primary, now=NOON + MINUTE)
    assert fresh(command).status == "pending"


def test_asking_for_nothing_is_one_query(slot, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert commands.pending(slot.primary, now=NOON) == []
    with django_assert_num_queries(1):
        assert commands.waiting(slot.primary, now=NOON) is False


def test_a_standby_is_not_given_the_primarys(slot, standby):
    issue(slot.primary)
    assert commands.pending(standby, now=NOON) == []
    assert not commands.waiting(standby, now=NOON)


def test_executed(slot):
    command = issue(slot.primary)
    done = report(command, result={"new_instance_id": "i-1"}, now=NOON + MINUTE)
    assert (done.status, done.executed_at) == ("executed", NOON + MINUTE)
    assert done.result == {"new_instance_id": "i-1"}


def test_the_second_report_changes_nothing(slot):
    command = issue(slot.primary)
    report(command, success=False, error="no capacity")
    again = report(command, result={"x": 1}, now=NOON + MINUTE)
    assert (again.status, again.error, again.result) == ("failed", "no capacity", {})
    assert again.executed_at == NOON
    assert len(support.told("command_failed")) == 1


def test_a_late_report_is_kept(slot):
    command = issue(slot.primary)
    commands.expire(now=NOON + timedelta(hours=2))
    assert report(command, now=NOON + timedelta(hours=3)).status == "executed"


def test_another_machines_command_is_not_found(slot, standby, other_slot):
    command = issue(slot.primary)
    with pytest.raises(NotFound):
        report(command, instance=standby)
    command.agent = other_slot.agent
    with pytest.raises(NotFound):
        report(command)
    assert fresh(command).status == "pending"


def test_a_long_error_is_cut(slot):
    done = report(issue(slot.primary), success=False, error="x" * 100_000)
    assert len(done.error) == commands.ERROR_LENGTH
    assert len(support.told("command_failed")[0]) <= 500


def test_withdrawn(slot, standby):
    kept = issue(standby, command_type=Command.Type.RUN_SYNC)
    gone = issue(slot.primary)
    done = report(issue(slot.primary, dedupe_key="done"))
    assert commands.withdraw(agent=slot.agent, command_types=(Command.Type.UPDATE_CONFIG,)) == 1
    assert [fresh(c).status for c in (kept, gone, done)] == ["pending", "expired", "executed"]
    assert commands.withdraw(agent=slot.agent) == 1


def test_the_sweep(slot):
    late = issue(slot.primary, lifetime=MINUTE)
    kept = issue(slot.primary, dedupe_key="kept")
    assert commands.expire(now=NOON + MINUTE) == [late]
    assert [fresh(late).status, fresh(kept).status] == ["expired", "pending"]
    assert commands.expire(now=NOON + MINUTE) == []
    assert support.told("command_expired") == []


def test_people_hear_of_a_switch_nobody_carried_out(slot):
    issue(slot.primary, command_type=Command.Type.SWITCH, lifetime=MINUTE)
    commands.expire(now=NOON + MINUTE)
    assert len(support.told("command_expired")) == 1


def test_the_sweep_is_few_statements(slot):
    for number in range(10):
        issue(slot.primary, dedupe_key=str(number), lifetime=MINUTE)
    with CaptureQueriesContext(connection) as queries:
        commands.expire(now=NOON + MINUTE)
    assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) == 2


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_share_the_work(slot, rival):
    command = issue(slot.primary, lifetime=MINUTE)
    with rival.transaction() as cursor:
        cursor.execute("SELECT 1 FROM agents_command WHERE id = %s FOR UPDATE", [command.pk])
        assert commands.expire(now=NOON + MINUTE) == []
    assert commands.expire(now=NOON + MINUTE) == [command]


def test_news_is_what_was_not_just_delivered(slot):
    command = issue(slot.primary)

    def news(now):
        return Command.objects.filter(commands.news(now), pk=command.pk).exists()

    assert news(NOON)
    commands.pending(slot.primary, now=NOON)
    assert not news(NOON + timedelta(seconds=1))
    assert news(NOON + timedelta(seconds=2))
    assert not news(NOON + timedelta(hours=1))


def test_an_issued_command_wakes_the_machine(slot, monkeypatch):
    woken: list[object] = []
    monkeypatch.setattr(feed, "wake_machine", woken.append)
    issue(slot.primary)
    assert woken == [slot.primary.pk]


def test_two_agents_of_a_client_keep_apart(slot, client_acme):
    sibling = cast.make_slot(client_acme, "i-0acme0000000009")
    issue(slot.primary, dedupe_key="same")
    issue(sibling.primary, dedupe_key="same")
    assert len(commands.pending(sibling.primary, now=NOON)) == 1
