"""The spot price of any pool: from the price file where it has the pool, else generated."""

from __future__ import annotations

from pathlib import Path

from . import catalog, zones
from .clock import Clock
from .price_files import Replay
from .price_points import Point, Pool, Source
from .price_walk import Walk


class SpotPrices:
    """Questions are asked in wall time; the clock's jumps are taken into account."""

    def __init__(self, *, clock: Clock, seed: int, file: Path | None) -> None:
        self._clock = clock
        self._walk = Walk(seed)
        self._replay = Replay(file, now=clock.now()) if file else None

    def source(self, pool: Pool) -> Source:
        if self._replay is not None and self._replay.knows(pool):
            return self._replay
        return self._walk

    def pools(self, region: str, instance_types: list[str] | None = None) -> list[Pool]:
        """The pools of a region: of the types given, else of those in the price file,
        else of the whole catalogue."""
        listed = self._replay.instance_types(region) if self._replay else set()
        kinds = instance_types or sorted(listed) or catalog.names()
        return [
            Pool(kind, zone.name, zone.id, region)
            for kind in kinds
            for zone in zones.of_region(region)
        ]

    def now(self, pool: Pool) -> float:
        """USD per hour at this moment."""
        return self.source(pool).current(pool, self._clock.now()).price

    def history(self, pool: Pool, start: float, end: float) -> list[Point]:
        """Points between two wall times and the last before them, oldest first, in wall time.
        Of prices that a jump of the clock passed over, the last is told, at the jump."""
        end = min(end, self._clock.wall())
        points = self.source(pool).points(
            pool, self._clock.simulated(start), self._clock.simulated(end)
        )
        told: dict[float, Point] = {}
        for point in points:
            at = self._clock.wall_of(point.at)
            told[at] = Point(at, point.price)
        return list(told.values())

    def cost(self, pool: Pool, start: float, end: float) -> float:
        """USD for running from one simulated time to another, billed by the second."""
        if end <= start:
            return 0.0
        source = self.source(pool)
        total, at, price = 0.0, start, source.current(pool, start).price
        for point in source.points(pool, start, end):
            if point.at > at:
                total += price * (point.at - at)
                at = point.at
            price = point.price
        return (total + price * (end - at)) / 3600
