"""Whether a standby earns its keep, as a table."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicas import standby_policy
from replicas.standby_policy import ADAPTIVE, ALWAYS, OFF, View

MINUTES = timedelta(minutes=1)

# A loss in ten hours, six minutes to a ready machine, no silent deaths: saves .0681 h of outage at a loss.
VIEW = View(
    policy=ADAPTIVE,
    hazard=0.1,
    outage_cost_per_hour=Decimal(1),
    time_to_ready=6 * MINUTES,
    unannounced=0.0,
    price=Decimal("0.0050"),
)


def view(**fields):
    return replace(VIEW, **fields)


def wanted(**fields):
    return standby_policy.decide(view(**fields)).wanted


@pytest.mark.parametrize(
    ("ready", "quiesce", "unannounced", "seconds"),
    [
        (60, 0, 0.0, 0),  # up before the machine goes
        (115, 0, 0.0, 0),
        (120, 0, 0.0, 5),
        (360, 0, 0.0, 245),
        (60, 60, 0.0, 5),  # quiescing takes from the notice
        (60, 90, 0.0, 35),
        (60, 300, 0.0, 60),  # and never more than all of it
        (60, 0, 1.0, 60),  # no notice: all of the launch is outage
        (60, 0, 0.5, 30),
        (360, 0, 0.2, 0.8 * 245 + 0.2 * 360),
    ],
)
def test_the_outage_that_a_standby_saves(ready, quiesce, unannounced, seconds):
    hours = standby_policy.outage_hours(
        time_to_ready=timedelta(seconds=ready),
        quiesce=timedelta(seconds=quiesce),
        unannounced=unannounced,
    )
    assert hours * 3600 == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # value = .1 x 245/3600 h x 1 USD = .0068 USD an hour
        ({}, True),
        ({"price": Decimal("0.0069")}, False),
        ({"price": Decimal("0.0125")}, False),
        ({"price": Decimal("0.0125"), "outage_cost_per_hour": Decimal(10)}, True),
        ({"hazard": 0.0002}, False),
        ({"hazard": 0.0}, False),
        ({"time_to_ready": 1 * MINUTES}, False),
        ({"time_to_ready": 1 * MINUTES, "unannounced": 1.0}, False),
        ({"time_to_ready": 4 * MINUTES, "unannounced": 1.0}, True),
        ({"outage_cost_per_hour": Decimal(0)}, False),
        # What it costs is not known: no standby for its value's sake.
        ({"price": None}, False),
        # A machine on demand is not interrupted.
        ({"on_demand": True, "hazard": 0.9}, False),
    ],
)
def test_adaptive_keeps_one_while_it_is_worth_more_than_it_costs(fields, expected):
    assert wanted(**fields) is expected


def test_off_means_none_whatever_the_risk():
    assert not wanted(policy=OFF, hazard=1.0, risk=1.0, recommended=True, kept_for=MINUTES)


def test_always_means_one_whatever_it_costs():
    assert wanted(policy=ALWAYS, hazard=0.0, price=None, on_demand=True)


@pytest.mark.parametrize(
    ("risk", "kept_minutes", "expected"),
    [
        (0.31, None, True),
        (0.30, None, False),  # over .30, not at it
        (0.28, None, False),
        (0.28, 20, True),  # not let go of at the threshold itself
        (0.27, 20, True),
        (0.26, 20, False),
        (0.05, 9, True),  # it has only just come up
        (0.05, 10, False),
    ],
)
def test_a_recommendation_wants_one_over_thirty_percent_and_does_not_flap(
    risk, kept_minutes, expected
):
    kept = None if kept_minutes is None else kept_minutes * MINUTES
    assert wanted(recommended=True, risk=risk, kept_for=kept, hazard=0.0) is expected


def test_without_a_recommendation_the_score_alone_brings_no_standby():
    # A young machine scores .25 and more: that is a rank, no probability.
    assert not wanted(recommended=False, risk=0.9, hazard=0.0)


@pytest.mark.parametrize(
    ("price", "kept", "expected"),
    [
        ("0.0067", False, True),
        ("0.0069", False, False),
        ("0.0069", True, True),
        ("0.0097", True, True),
        ("0.0098", True, False),
    ],
)
def test_its_value_has_hysteresis_too(price, kept, expected):
    assert wanted(price=Decimal(price), kept_for=60 * MINUTES if kept else None) is expected


def test_a_recommended_standby_may_stay_for_its_value():
    verdict = standby_policy.decide(view(recommended=True, risk=0.1, kept_for=60 * MINUTES))
    assert verdict.wanted
    assert "worth 0.0068 USD an hour and costs 0.0050" in verdict.reason


def test_a_refusal_says_both_reasons():
    verdict = standby_policy.decide(
        view(recommended=True, risk=0.2, kept_for=60 * MINUTES, price=Decimal("0.05"))
    )
    assert not verdict.wanted
    assert verdict.reason == (
        "risk fell to 0.20, below 0.27; it is worth 0.0068 USD an hour and costs 0.0500"
    )


def test_every_verdict_keeps_its_arithmetic():
    terms = standby_policy.decide(VIEW).terms
    assert terms == {
        "hazard": 0.1,
        "outage_hours": pytest.approx(245 / 3600, abs=1e-6),
        "outage_cost_per_hour": 1.0,
        "value": pytest.approx(0.1 * 245 / 3600, abs=1e-6),
        "price": 0.005,
        "risk": 0.0,
    }


@pytest.mark.parametrize(
    ("risk", "calmest", "expected"),
    [
        (0.51, 0.31, "on-demand"),
        (0.51, 0.30, ""),
        (0.50, 0.90, ""),
        (0.90, None, "on-demand"),  # no other spot pool at all
        (0.20, None, ""),
    ],
)
def test_on_demand_where_spot_itself_is_at_risk(risk, calmest, expected):
    assert standby_policy.mode(risk=risk, calmest=calmest) == expected


shares = st.floats(0, 1)
views = st.builds(
    View,
    policy=st.sampled_from([OFF, ADAPTIVE, ALWAYS]),
    hazard=shares,
    risk=shares,
    recommended=st.booleans(),
    on_demand=st.booleans(),
    outage_cost_per_hour=st.decimals(0, 10_000, places=2),
    time_to_ready=st.timedeltas(timedelta(0), timedelta(hours=2)),
    quiesce=st.timedeltas(timedelta(0), timedelta(seconds=90)),
    unannounced=shares,
    price=st.none() | st.decimals("0.0001", "50", places=4),
    kept_for=st.none() | st.timedeltas(timedelta(0), timedelta(days=3)),
)


@given(views)
def test_what_was_just_launched_is_never_let_go_of_by_the_same_facts(seen):
    if seen.kept_for is None and standby_policy.decide(seen).wanted:
        for minutes in (0, 5, 10, 600):
            assert standby_policy.decide(replace(seen, kept_for=minutes * MINUTES)).wanted


@given(views, st.floats(0, 1))
def test_more_hazard_never_ends_a_standby(seen, hazard):
    low, high = sorted((seen.hazard, hazard))
    if standby_policy.decide(replace(seen, hazard=low)).wanted:
        assert standby_policy.decide(replace(seen, hazard=high)).wanted


@given(views)
def test_every_verdict_has_a_reason_that_fits_where_it_is_kept(seen):
    assert 0 < len(standby_policy.decide(seen).reason) <= 200
