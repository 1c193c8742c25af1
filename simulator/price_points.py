"""What a source of spot prices is: for a pool, the moments at which its price was set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Point(NamedTuple):
    """A price in USD per hour and the simulated time from which it holds."""

    at: float
    price: float


@dataclass(frozen=True)
class Pool:
    """Where a spot price is made: an instance type in one zone of one region."""

    instance_type: str
    az: str
    az_id: str
    region: str


class Source(Protocol):
    def knows(self, pool: Pool) -> bool:
        """Whether this source has prices of that pool."""

    def current(self, pool: Pool, at: float) -> Point:
        """The point in force at a simulated time."""

    def points(self, pool: Pool, start: float, end: float) -> list[Point]:
        """The point in force at `start`, if there is one, and all set in (start, end]."""
