"""Spot prices replayed from a file (csv or csv.gz: Timestamp, AvailabilityZone, InstanceType,
ProductDescription, SpotPrice; zones by name or by id).

The file's times are shifted once, at the start, so that "now" stands near its end: the last seven days
of the file lie ahead of now; of a file shorter than 37 days all but its first 30; of one that hasn't got
more than 30, the last tenth. After its end the file begins again.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from . import zones
from .price_points import Point, Pool

_DAY = 86_400.0
_LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")


class BadPriceFile(ValueError):
    """The file can't be read as prices; the message names the line."""


class Replay:
    """The file as a source. `now` is the simulated time at which the replay starts."""

    def __init__(self, path: Path, *, now: float) -> None:
        self._series = _load(path)
        times = [t for at, _ in self._series.values() for t in (at[0], at[-1])]
        self._begin, self._end = min(times), max(times)
        self.span = max(self._end - self._begin, 1.0)
        spare = self.span - 30 * _DAY
        self.ahead = min(7 * _DAY, spare) if spare >= _DAY / 4 else 0.1 * self.span
        self._shift = now - (self._end - self.ahead)

    def knows(self, pool: Pool) -> bool:
        return (pool.instance_type, pool.az_id) in self._series

    def instance_types(self, region: str) -> set[str]:
        ids = {zone.id for zone in zones.of_region(region)}
        return {kind for kind, az_id in self._series if az_id in ids}

    def current(self, pool: Pool, at: float) -> Point:
        times, prices = self._series[pool.instance_type, pool.az_id]
        turn, moment = self._in_file(at)
        place = bisect_right(times, moment) - 1
        if place < 0:
            if turn == 0:  # before the pool's first row: what it began with
                return Point(at, prices[0])
            turn, place = turn - 1, len(times) - 1
        return Point(self._out(times[place], turn), prices[place])

    def points(self, pool: Pool, start: float, end: float) -> list[Point]:
        times, prices = self._series[pool.instance_type, pool.az_id]
        found: list[Point] = []
        first = self._out(times[0], 0)
        if end < first or end < start:
            return []
        if start >= first:
            found.append(self.current(pool, start))
        turn = self._in_file(max(start, first))[0]
        while self._out(times[0], turn) <= end:
            low = bisect_right(times, start - self._out(0.0, turn))
            high = bisect_right(times, end - self._out(0.0, turn))
            for place in range(low, high):
                found.append(Point(self._out(times[place], turn), prices[place]))
            turn += 1
        return found

    def _in_file(self, at: float) -> tuple[int, float]:
        """Which turn of the file, and the file's own time."""
        moment = at - self._shift
        turn = max(0, int((moment - self._begin) // self.span))
        return turn, moment - turn * self.span

    def _out(self, moment: float, turn: int) -> float:
        return moment + turn * self.span + self._shift


def _load(path: Path) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with _open(path) as source:
        for number, row in enumerate(csv.DictReader(source), start=2):
            try:
                zone = zones.find(row["AvailabilityZone"])
                at = datetime.fromisoformat(row["Timestamp"])
                price = float(row["SpotPrice"])
                product = row["ProductDescription"]
            except (KeyError, TypeError, ValueError) as error:
                raise BadPriceFile(f"{path}, line {number}: {error}") from error
            if zone is None or product not in _LINUX:
                continue
            moment = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
            rows.setdefault((row["InstanceType"], zone.id), []).append((moment, price))
    if not rows:
        raise BadPriceFile(f"{path} holds no Linux prices of a known zone")
    series = {}
    for key, pairs in rows.items():
        pairs.sort()
        series[key] = ([at for at, _ in pairs], [price for _, price in pairs])
    return series


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", newline="", encoding="utf-8")
    return path.open(newline="", encoding="utf-8")
