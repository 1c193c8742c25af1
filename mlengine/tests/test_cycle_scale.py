"""The cycle over many slots: few statements, the neediest first, nobody stopped by another's fault."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from agents import commands
from agents.models import Agent, Command
from clients import installation
from clients.models import Client
from mlengine import decisions, fleet, policies, records
from mlengine.models import Decision
from mlengine.policies import Policy
from mlengine.situation import Verdict
from mlengine.tests import world
from mlengine.tests.world import B, C
from spotopt.tests import cast

BUDGET = 30


def statements(now) -> int:
    installation.current()  # its row is made once
    with CaptureQueriesContext(connection) as seen:
        decisions.run_cycle(now=now)
    return len(seen)


@pytest.mark.usefixtures("market")
def test_the_number_of_statements_does_not_grow_with_agents_clients_and_pools(acme, now):
    counts = []
    for round_, (clients, agents) in enumerate([(1, 1), (2, 5), (6, 40)]):
        for number in range(clients):
            client = world.connect(cast.make_client(f"C{round_}.{number}"), now=now)
            client.allowed_types = [f"c{round_}.large", f"m{number}.large"]
            client.save()
            world.fleet(client, agents, start=1000 * round_ + 100 * number, now=now, enabled=False)
        decisions.run_cycle(now=now)  # rows of new pools are made once
        counts.append(statements(now))
    assert counts[0] == counts[1] == counts[2]
    assert counts[2] <= BUDGET
    assert Decision.objects.filter(at=now).count() == 2 * (1 + 11 + 251)


@pytest.mark.usefixtures("market")
def test_staying_slots_cost_no_statement_of_their_own(acme, now):
    world.prices(at=now, here="0.0300", b="0.0312", c="0.0440")
    world.fleet(acme, 3, now=now)
    few = statements(now)
    world.fleet(acme, 60, start=100, now=now)
    assert statements(now) == few <= BUDGET


@pytest.mark.usefixtures("market")
def test_each_ordered_move_costs_the_same_few(acme, now):
    world.fleet(acme, 1, now=now)
    one = statements(now)
    Agent.objects.update(enabled=False)
    world.fleet(acme, 11, start=100, now=now)
    eleven = statements(now)
    assert Command.objects.count() == 12
    assert (eleven - one) % 10 == 0
    assert (eleven - one) / 10 <= 8


@pytest.mark.usefixtures("market")
def test_one_decision_for_every_slot_each_with_its_clients_limits(acme, client_other, now):
    world.connect(client_other, now=now)
    [ours] = world.fleet(acme, 1, now=now)
    [careful] = world.fleet(client_other, 1, start=50, now=now, min_savings_threshold=0.40)
    decisions.run_cycle(now=now)
    assert Decision.objects.get(agent=ours).acted
    row = Decision.objects.get(agent=careful)
    assert (row.action, row.inputs["limits"]["set_by_client"]) == (
        "stay",
        ["min_savings_threshold"],
    )


@pytest.mark.usefixtures("market")
def test_what_one_clients_agents_say_of_prices_moves_nobody_else(acme, client_other, now):
    world.connect(client_other, now=now)
    [ours] = world.fleet(acme, 1, now=now)
    [theirs] = world.fleet(client_other, 1, start=50, now=now)
    world.clean(C, "0.0010", at=now + timedelta(minutes=5), client=client_other)
    decisions.run_cycle(now=now + timedelta(minutes=6))
    assert Decision.objects.get(agent=ours).target_pool_id == B
    assert Decision.objects.get(agent=theirs).target_pool_id == C


@pytest.mark.usefixtures("market")
def test_where_a_cap_leaves_room_for_one_the_neediest_moves(acme, now):
    agents = world.fleet(acme, 3, now=now, target_savings_percent=40)
    Agent.objects.filter(pk=agents[1].pk).update(target_savings_percent=60)
    Client.objects.update(max_instances=4)
    cycle = decisions.run_cycle(now=now)
    assert (cycle.switches, cycle.under_target) == (1, 1)
    assert Decision.objects.get(acted=True).agent == agents[1]
    refused = Decision.objects.filter(acted=False)
    assert {row.reason for row in refused} == {
        "the client's cap of instances leaves no room for a second machine"
    }


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    "allowed",
    [
        ["", "no type", "t3.medium.use1-az1", 7, None, {"a": 1}, "x" * 500],
        "t3.large",
        {"a": "b"},
        5,
    ],
)
def test_a_client_with_nonsense_in_its_settings_stops_nobody(acme, client_other, now, allowed):
    world.connect(client_other, now=now)
    client_other.allowed_types = allowed
    client_other.aws_subnets = ["nonsense"]
    client_other.save()
    world.fleet(acme, 1, now=now)
    world.fleet(client_other, 1, start=50, now=now)
    cycle = decisions.run_cycle(now=now)
    assert (cycle.slots, cycle.switches, cycle.failed) == (2, 2, 0)


@pytest.mark.usefixtures("market")
def test_a_slot_that_cannot_be_decided_about_stops_nobody(acme, now, monkeypatch, caplog):
    bad, good = world.fleet(acme, 2, now=now)

    def choose(seen):
        if seen.target_savings_percent == 1:
            raise ZeroDivisionError
        return policies.SEED.choose(seen)

    monkeypatch.setattr(policies, "active", lambda: Policy("half", "7", choose))
    Agent.objects.filter(pk=bad.pk).update(target_savings_percent=1)
    cycle = decisions.run_cycle(now=now)
    assert (cycle.switches, cycle.failed) == (1, 1)
    row = Decision.objects.get(agent=bad)
    assert (row.action, row.reason, row.policy, row.model_version) == (
        "stay",
        records.BROKEN,
        "half",
        "7",
    )
    assert Decision.objects.get(agent=good).acted
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("market")
def test_a_database_error_at_one_order_stops_nobody(acme, now, monkeypatch):
    first, second = world.fleet(acme, 2, now=now)
    real = commands.issue

    def issue(**wish):
        if wish["agent"] == first:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return real(**wish)

    monkeypatch.setattr(commands, "issue", issue)
    cycle = decisions.run_cycle(now=now)
    assert (cycle.switches, cycle.failed) == (1, 1)
    assert Command.objects.get().agent == second
    assert Decision.objects.get(agent=first).reason == records.BROKEN


@pytest.mark.usefixtures("market")
def test_a_situation_that_cannot_be_told_stops_nobody(acme, now, monkeypatch):
    bad, good = world.fleet(acme, 2, now=now)
    real = fleet.limits_of

    def limits_of(agent):
        if agent == bad:
            raise ValueError("no limits")
        return real(agent)

    monkeypatch.setattr(fleet, "limits_of", limits_of)
    assert decisions.run_cycle(now=now).failed == 1
    assert Decision.objects.get(agent=bad).reason == records.BROKEN
    assert Decision.objects.get(agent=good).acted


@pytest.mark.usefixtures("market")
def test_another_policy_is_held_by_the_clients_own_limits(old_slot, now, monkeypatch):
    Agent.objects.update(max_risk_score=0.05)
    reckless = Policy("ml", "3", lambda seen: Verdict("switch", "I know best", B, "spot"))
    monkeypatch.setattr(policies, "active", lambda: reckless)
    decisions.run_cycle(now=now)
    row = Decision.objects.get()
    assert (row.policy, row.model_version, row.action) == ("ml", "3", "stay")
    assert "the client's limit on risk is 0.05 (I know best)" in row.reason


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_are_one(market, old_slot, now):
    """While one holds its transaction open, another finds it taken; then the lock is free again."""
    taken, done = threading.Event(), threading.Event()

    def rival():
        with transaction.atomic():
            decisions._alone()
            taken.set()
            done.wait(30)
        connections.close_all()

    thread = threading.Thread(target=rival)
    thread.start()
    try:
        assert taken.wait(30)
        assert str(decisions.run_cycle(now=now)) == "another run is at it"
        assert not Decision.objects.exists()
    finally:
        done.set()
        thread.join(30)
    assert decisions.run_cycle(now=now).switches == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_that_dies_leaves_neither_decisions_nor_commands(market, old_slot, now, monkeypatch):
    class Killed(BaseException):
        pass

    def die(rows):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(decisions, "_sum", die)
        with pytest.raises(Killed):
            decisions.run_cycle(now=now)
    assert not Decision.objects.exists()
    assert not Command.objects.exists()
    assert decisions.run_cycle(now=now).switches == 1
