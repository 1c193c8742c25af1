"""What is filled in between two known prices. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from pricing import buckets, dedupe

LONGEST = timedelta(minutes=30)
SHORT = 2  # buckets
SURE, LESS_SURE = 0.85, 0.75


@dataclass(frozen=True)
class Known:
    """A price that was reported, USD an hour."""

    at: datetime
    price: Decimal


@dataclass(frozen=True)
class Filled:
    """A price that nobody reported."""

    at: datetime
    price: Decimal
    confidence: float


def interpolate(
    points: Sequence[Known], *, cadence: timedelta = buckets.CADENCE
) -> Iterator[Filled]:
    """Points on the line between neighbours more than one cadence and at most 30 minutes apart.

    `points` are in order of time. Up to two missing buckets have confidence .85, more have .75; longer
    gaps stay gaps, since a line over them would be a guess.
    """
    for before, after in pairwise(points):
        span = after.at - before.at
        if not cadence < span <= LONGEST:
            continue
        missing = -(-span // cadence) - 1
        rise = after.price - before.price
        for step in range(1, missing + 1):
            share = Decimal(step) * _seconds(cadence) / _seconds(span)
            yield Filled(
                at=before.at + step * cadence,
                price=dedupe.rounded(before.price + rise * share),
                confidence=SURE if missing <= SHORT else LESS_SURE,
            )


def _seconds(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1)) / 1_000_000
