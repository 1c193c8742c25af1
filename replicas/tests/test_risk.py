"""The rule-based risk: the formula term by term, and what a recommendation adds."""

from datetime import timedelta

import pytest

from replicas import risk
from replicas.models import InterruptionEvent
from spotopt.tests import cast


def score(**terms):
    known = {"interruptions_30d": 0, "volatility": 0.0, "slope": 0.0, "age_hours": 1e9}
    return risk.rule_based(**{**known, **terms}).value


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, 0.05),
        ({"interruptions_30d": 15}, 0.05 + 0.20),
        ({"interruptions_30d": 300}, 0.05 + 0.40),
        ({"volatility": 0.45}, 0.05 + 0.135),
        ({"volatility": 7.0}, 0.05 + 0.30),
        ({"age_hours": 0.0}, 0.05 + 0.20),
        ({"age_hours": 3.0}, 0.05 + 0.05),
        ({"slope": 0.02}, 0.10),
        ({"slope": 0.01}, 0.05),
        ({"slope": -0.5}, 0.05),
    ],
)
def test_the_formula(terms, expected):
    assert score(**terms) == pytest.approx(expected, abs=1e-6)


def test_the_worst_is_one():
    assert score(interruptions_30d=99, volatility=9, slope=1, age_hours=0) == pytest.approx(1.0)


def test_without_an_age_the_other_weights_are_scaled_up():
    value = score(interruptions_30d=15, age_hours=None)
    assert value == pytest.approx((0.40 * 0.5 + 0.10 * 0.5) / 0.80)


def test_unknown_prices_count_as_calm():
    assert score(volatility=None, slope=None) == pytest.approx(score())


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, 0.37), (30, 1 - 0.9 * 0.85), (60, 0.10), (90, 0.10)]
)
def test_a_recommendation_fades_over_an_hour(minutes, expected):
    value = risk.with_recommendation(0.10, precision=0.30, since=timedelta(minutes=minutes))
    assert value == pytest.approx(expected)


def event(instance, kind, at):
    return InterruptionEvent.objects.create(
        client_id=instance.client_id,
        agent_id=instance.agent_id,
        instance=instance,
        pool_id=instance.pool_id,
        kind=kind,
        key=at.isoformat(),
        detected_at=at,
        received_at=at,
    )


def test_precision_starts_at_its_prior(slot):
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(0.3)


def test_precision_learns_from_what_followed(slot):
    hit = slot.primary
    event(hit, "rebalance", cast.NOON - timedelta(hours=5))
    event(hit, "notice", cast.NOON - timedelta(hours=4, minutes=30))
    assert risk.precision(hit.pool_id, now=cast.NOON) == pytest.approx(4 / 11)


def test_a_notice_after_more_than_an_hour_is_a_miss(slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    event(slot.primary, "notice", cast.NOON - timedelta(hours=3, minutes=30))
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(3 / 11)


def test_a_recommendation_whose_hour_is_not_over_does_not_count_yet(slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(minutes=30))
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(0.3)


def test_another_machines_notice_is_no_hit(slot, other_slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    event(other_slot.primary, "notice", cast.NOON - timedelta(hours=4, minutes=50))
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(3 / 11)
