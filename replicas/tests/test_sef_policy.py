"""Where the next machine goes, as a table: no clock, no database, no mock."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicas import sef_policy
from replicas.sef_policy import ON_DEMAND, SPOT, Candidate, Situation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def pool(zone, price="0.012", *, kind="t3.medium", **fields):
    return Candidate(
        **{
            "pool_id": f"{kind}.use1-az{zone}",
            "az_id": f"use1-az{zone}",
            "instance_type": kind,
            "price": None if price is None else Decimal(price),
            "on_demand_price": Decimal("0.0416"),
            **fields,
        }
    )


def situation(*candidates, **fields):
    return Situation(
        **{
            "now": NOW,
            "candidates": candidates,
            "current_type": "t3.medium",
            "failing_az": "use1-az1",
            **fields,
        }
    )


def chosen(*candidates, **fields):
    choice = sef_policy.choose(situation(*candidates, **fields))
    return None if choice is None else (choice.pool_id, choice.mode)


def test_the_cheapest_calm_pool_outside_the_failing_zone_wins():
    assert chosen(pool(1, "0.001"), pool(2, "0.015"), pool(3, "0.012")) == (
        "t3.medium.use1-az3",
        SPOT,
    )


def test_many_losses_outweigh_a_small_difference_in_price():
    lossy = pool(2, "0.011", interruptions_30d=25)
    assert chosen(pool(1), lossy, pool(3, "0.013")) == ("t3.medium.use1-az3", SPOT)


def test_a_large_difference_in_price_outweighs_few_losses():
    cheap = pool(2, "0.006", interruptions_30d=2)
    assert chosen(pool(1), cheap, pool(3, "0.030")) == ("t3.medium.use1-az2", SPOT)


def test_a_loss_an_hour_ago_counts_more_than_one_two_days_ago():
    fresh = pool(2, hours_since_interruption=1.0, interruptions_30d=1)
    stale = pool(3, hours_since_interruption=48.0, interruptions_30d=1)
    assert chosen(pool(1), fresh, stale) == ("t3.medium.use1-az3", SPOT)


def test_a_quarantined_pool_is_passed_over_with_its_reason():
    held = pool(2, "0.005", spot_quarantined_until=NOW + timedelta(minutes=2))
    choice = sef_policy.choose(situation(held, pool(3)))
    assert choice is not None
    assert choice.pool_id == "t3.medium.use1-az3"
    assert "quarantined until 12:02:00" in choice.passed_over["t3.medium.use1-az2 spot"]


def test_a_sentence_that_has_run_out_does_not_count():
    free = pool(2, "0.005", spot_quarantined_until=NOW - timedelta(seconds=1))
    assert chosen(free, pool(3)) == ("t3.medium.use1-az2", SPOT)


def test_on_demand_elsewhere_comes_before_spot_in_the_failing_zone():
    refused = {"spot_refused_at": NOW - timedelta(seconds=1)}
    assert chosen(pool(1), pool(2, **refused), pool(3, **refused)) == (
        "t3.medium.use1-az2",
        ON_DEMAND,
    )


def test_the_failing_zone_serves_when_no_other_answers():
    gone = {
        "spot_refused_at": NOW - timedelta(seconds=1),
        "on_demand_refused_at": NOW - timedelta(seconds=1),
    }
    assert chosen(pool(1), pool(2, **gone), pool(3, **gone)) == ("t3.medium.use1-az1", SPOT)


def test_when_all_have_just_refused_there_is_no_choice_yet():
    gone = {
        "spot_refused_at": NOW - timedelta(seconds=1),
        "on_demand_refused_at": NOW - timedelta(seconds=1),
    }
    assert chosen(pool(1, **gone), pool(2, **gone)) is None


def test_when_all_are_held_an_emergency_asks_all_the_same():
    held = {
        "spot_quarantined_until": NOW + timedelta(hours=1),
        "on_demand_quarantined_until": NOW + timedelta(hours=1),
    }
    seen = situation(pool(1, **held), pool(2, **held))
    assert sef_policy.choose(seen) is None
    choice = sef_policy.choose(sef_policy.without_quarantine(seen))
    assert choice is not None
    assert (choice.pool_id, choice.mode) == ("t3.medium.use1-az2", SPOT)
    # What refused in this very move is still left alone.
    refused = situation(pool(2, **held, spot_refused_at=NOW, on_demand_refused_at=NOW))
    assert sef_policy.choose(sef_policy.without_quarantine(refused)) is None


def test_refusals_within_a_move_are_forgotten_after_a_while():
    long_ago = {"spot_refused_at": NOW - sef_policy.REFUSAL_FORGOTTEN}
    assert chosen(pool(2, **long_ago)) == ("t3.medium.use1-az2", SPOT)


def test_a_standby_that_may_wait_does_not_go_on_demand():
    refused = {"spot_refused_at": NOW - timedelta(seconds=1)}
    assert chosen(pool(2, **refused), on_demand_allowed=False) is None


def test_without_spot_quota_it_goes_on_demand():
    assert chosen(pool(2), pool(3), spot_allowed=False) == ("t3.medium.use1-az2", ON_DEMAND)


def test_an_unknown_price_never_beats_a_known_one():
    assert chosen(pool(2, None), pool(3, "0.041")) == ("t3.medium.use1-az3", SPOT)


def test_only_unknown_prices_still_give_a_machine():
    assert chosen(pool(2, None), pool(3, None)) == ("t3.medium.use1-az2", SPOT)


def test_the_named_pool_goes_first_even_in_the_same_zone():
    assert chosen(pool(1), pool(2, "0.001"), wanted_pool="t3.medium.use1-az1") == (
        "t3.medium.use1-az1",
        SPOT,
    )


def test_a_named_pool_can_be_wanted_on_demand():
    assert chosen(pool(1), pool(2), wanted_pool="t3.medium.use1-az2", wanted_mode=ON_DEMAND) == (
        "t3.medium.use1-az2",
        ON_DEMAND,
    )


def test_a_named_pool_that_refuses_is_not_insisted_on():
    refusing = pool(2, spot_refused_at=NOW - timedelta(seconds=1))
    assert chosen(refusing, pool(3), wanted_pool="t3.medium.use1-az2") == (
        "t3.medium.use1-az3",
        SPOT,
    )


def test_between_equals_the_workloads_own_type_wins():
    other = pool(2, kind="m5.large")
    assert chosen(other, pool(3)) == ("t3.medium.use1-az3", SPOT)


def test_every_choice_keeps_its_arithmetic():
    choice = sef_policy.choose(situation(pool(2, "0.0104", interruptions_30d=3), pool(3, "0.0312")))
    assert choice is not None
    assert choice.terms == {
        "price": 0.0104,
        "price_share": 0.25,
        "losses_a_day": 0.1,
        "fresh_loss": 0.0,
        "score": 0.19,
    }
    assert choice.passed_over["t3.medium.use1-az3 spot"] == "scores 0.4500"


def test_a_pool_that_falls_with_the_failing_one_is_passed_over():
    doomed = pool(2, "0.012", shared_fate=0.5)
    assert chosen(pool(1), doomed, pool(3, "0.014", shared_fate=0.07)) == (
        "t3.medium.use1-az3",
        SPOT,
    )


def test_a_little_shared_fate_is_outweighed_by_a_large_difference_in_price():
    shared = pool(2, "0.008", shared_fate=0.12)
    assert chosen(pool(1), shared, pool(3, "0.020", shared_fate=0.07)) == (
        "t3.medium.use1-az2",
        SPOT,
    )


def test_shared_fate_is_in_the_arithmetic():
    terms = sef_policy.score(pool(2, "0.0104", shared_fate=0.29))
    assert terms["shared_fate"] == 0.29
    assert terms["score"] == pytest.approx(0.6 * 0.25 + 0.4 * 0.29)
    assert "shared_fate" not in sef_policy.score(pool(2, "0.0104"))


JUST_REFUSED = {"spot_refused_at": NOW - timedelta(seconds=1)}
JUST_REFUSED_ON_DEMAND = {"on_demand_refused_at": NOW - timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        # Another type is not asked while the own answers, however cheap it is.
        ({}, {"price": "0.001"}, ("t3.medium", SPOT)),
        # Refused everywhere: another type on spot, where that is cheaper than the own on demand.
        (JUST_REFUSED, {"price": "0.040"}, ("m5.large", SPOT)),
        (JUST_REFUSED, {"price": "0.042"}, ("t3.medium", ON_DEMAND)),
        (JUST_REFUSED, {"price": None}, ("t3.medium", ON_DEMAND)),
        # Nothing of the own type at all: on demand of another before its dear spot.
        (JUST_REFUSED | JUST_REFUSED_ON_DEMAND, {"price": "0.042"}, ("m5.large", ON_DEMAND)),
        (
            JUST_REFUSED | JUST_REFUSED_ON_DEMAND,
            {"price": "0.042", **JUST_REFUSED_ON_DEMAND},
            ("m5.large", SPOT),
        ),
    ],
)
def test_other_types_serve_when_the_own_is_refused_everywhere(own, other, expected):
    rows = [pool(zone, **own) for zone in (2, 3)]
    large = pool(2, kind="m5.large", on_demand_price=Decimal("0.096"), **other)
    kind, mode = expected
    found = chosen(*rows, large)
    assert found is not None
    assert (found[0].rsplit(".", 1)[0], found[1]) == (kind, mode)


def test_other_types_are_measured_by_what_the_own_costs_on_demand():
    # A large discount on a dear machine is still a dear machine.
    large = pool(2, "0.0400", kind="m5.large", on_demand_price=Decimal("0.4"))
    small = pool(3, "0.0208", kind="t3.small", on_demand_price=Decimal("0.0209"))
    choice = sef_policy.choose(situation(pool(2, **JUST_REFUSED), large, small))
    assert choice is not None
    assert choice.pool_id == "t3.small.use1-az3"
    assert choice.terms["price_share"] == 0.5
    assert choice.passed_over["t3.medium.use1-az2 spot"] == "refused a launch in this very move"
    assert choice.passed_over["m5.large.use1-az2 spot"].startswith("scores")


def test_other_types_elsewhere_come_before_the_own_in_the_failing_zone():
    gone = JUST_REFUSED | JUST_REFUSED_ON_DEMAND
    rows = (pool(1), pool(2, **gone), pool(3, kind="m5.large", price="0.05"))
    assert chosen(*rows) == ("m5.large.use1-az3", ON_DEMAND)


def test_nothing_to_choose_from_is_no_choice():
    assert chosen() is None


moments = st.none() | st.integers(-60, 60).map(lambda s: NOW + timedelta(seconds=s))
candidates = st.builds(
    pool,
    st.integers(1, 6),
    st.none() | st.decimals("0.0001", "1", places=4).map(str),
    kind=st.sampled_from(["t3.medium", "m5.large"]),
    interruptions_30d=st.integers(0, 60),
    hours_since_interruption=st.none() | st.floats(0, 1000),
    shared_fate=st.none() | st.floats(0, 1),
    spot_quarantined_until=moments,
    on_demand_quarantined_until=moments,
    spot_refused_at=moments,
    on_demand_refused_at=moments,
)
situations = st.lists(candidates, max_size=8, unique_by=lambda c: c.pool_id)


@given(situations)
def test_the_failing_zone_is_never_chosen_while_another_answers(found):
    choice = sef_policy.choose(situation(*found))
    usable = [
        candidate
        for candidate in found
        if candidate.az_id != "use1-az1"
        and any(not sef_policy.refusal_of(candidate, mode, NOW) for mode in (SPOT, ON_DEMAND))
    ]
    if usable:
        assert choice is not None
        assert not choice.pool_id.endswith("use1-az1")


@given(situations)
def test_what_is_chosen_may_be_asked(found):
    choice = sef_policy.choose(situation(*found))
    if choice is None:
        assert all(sef_policy.refusal_of(c, mode, NOW) for c in found for mode in (SPOT, ON_DEMAND))
    else:
        winner = next(c for c in found if c.pool_id == choice.pool_id)
        assert sef_policy.refusal_of(winner, choice.mode, NOW) == ""


@given(situations, st.randoms())
def test_the_order_of_the_rows_does_not_matter(found, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    one, other = sef_policy.choose(situation(*found)), sef_policy.choose(situation(*shuffled))
    assert (one and (one.pool_id, one.mode)) == (other and (other.pool_id, other.mode))


@given(situations)
def test_every_pool_that_was_better_placed_has_its_reason(found):
    choice = sef_policy.choose(situation(*found))
    if choice is not None and choice.mode == SPOT:
        winner = next(c for c in found if c.pool_id == choice.pool_id)
        better = [
            c
            for c in found
            if c.az_id != "use1-az1"
            and c.instance_type == "t3.medium"
            and c.pool_id != winner.pool_id
        ]
        if winner.instance_type != "t3.medium" or winner.az_id == "use1-az1":
            assert all(f"{c.pool_id} spot" in choice.passed_over for c in better)


def total(**fields):
    return float(sef_policy.score(pool(2, **fields))["score"] or 0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_more_shared_fate_never_improves_the_score(shares):
    ranked = [total(shared_fate=share) for share in sorted(shares)]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize("field", ["interruptions_30d"])
def test_more_losses_never_improve_the_score(field):
    scores = [total(**{field: n}) for n in (0, 1, 5, 30, 90)]
    assert scores == sorted(scores)
