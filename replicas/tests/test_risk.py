"""The rule-based risk: the formula term by term, and what a recommendation adds."""

from datetime import timedelta

import pytest

from agents.models import Instance
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


def test_a_death_follows_a_recommendation_as_a_notice_does(slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    event(slot.primary, "death", cast.NOON - timedelta(hours=4, minutes=30))
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(4 / 11)


@pytest.mark.parametrize(
    ("after", "hits"),
    [
        (timedelta(0), 1),
        (timedelta(hours=1), 1),
        (timedelta(hours=1, seconds=1), 0),
        (timedelta(seconds=-1), 0),
    ],
)
def test_the_hour_has_two_ends(slot, after, hits):
    at = cast.NOON - timedelta(hours=5)
    event(slot.primary, "rebalance", at)
    event(slot.primary, "notice", at + after)
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx((3 + hits) / 11)


def test_several_notices_are_one_hit(slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    for minutes in (10, 25, 50):
        event(slot.primary, "notice", cast.NOON - timedelta(hours=5) + timedelta(minutes=minutes))
    assert risk.precision(slot.primary.pool_id, now=cast.NOON) == pytest.approx(4 / 11)


def test_each_pool_has_its_own_precision(slot):
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    assert risk.precision("t3.medium.use1-az6", now=cast.NOON) == pytest.approx(0.3)


def test_an_unverified_machine_counts_for_its_own_client_alone(slot, other_slot):
    Instance.objects.filter(pk=slot.primary.pk).update(verified=False)
    event(slot.primary, "rebalance", cast.NOON - timedelta(hours=5))
    pool_id = slot.primary.pool_id
    own, other = slot.agent.client_id, other_slot.agent.client_id
    assert risk.precision(pool_id, now=cast.NOON, client_id=own) == pytest.approx(3 / 11)
    assert risk.precision(pool_id, now=cast.NOON, client_id=other) == pytest.approx(0.3)
    assert risk.precision(pool_id, now=cast.NOON) == pytest.approx(0.3)


def test_a_clock_that_is_ahead_does_not_make_the_evidence_stronger():
    ahead = risk.with_recommendation(0.10, precision=0.30, since=timedelta(minutes=-30))
    assert ahead == pytest.approx(0.37)


def test_the_running_machines_risk_counts_its_latest_recommendation(slot):
    machine = slot.primary
    launched = cast.NOON - timedelta(days=30)
    Instance.objects.filter(pk=machine.pk).update(launched_at=launched)
    machine.refresh_from_db()
    base = risk.of_instance(machine, now=cast.NOON).value
    event(machine, "rebalance", cast.NOON - timedelta(minutes=50))
    event(machine, "rebalance", cast.NOON - timedelta(minutes=30))
    found = risk.of_instance(machine, now=cast.NOON)
    assert found.value == pytest.approx(1 - (1 - base) * (1 - 0.3 * 0.5))
    assert found.terms["score"] == pytest.approx(base)
    assert found.terms["recommendation_precision"] == pytest.approx(0.3)


# --- the hazard --------------------------------------------------------------------------------


def hazard(slot):
    pool_id = slot.primary.pool_id
    return risk.hazards([pool_id], client_id=slot.agent.client_id, now=cast.NOON)[pool_id]


def stands_since(machine, hours, until=None):
    Instance.objects.filter(pk=machine.pk).update(
        launched_at=cast.NOON - timedelta(hours=hours),
        terminated_at=None if until is None else cast.NOON - timedelta(hours=until),
    )


def test_without_any_history_the_hazard_is_the_prior(slot):
    stands_since(slot.primary, 0)
    assert hazard(slot) == pytest.approx(0.1 / 500)


def test_hours_without_a_loss_lower_it_and_losses_raise_it(slot):
    stands_since(slot.primary, 100)
    assert hazard(slot) == pytest.approx(0.1 / 600)
    event(slot.primary, "notice", cast.NOON - timedelta(hours=50))
    assert hazard(slot) == pytest.approx(1.1 / 600)


def test_only_the_last_thirty_days_count(slot):
    stands_since(slot.primary, 2000)
    event(slot.primary, "notice", cast.NOON - timedelta(days=31))
    assert hazard(slot) == pytest.approx(0.1 / (500 + 720))


def test_a_machine_that_has_ended_counts_for_its_time(slot):
    stands_since(slot.primary, 100, until=40)
    assert hazard(slot) == pytest.approx(0.1 / 560)


def test_machines_on_demand_say_nothing_of_spot(slot):
    stands_since(slot.primary, 100)
    Instance.objects.filter(pk=slot.primary.pk).update(mode="on-demand")
    assert hazard(slot) == pytest.approx(0.1 / 500)


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [
        (0.0, None, 0.0),
        (0.0002, None, 0.0002),
        (1.0, None, 0.6321),
        (0.0, 0, 0.30),
        (0.0, 30, 0.15),
        (0.0, 60, 0.0),
        (1.0, 0, 1 - 0.3679 * 0.7),
    ],
)
def test_the_probability_within_the_hour(rate, minutes, expected):
    since = None if minutes is None else timedelta(minutes=minutes)
    value = risk.hourly(rate, precision=0.3, recommended_since=since)
    assert value == pytest.approx(expected, abs=1e-4)


def test_candidate_pools_are_scored_without_an_age(slot):
    pool_id = slot.primary.pool_id
    for number in range(15):
        event(slot.primary, "notice", cast.NOON - timedelta(days=1, minutes=number * 20))
    scores = risk.of_pools([pool_id, "x"], client_id=slot.agent.client_id, now=cast.NOON)
    assert scores[pool_id] == pytest.approx((0.40 * 0.5 + 0.10 * 0.5) / 0.80)
    assert scores["x"] == pytest.approx(0.10 * 0.5 / 0.80)
