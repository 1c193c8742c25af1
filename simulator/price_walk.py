"""Generated spot prices, with the manners of real ones since 2017: at most four changes a day, most of
.2 to .6 %, never above on-demand, and the price repeated once a day even if it stays.

A pool's price at a time depends on the seed, the pool and the time alone, so nothing is stored, and
any day can be asked for first.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache

from . import ondemand
from .price_points import Point, Pool

DAY = 86_400
_CHEAPEST, _DEAREST = 0.29, 0.41  # share of on-demand around which a pool's price moves


class Walk:
    """A source of prices for every pool. Equal seeds give equal prices."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._day = lru_cache(maxsize=200_000)(self._make_day)
        self._shape = lru_cache(maxsize=20_000)(self._make_shape)

    def knows(self, pool: Pool) -> bool:
        return True

    def current(self, pool: Pool, at: float) -> Point:
        for day in (int(at // DAY), int(at // DAY) - 1):
            for point in reversed(self._day(pool, day)):
                if point.at <= at:
                    return point
        raise AssertionError("every day has a point")

    def points(self, pool: Pool, start: float, end: float) -> list[Point]:
        if end < start:
            return []
        found = [self.current(pool, start)]
        for day in range(int(start // DAY), int(end // DAY) + 1):
            found += [p for p in self._day(pool, day) if start < p.at <= end]
        return found

    def _make_day(self, pool: Pool, day: int) -> tuple[Point, ...]:
        dice = random.Random(f"{self._seed}/{pool.instance_type}/{pool.az_id}/{day}")
        changes = sorted(dice.sample(range(DAY), dice.choice((0, 1, 1, 2, 2, 3))))
        repeat = self._shape(pool)[-1]
        moments = sorted({*changes, int(repeat)})
        points: list[Point] = []
        level = 0.0
        for moment in moments:
            at = day * DAY + moment
            if moment in changes or not points:
                # The day's first point is always set anew, even where only a repeat is due,
                # so that a day can be told without the one before it.
                level = self._level(pool, at, dice.gauss(0, 0.001))
            points.append(Point(float(at), level))
        return tuple(points)

    def _make_shape(self, pool: Pool) -> tuple[float, ...]:
        dice = random.Random(f"{self._seed}/{pool.instance_type}/{pool.az_id}")
        return (
            dice.uniform(_CHEAPEST, _DEAREST),
            dice.uniform(18, 40),
            dice.uniform(0, math.tau),
            dice.uniform(6, 12),
            dice.uniform(0, math.tau),
            dice.randrange(DAY),
        )

    def _level(self, pool: Pool, at: float, noise: float) -> float:
        share, slow, slow_phase, quick, quick_phase, _ = self._shape(pool)
        days = at / DAY
        swing = 0.045 * math.sin(math.tau * days / slow + slow_phase)
        swing += 0.018 * math.sin(math.tau * days / quick + quick_phase)
        base = ondemand.price(pool.instance_type, pool.region)
        level = base * share * math.exp(swing + noise)
        return min(max(round(level, 4), 0.0001), base)
