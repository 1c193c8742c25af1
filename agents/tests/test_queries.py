"""What lists show, in a number of statements that does not grow with them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import costs, instances, queries
from agents.models import Agent
from agents.tests import support
from pricing.models import OnDemandPrice, Pool
from spotopt.tests import cast
from spotopt.tests.cast import NOON

pytestmark = pytest.mark.django_db


def price(pool_id, usd, at=NOON):
    Pool.objects.filter(pk=pool_id).update(spot_price=Decimal(usd), spot_price_at=at)


@pytest.fixture
def on_demand(db):
    """t3.medium at 0.0416, since yesterday."""
    OnDemandPrice.objects.create(
        instance_type="t3.medium",
        region="us-east-1",
        price=Decimal("0.0416"),
        effective_from=NOON - timedelta(days=1),
    )


def shown(*clients):
    agents = queries.visible([client.pk for client in clients])
    return queries.rows(agents, now=NOON)


class TestRows:
    def test_an_agent_with_all_it_has(self, slot, standby, client_acme, on_demand):
        price(slot.primary.pool_id, "0.0104")
        (row,) = shown(client_acme)
        assert (row.agent, row.primary, list(row.standbys)) == (slot.agent, slot.primary, [standby])
        assert (row.price, row.on_demand_price) == (Decimal("0.0104"), Decimal("0.0416"))
        assert row.saving == pytest.approx(0.75)

    def test_what_is_not_known_is_not_zero(self, slot, client_acme):
        (row,) = shown(client_acme)
        assert (row.price, row.on_demand_price, row.saving) == (None, None, None)

    def test_a_stale_price_is_not_known(self, slot, client_acme, on_demand):
        price(slot.primary.pool_id, "0.0104", at=NOON - timedelta(days=3))
        (row,) = shown(client_acme)
        assert (row.price, row.saving) == (None, None)

    def test_an_on_demand_machine_costs_what_on_demand_costs(self, client_acme, on_demand):
        agent = cast.make_agent(client_acme)
        cast.make_instance(agent, "i-0acme0000000001", mode="on-demand")
        (row,) = shown(client_acme)
        assert (row.price, row.saving) == (Decimal("0.0416"), 0)

    def test_neither_the_gone_nor_the_superseded_are_shown(self, slot, standby, client_acme):
        third = cast.make_instance(slot.agent, "i-0acme0000000003", role="standby")
        instances.confirm_gone(third, now=NOON)
        support.move(slot.primary, standby)
        (row,) = shown(client_acme)
        assert (row.primary, list(row.standbys)) == (standby, [])

    def test_a_slot_without_a_primary(self, client_acme):
        cast.make_agent(client_acme)
        (row,) = shown(client_acme)
        assert (row.primary, row.price, row.saving) == (None, None, None)

    def test_neither_foreign_nor_terminated_agents(self, slot, other_slot, client_acme):
        terminated = cast.make_agent(client_acme, status=Agent.Status.TERMINATED)
        found = [row.agent for row in shown(client_acme)]
        assert found == [slot.agent]
        assert terminated not in found

    def test_staff_sees_all(self, slot, other_slot):
        found = queries.rows(queries.visible(None), now=NOON)
        assert {row.agent for row in found} == {slot.agent, other_slot.agent}

    def test_nobody_sees_none(self, slot):
        assert queries.rows(queries.visible([]), now=NOON) == []

    def test_the_budget(self, client_acme, on_demand):
        def count():
            with CaptureQueriesContext(connection) as statements:
                for row in shown(client_acme):
                    assert row.primary.pool.region
                    assert row.agent.client.name
            return len(statements)

        for number in range(2):
            cast.make_slot(client_acme, f"i-few{number}")
        few = count()
        for number in range(20):
            cast.make_slot(client_acme, f"i-many{number}")
        assert count() == few
        assert few <= 6


class TestOthers:
    def test_switches_the_newest_first(self, slot, standby, client_acme, other_slot):
        first = support.move(slot.primary, standby)
        third = cast.make_instance(slot.agent, "i-0acme0000000003", role="standby")
        second = support.move(standby, third, now=NOON + timedelta(hours=1))
        with CaptureQueriesContext(connection) as statements:
            found = list(queries.switches([client_acme.pk]))
            assert [row.to_instance.pool.region for row in found] == ["us-east-1"] * 2
            assert [row.agent for row in found] == [slot.agent] * 2
        assert found == [second, first]
        assert len(statements) == 1
        assert list(queries.switches([other_slot.agent.client_id])) == []
        assert queries.switches(None).count() == 2

    def test_commands_the_newest_first(self, slot):
        first = support.issue(slot.primary)
        second = support.issue(slot.primary, dedupe_key="b", now=NOON + timedelta(hours=1))
        assert list(queries.recent_commands(slot.agent)) == [second, first]

    def test_counts(self, slot, standby, other_slot, client_acme, django_assert_num_queries):
        cast.make_instance(
            cast.make_agent(client_acme, status="offline"), "i-0od", mode="on-demand"
        )
        gone = cast.make_instance(slot.agent, "i-0gone", role="superseded")
        instances.confirm_gone(gone, now=NOON)
        with django_assert_num_queries(2):
            found = queries.counts([client_acme.pk])
        assert found == {"agents": 2, "online": 1, "offline": 1, "spot": 2, "on_demand": 1}
        assert queries.counts(None)["agents"] == 3


class TestCosts:
    def test_at_a_switch(self, slot, standby, on_demand):
        price(slot.primary.pool_id, "0.02")
        price(standby.pool_id, "0.0125")
        found = costs.at_switch(old=slot.primary, new=standby, now=NOON)
        assert (found.old, found.new) == (Decimal("0.02"), Decimal("0.0125"))
        assert found.on_demand == Decimal("0.0416")

    def test_with_nothing_before_and_nothing_known(self, standby):
        found = costs.at_switch(old=None, new=standby, now=NOON)
        assert (found.old, found.new, found.on_demand) == (None, None, None)

    def test_its_statements_do_not_grow(self, slot, on_demand):
        def count(rows):
            with CaptureQueriesContext(connection) as statements:
                costs.hourly(rows, client_id=slot.agent.client_id, now=NOON)
            return len(statements)

        rows = [
            cast.make_instance(
                slot.agent,
                f"i-{n}",
                role="standby",
                pool=cast.make_pool(az_id=f"use1-az{n % 6 + 1}"),
                mode="spot" if n % 2 else "on-demand",
            )
            for n in range(12)
        ]
        assert count(rows) == count(rows[:2]) <= 3
