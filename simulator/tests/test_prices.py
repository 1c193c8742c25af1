"""Questions about prices, in wall time, across jumps of the clock."""

from __future__ import annotations

import pytest

from simulator.clock import Clock
from simulator.price_points import Point, Pool
from simulator.prices import SpotPrices

NOW = 1_790_000_000.0
POOL = Pool("m5.large", "us-east-1a", "use1-az6", "us-east-1")


class Still(Clock):
    at = NOW

    def wall(self) -> float:
        return self.at


class Steps:
    """A price that rises by a cent each hour, on the hour."""

    def knows(self, pool: Pool) -> bool:
        return True

    def current(self, pool: Pool, at: float) -> Point:
        hour = int((at - NOW) // 3600)
        return Point(NOW + 3600 * hour, 1.0 + hour / 100)

    def points(self, pool: Pool, start: float, end: float) -> list[Point]:
        found = [self.current(pool, start)]
        while found[-1].at + 3600 <= end:
            found.append(self.current(pool, found[-1].at + 3600))
        return found


@pytest.fixture
def clock():
    return Still()


@pytest.fixture
def prices(clock, monkeypatch):
    made = SpotPrices(clock=clock, seed=0, file=None)
    monkeypatch.setattr(made, "_walk", Steps())
    return made


def test_cost_is_the_price_at_the_time_by_the_second(prices):
    assert prices.cost(POOL, NOW, NOW + 3600) == pytest.approx(1.0)
    assert prices.cost(POOL, NOW + 1800, NOW + 5400) == pytest.approx(0.5 * 1.0 + 0.5 * 1.01)
    assert prices.cost(POOL, NOW, NOW + 1) == pytest.approx(1 / 3600)
    assert prices.cost(POOL, NOW, NOW) == 0
    assert prices.cost(POOL, NOW, NOW - 5) == 0


def test_history_never_tells_what_is_ahead(prices):
    told = prices.history(POOL, NOW - 7200, NOW + 86_400)
    assert [p.at for p in told] == [NOW - 7200, NOW - 3600, NOW]


def test_a_jump_moves_the_price_on_and_leaves_the_past(prices, clock):
    before = prices.history(POOL, NOW - 7200, NOW)
    clock.at = NOW + 600
    clock.advance(10 * 3600)
    assert prices.now(POOL) == pytest.approx(1.10)
    told = prices.history(POOL, NOW - 7200, clock.at)
    assert told[: len(before)] == before
    assert told[len(before) :] == [Point(NOW + 600, 1.10)]


def test_pools_of_a_region_cover_its_zones(prices):
    pools = prices.pools("us-east-1", ["m5.large"])
    assert {pool.az for pool in pools} == {f"us-east-1{letter}" for letter in "abcdef"}
    assert all(pool.az_id.startswith("use1-az") for pool in pools)
    assert prices.pools("nowhere-1", ["m5.large"]) == []
