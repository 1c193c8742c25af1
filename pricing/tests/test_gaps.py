"""Interpolation, as the documented example and as properties."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import buckets, gaps
from pricing.gaps import Known

T = datetime(2026, 5, 1, tzinfo=UTC)


def at(seconds: float, price: str) -> Known:
    return Known(T + timedelta(seconds=seconds), Decimal(price))


def test_the_example_at_a_cadence_of_a_hundred_seconds():
    filled = list(
        gaps.interpolate([at(1000, "0.050"), at(1300, "0.060")], cadence=timedelta(seconds=100))
    )
    assert [(point.at - T).total_seconds() for point in filled] == [1100, 1200]
    assert [round(point.price, 4) for point in filled] == [Decimal("0.0533"), Decimal("0.0567")]
    assert [point.confidence for point in filled] == [0.85, 0.85]


@pytest.mark.parametrize(
    ("minutes", "count", "confidence"),
    [
        (5, 0, None),
        (10, 1, 0.85),
        (15, 2, 0.85),
        (20, 3, 0.75),
        (30, 5, 0.75),
        (35, 0, None),
        (600, 0, None),
    ],
)
def test_short_gaps_are_filled_and_long_ones_stay(minutes, count, confidence):
    filled = list(gaps.interpolate([at(0, "0.05"), at(minutes * 60, "0.06")]))
    assert len(filled) == count
    assert {point.confidence for point in filled} == ({confidence} if count else set())


def test_an_unchanged_price_stays_itself():
    filled = list(gaps.interpolate([at(0, "0.05"), at(900, "0.05")]))
    assert [point.price for point in filled] == [Decimal("0.05")] * 2


def test_nothing_comes_of_nothing():
    assert list(gaps.interpolate([])) == []
    assert list(gaps.interpolate([at(0, "1")])) == []


def test_each_gap_is_judged_by_itself():
    points = [at(0, "1"), at(600, "2"), at(6000, "3"), at(7200, "4")]
    filled = list(gaps.interpolate(points))
    assert [(p.at - T).total_seconds() for p in filled] == [300, 6300, 6600, 6900]
    assert [p.confidence for p in filled] == [0.85, 0.75, 0.75, 0.75]


SERIES = st.lists(
    st.tuples(st.integers(1, 9), st.decimals(Decimal("0.0001"), Decimal(40), places=6)),
    max_size=20,
)


def build(steps: list[tuple[int, Decimal]]) -> list[Known]:
    points, moment = [], T
    for buckets_on, price in steps:
        moment += buckets_on * buckets.CADENCE
        points.append(Known(moment, price))
    return points


@given(SERIES)
def test_what_is_filled_lies_between_its_neighbours(steps):
    points = build(steps)
    for filled in gaps.interpolate(points):
        before = [p for p in points if p.at < filled.at][-1]
        after = next(p for p in points if p.at > filled.at)
        low, high = sorted((before.price, after.price))
        assert low <= filled.price <= high
        assert filled.price > 0
        assert after.at - before.at <= gaps.LONGEST
        assert filled.at not in {p.at for p in points}


@given(SERIES)
def test_a_filled_series_has_nothing_left_to_fill(steps):
    points = build(steps)
    filled = [Known(p.at, p.price) for p in gaps.interpolate(points)]
    whole = sorted([*points, *filled], key=lambda p: p.at)
    assert list(gaps.interpolate(whole)) == []
    assert len({p.at for p in whole}) == len(whole)


@given(SERIES)
def test_gaps_keep_their_length_or_vanish(steps):
    points = build(steps)
    filled = {p.at for p in gaps.interpolate(points)}
    for before, after in pairwise(points):
        inside = [moment for moment in filled if before.at < moment < after.at]
        missing = (after.at - before.at) // buckets.CADENCE - 1
        assert len(inside) in (0, missing)
        assert (len(inside) == missing) or (after.at - before.at > gaps.LONGEST)
