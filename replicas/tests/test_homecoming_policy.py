"""Whether a machine on demand goes back to spot, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicas import homecoming_policy
from replicas.homecoming_policy import QUIET, Calm, Exile
from replicas.sef_policy import Candidate

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


def calm(zone=2, price="0.0125", *, hazard=0.001, since_refusal=None, **fields):
    candidate = Candidate(
        pool_id=f"t3.medium.use1-az{zone}",
        az_id=f"use1-az{zone}",
        instance_type="t3.medium",
        price=None if price is None else Decimal(price),
        on_demand_price=Decimal("0.0416"),
        **fields,
    )
    return Calm(candidate=candidate, hazard=hazard, since_refusal=since_refusal)


def exile(*pools, **fields):
    return Exile(
        **{
            "on_demand_for": 45 * MINUTES,
            "price": Decimal("0.0416"),
            "pools": pools or (calm(),),
            "time_to_ready": 2 * MINUTES,
            "wait": 5 * MINUTES,
            **fields,
        }
    )


def to(*pools, **fields):
    return homecoming_policy.decide(exile(*pools, **fields)).pool_id


HOME = "t3.medium.use1-az2"


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ({}, HOME),
        ({"since_refusal": 29 * MINUTES}, ""),
        ({"since_refusal": 30 * MINUTES}, HOME),
        ({"hours_since_interruption": 0.49}, ""),
        ({"hours_since_interruption": 0.50}, HOME),
        ({"spot_quarantined_until": NOW}, ""),
        ({"price": None}, ""),
        ({"price": "0.0380"}, ""),  # saves less than a tenth
        ({"price": "0.0374"}, HOME),
        ({"price": "0.0500"}, ""),
        # Lost every five minutes: the overlap alone costs more than that saves.
        ({"hazard": 12.0}, ""),
        ({"hazard": 0.0}, HOME),
    ],
)
def test_a_pool_must_be_quiet_and_pay(pool, expected):
    assert to(calm(**pool)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"on_demand_for": QUIET - MINUTES}, ""),
        ({"on_demand_for": QUIET}, HOME),
        ({"price": None}, ""),
        # 0.0291 USD saved over a day is .70: quiescing for 90 s may cost .70 - .004 of that.
        ({"pause": timedelta(seconds=90), "outage_cost_per_hour": Decimal(27)}, HOME),
        ({"pause": timedelta(seconds=90), "outage_cost_per_hour": Decimal(28)}, ""),
        ({"outage_cost_per_hour": Decimal(1000)}, HOME),  # no pause, no outage
        ({"wait": timedelta(hours=24)}, ""),
    ],
)
def test_the_saving_must_cover_the_move(fields, expected):
    assert to(**fields) == expected


def test_the_best_quiet_pool_is_taken():
    loud = calm(2, "0.0100", since_refusal=MINUTES)
    assert to(loud, calm(3, "0.0125"), calm(4, "0.0110")) == "t3.medium.use1-az4"


def test_a_pool_of_unknown_price_is_passed_over():
    assert to(calm(2, None), calm(3, "0.0125")) == "t3.medium.use1-az3"


def test_the_next_is_taken_where_the_best_does_not_pay():
    # Cheapest, but lost so often that it gains nothing.
    assert to(calm(2, "0.0120", hazard=50.0), calm(3, "0.0125")) == "t3.medium.use1-az3"


def test_the_refusal_says_why():
    way = homecoming_policy.decide(exile(calm(since_refusal=12 * MINUTES)))
    assert way.reason == f"no spot pool is quiet: {HOME} refused a launch 12 minutes ago"
    way = homecoming_policy.decide(exile(on_demand_for=3 * MINUTES))
    assert way.reason == "on demand for 3 minutes only"
    assert homecoming_policy.decide(exile(calm(price=None))).pool_id == ""


def test_nowhere_to_go_is_no_way():
    assert homecoming_policy.decide(replace(exile(), pools=())).pool_id == ""


def test_the_arithmetic_is_kept():
    terms = homecoming_policy.decide(exile()).terms
    assert terms == {
        "saving": 0.0291,
        "stay_hours": 24.0,
        "gain": pytest.approx(0.0291 * 24),
        "cost": pytest.approx(0.0125 * 2 / 60 + 0.0416 * 5 / 60, abs=1e-6),
    }


@given(
    st.lists(
        st.builds(
            calm,
            st.integers(1, 6),
            st.none() | st.decimals("0.0001", "0.1", places=4).map(str),
            hazard=st.floats(0, 50),
            since_refusal=st.none() | st.timedeltas(timedelta(0), timedelta(hours=2)),
            hours_since_interruption=st.none() | st.floats(0, 100),
        ),
        max_size=6,
        unique_by=lambda c: c.candidate.pool_id,
    )
)
def test_where_it_goes_is_quiet_and_cheaper(pools):
    way = homecoming_policy.decide(replace(exile(), pools=pools))
    if way.pool_id:
        home = next(c for c in pools if c.candidate.pool_id == way.pool_id)
        assert homecoming_policy.disquiet(home) == ""
        assert home.candidate.price is not None
        assert home.candidate.price < Decimal("0.0416")
        assert way.terms["gain"] > way.terms["cost"]
