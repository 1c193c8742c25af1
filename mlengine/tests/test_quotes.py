"""Prices of many clients at once say what `pricing.queries` says of each."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mlengine import quotes
from mlengine.tests import world
from mlengine.tests.cases import NOON
from pricing import queries
from pricing.models import CleanPrice, Pool
from spotopt.tests import cast

MINUTE = timedelta(minutes=1)
POOLS = (world.HERE, world.B, world.C)


def both_ways(clients, now=NOON):
    keys = [(client.pk, pool_id) for client in clients for pool_id in POOLS]
    many = quotes.fresh(keys, pools=Pool.objects.in_bulk(), now=now)
    single = {
        (client.pk, pool_id): quotes.Quote(found.price, found.at, found.source)
        for client in clients
        for pool_id, found in queries.current_prices(POOLS, client_id=client.pk, now=now).items()
        if not found.stale
    }
    return many, single


minutes = st.integers(-40 * 60, 0)
amounts = st.sampled_from(["0.01", "0.02", "0.03"])
aws = st.lists(st.tuples(st.sampled_from(POOLS), minutes, amounts), max_size=3)
said = st.lists(
    st.tuples(
        st.sampled_from(POOLS),
        st.integers(0, 1),
        st.integers(-40 * 12, 1),
        amounts,
        st.sampled_from(["normal", "averaged", "interpolated"]),
    ),
    max_size=8,
    unique_by=lambda row: row[:3],
)


class Agreement(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(aws, said)
    def test_the_same_for_every_client(self, aws, said):
        clients = [cast.make_client("One"), cast.make_client("Two")]
        for pool_id in POOLS:
            world.price(pool_id, None, at=NOON)
        for pool_id, at, usd in aws:
            world.price(pool_id, usd, at=NOON + at * MINUTE)
        for pool_id, who, bucket, usd, flag in said:
            world.clean(pool_id, usd, at=NOON + 5 * bucket * MINUTE, client=clients[who], flag=flag)
        many, single = both_ways(clients)
        assert many == single


def test_one_statement_for_all(client_acme, client_other, django_assert_num_queries):
    world.prices(at=NOON, here="0.01", b=None, c="0.02")
    world.clean(world.B, "0.03", at=NOON, client=client_acme)
    pools = Pool.objects.in_bulk()
    keys = [(client.pk, pool_id) for client in (client_acme, client_other) for pool_id in POOLS]
    with django_assert_num_queries(1):
        found = quotes.fresh(keys, pools=pools, now=NOON)
    assert (client_other.pk, world.B) not in found
    assert float(found[client_acme.pk, world.B].price) == 0.03
    with django_assert_num_queries(0):
        assert quotes.fresh([], pools=pools, now=NOON) == {}


@pytest.mark.parametrize(("hours", "known"), [(36, True), (36.01, False)])
def test_what_is_stale_is_absent(client_acme, hours, known):
    at = NOON - timedelta(hours=hours)
    world.prices(at=at, here="0.01", b=None, c=None)
    world.clean(world.B, "0.02", at=at, client=client_acme)
    found, single = both_ways([client_acme])
    assert found == single
    assert len(found) == (2 if known else 0)
    assert CleanPrice.objects.count() == 1
