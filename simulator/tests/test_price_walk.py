"""Generated spot prices have the manners of real ones."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from simulator import catalog, ondemand
from simulator.price_points import Pool
from simulator.price_walk import DAY, Walk

POOL = Pool("m5.large", "us-east-1a", "use1-az6", "us-east-1")
NOW = 1_790_000_000.0


def pools(*kinds: str) -> list[Pool]:
    return [
        Pool(kind, f"us-east-1{letter}", f"use1-az{number}", "us-east-1")
        for kind in kinds
        for letter, number in (("a", 6), ("b", 1), ("c", 2))
    ]


def test_the_same_seed_gives_the_same_prices_and_another_seed_others():
    assert Walk(1).points(POOL, NOW - 30 * DAY, NOW) == Walk(1).points(POOL, NOW - 30 * DAY, NOW)
    assert Walk(1).points(POOL, NOW - 30 * DAY, NOW) != Walk(2).points(POOL, NOW - 30 * DAY, NOW)


def test_a_part_of_the_history_is_the_same_as_in_the_whole():
    walk = Walk(3)
    whole = walk.points(POOL, NOW - 30 * DAY, NOW)
    part = Walk(3).points(POOL, NOW - 2 * DAY, NOW)
    assert part == whole[-len(part) :]


def test_the_first_point_is_the_one_in_force_at_the_start():
    points = Walk(0).points(POOL, NOW - DAY, NOW)
    assert points[0].at <= NOW - DAY < points[1].at
    assert points[0] == Walk(0).current(POOL, NOW - DAY)


@pytest.mark.parametrize("pool", pools("m5.large", "c5.4xlarge", "p3.2xlarge"))
def test_at_most_four_changes_a_day_and_a_row_at_least_daily(pool):
    points = Walk(0).points(pool, NOW - 60 * DAY, NOW)
    for day in range(int((NOW - 59 * DAY) // DAY), int(NOW // DAY)):
        rows = [p for p in points if day * DAY <= p.at < (day + 1) * DAY]
        before = [p.price for p in points if p.at < day * DAY][-1]
        changes = sum(a != b for a, b in pairwise([before, *(p.price for p in rows)]))
        assert rows
        assert changes <= 4


def test_steps_are_small():
    steps = []
    for pool in pools("m5.4xlarge", "c5.4xlarge", "r5.4xlarge"):
        points = Walk(0).points(pool, NOW - 90 * DAY, NOW)
        prices = [p.price for p in points]
        steps += [abs(b / a - 1) for a, b in pairwise(prices) if a != b]
    assert 0.002 <= statistics.median(steps) <= 0.006
    assert 0.01 <= statistics.quantiles(steps, n=100)[98] <= 0.06


def test_never_above_on_demand_and_around_a_third_of_it():
    shares = []
    for kind in catalog.names()[::20]:
        for pool in pools(kind):
            top = ondemand.price(kind, "us-east-1")
            prices = [p.price for p in Walk(0).points(pool, NOW - 20 * DAY, NOW)]
            assert min(prices) > 0
            assert max(prices) <= top
            shares.append(statistics.mean(prices) / top)
    assert 0.28 <= statistics.mean(shares) <= 0.42


def test_zones_of_one_type_have_prices_of_their_own():
    now = {Walk(0).current(pool, NOW).price for pool in pools("m5.4xlarge")}
    assert len(now) == 3


def test_nothing_between_an_end_and_an_earlier_start():
    assert Walk(0).points(POOL, NOW, NOW - 1) == []
