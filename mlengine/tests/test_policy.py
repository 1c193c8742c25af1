"""Policy `seed` as a table: what passes, what is refused and why, which of several is taken."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from mlengine import policy
from mlengine.situation import Limits
from mlengine.tests.cases import HERE, NOON, B, C, current, own, place, situation

LATER, EARLIER = NOON + timedelta(minutes=2), NOON - timedelta(minutes=2)


def test_the_example_of_the_specification():
    """.0456 now, .0312 in another zone at risk .15: 31.6 % saved, so it moves."""
    verdict = policy.choose(situation(place(B, "0.0312", 0.15)))
    assert (verdict.action, verdict.pool_id, verdict.mode) == ("switch", B, "spot")
    assert verdict.terms["saving"] == pytest.approx(0.3158, abs=1e-4)
    assert verdict.terms["present_price"] == 0.0456
    assert verdict.terms["risk"] == 0.15
    assert "31.6%" in verdict.reason
    assert "0.15" in verdict.reason


@pytest.mark.parametrize(
    ("price", "risk", "limits", "refusal"),
    [
        # Saving over the threshold, risk below the limit; both are strict.
        ("0.69", 0.29, Limits(), ""),
        ("0.70", 0.10, Limits(), "saves 30.0%, needs more than 30%"),
        ("0.71", 0.10, Limits(), "saves 29.0%, needs more than 30%"),
        ("1.20", 0.10, Limits(), "saves -20.0%, needs more than 30%"),
        # A medium risk has to pay.
        ("0.69", 0.30, Limits(), "more than 50%, saves 31.0%"),
        ("0.50", 0.40, Limits(), "more than 50%, saves 50.0%"),
        ("0.49", 0.30, Limits(), ""),
        ("0.49", 0.50, Limits(), ""),
        # A high one is never taken.
        ("0.01", 0.5001, Limits(), "risk 0.50 is above 0.50"),
        ("0.01", 1.0, Limits(), "risk 1.00 is above 0.50"),
        # What the client sets binds.
        ("0.49", 0.40, own(max_risk_score=0.40), "client's limit of 0.40"),
        ("0.49", 0.39, own(max_risk_score=0.40), ""),
        ("0.49", 0.25, own(max_risk_score=0.20), "client's limit of 0.20"),
        ("0.69", 0.40, own(max_risk_score=0.90), "more than 50%"),
        ("0.01", 0.60, own(max_risk_score=0.90), "above 0.50"),
        ("0.90", 0.10, own(min_savings_threshold=0.05), ""),
        ("0.49", 0.10, own(min_savings_threshold=0.60), "needs more than 60%"),
        ("0.49", 0.40, own(min_savings_threshold=0.60), "needs more than 60%"),
        ("0.99", 0.10, own(min_savings_threshold=0.0), ""),
        ("1.00", 0.10, own(min_savings_threshold=0.0), "needs more than 0%"),
        # No number is no permission.
        ("0.01", float("nan"), Limits(), "risk nan"),
    ],
)
def test_what_passes(price, risk, limits, refusal):
    seen = situation(place(B, price, risk), current=current("1.00", on_demand_price=Decimal(3)))
    verdict = policy.choose(replace(seen, limits=limits))
    assert verdict.action == ("stay" if refusal else "switch")
    assert refusal in verdict.passed_over.get(B, "")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"price": None}, "unknown or stale"),
        ({"spot_quarantined_until": LATER}, "quarantined until 12:02:00"),
        ({"spot_quarantined_until": EARLIER}, ""),
        ({"on_demand_quarantined_until": LATER}, ""),
    ],
)
def test_pools_that_cannot_be_asked(changes, refusal):
    verdict = policy.choose(situation(replace(place(), **changes)))
    assert verdict.action == ("stay" if refusal else "switch")
    assert refusal in verdict.passed_over.get(B, "")


@pytest.mark.parametrize("mode", ["spot", "on-demand"])
def test_an_unknown_present_price_moves_nothing(mode):
    verdict = policy.choose(situation(place(), current=current(None, mode=mode)))
    assert (verdict.action, verdict.reason) == ("stay", "the present price is unknown or stale")


def test_the_best_net_saving_wins_and_the_others_say_why_not():
    cheap, safe, dear = place(B, "0.0200", 0.29), place(C, "0.0210", 0.02), place(HERE, "0.0456")
    verdict = policy.choose(situation(cheap, safe, dear))
    # (.0456-.0200)·.71 = .0182 against (.0456-.0210)·.98 = .0241
    assert verdict.pool_id == C
    assert "passes, but nets 0.0" in verdict.passed_over[B]
    assert set(verdict.passed_over) == {B}


def test_the_net_is_the_arithmetic_that_is_documented():
    limits = Limits(cooldown=timedelta(hours=2), max_switches_per_day=3)
    seen = situation(
        place(B, "0.0300", 0.20),
        limits=limits,
        overlap_before=timedelta(minutes=2),
        overlap_after=timedelta(minutes=6),
    )
    move = (0.03 * 2 / 60 + 0.0456 * 6 / 60) / 8
    expected = (0.0456 - 0.03) * 0.8 - move
    assert policy.choose(seen).terms["net_usd_per_hour"] == pytest.approx(expected)


def test_the_cost_of_a_move_can_decide():
    """A small saving of a big machine counts more, per hour, than a large one of the same."""
    small, big = place(B, "0.0300", 0.0), place(C, "0.0100", 0.0)
    assert policy.choose(situation(small, big)).pool_id == C


def test_equals_are_told_apart_by_name_so_that_all_processes_choose_alike():
    one, two = place(B, "0.02"), place(C, "0.02")
    assert {policy.choose(situation(*order)).pool_id for order in ((one, two), (two, one))} == {B}


def test_in_the_best_pool_it_stays():
    verdict = policy.choose(situation(place(B, "0.05"), place(C, "0.06"), place(HERE, "0.0456")))
    assert verdict.action == "stay"
    assert verdict.reason == "already in the best pool: none of 2 others is cheaper"


def test_a_near_miss_is_named():
    verdict = policy.choose(situation(place(B, "0.0400"), place(C, "0.0420")))
    assert verdict.reason == (
        f"no pool passes; the cheapest, {B}: saves 12.3%, needs more than 30%"
    )
    assert set(verdict.passed_over) == {B, C}


def test_nowhere_to_go():
    assert policy.choose(situation()).reason == "the slot may run nowhere else"
    unknown = policy.choose(situation(place(B, None), place(C, None)))
    assert unknown.reason == "no other pool's price is known"
    assert policy.choose(situation(place(), current=None)).action == "stay"


def on_demand(**fields):
    return current("0.0832", 0.0, mode="on-demand", **fields)


def test_the_way_back_from_on_demand_is_an_ordinary_decision_even_to_the_same_pool():
    verdict = policy.choose(situation(place(HERE, "0.0300"), current=on_demand()))
    assert (verdict.action, verdict.pool_id, verdict.mode) == ("switch", HERE, "spot")


def test_on_demand_is_left_only_for_a_pool_that_passes():
    dear = policy.choose(situation(place(HERE, "0.0600"), current=on_demand()))
    risky = policy.choose(situation(place(HERE, "0.0300", 0.6), current=on_demand()))
    assert (dear.action, risky.action) == ("stay", "stay")


def risky(price="0.0300", **fields):
    return current(price, 0.51, **fields)


def test_above_half_it_goes_on_demand_where_no_spot_pool_passes():
    verdict = policy.choose(situation(place(B, "0.0200", 0.7), current=risky()))
    assert (verdict.action, verdict.pool_id, verdict.mode) == ("on_demand", HERE, "on-demand")
    assert "risk 0.51 is above 0.50" in verdict.reason
    assert verdict.passed_over == {B: "risk 0.70 is above 0.50"}
    assert verdict.terms["price"] == 0.0832


def test_at_half_it_does_not():
    seen = situation(place(B, "0.0290", 0.2), current=current("0.03", 0.50))
    assert policy.choose(seen).action == "stay"


def test_a_calm_pool_is_better_than_on_demand_though_it_saves_nothing_against_the_present_price():
    verdict = policy.choose(situation(place(B, "0.0310", 0.1), current=risky()))
    assert (verdict.action, verdict.pool_id) == ("switch", B)
    assert "of on-demand" in verdict.reason
    assert verdict.terms["staying"] == 0.0832


def test_a_pool_that_saves_too_little_against_on_demand_is_not():
    verdict = policy.choose(situation(place(B, "0.0600", 0.1), current=risky()))
    assert verdict.action == "on_demand"


@pytest.mark.parametrize(
    ("own_until", "other_until", "expected"),
    [
        (None, None, ("on_demand", HERE)),
        (EARLIER, LATER, ("on_demand", HERE)),
        (LATER, None, ("on_demand", B)),
        (LATER, LATER, ("stay", "")),
    ],
)
def test_on_demand_goes_where_it_was_not_just_refused(own_until, other_until, expected):
    other = place(B, "0.08", 0.9, on_demand_quarantined_until=other_until)
    other_type = place("m5.large.use1-az1", "0.08", 0.9)
    here = risky(on_demand_quarantined_until=own_until)
    verdict = policy.choose(situation(other_type, other, current=here))
    assert (verdict.action, verdict.pool_id) == expected


def test_an_unknown_on_demand_price_is_no_way_out():
    verdict = policy.choose(situation(place(B, None), current=risky(on_demand_price=None)))
    assert (verdict.action, verdict.reason) == ("stay", "the on-demand price is unknown or stale")


@pytest.mark.parametrize(
    ("price", "on_demand_price", "target", "under"),
    [
        ("0.50", "1.00", 50, False),
        ("0.51", "1.00", 50, True),
        ("1.00", "1.00", 0, False),
        ("1.00", "1.00", 1, True),
        (None, "1.00", 50, None),
        ("0.50", None, 50, None),
    ],
)
def test_under_target_is_measured_against_on_demand(price, on_demand_price, target, under):
    here = current(price, on_demand_price=Decimal(on_demand_price) if on_demand_price else None)
    assert situation(current=here, target_savings_percent=target).under_target is under
