"""How long each clean price holds: what money is counted by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pricing import gaps, quality, queries
from pricing.queries import SeriesPoint


@dataclass(frozen=True)
class Span:
    """A price in USD an hour that held from `start` until `end`."""

    start: datetime
    end: datetime
    price: Decimal


def of_series(points: Sequence[SeriesPoint], *, since: datetime, until: datetime) -> list[Span]:
    """Each price until the next one: AWS's for up to 36 hours, an agent's for up to 30 minutes.

    What lies beyond is unknown, and is in no span.
    """
    found: list[Span] = []
    for number, point in enumerate(points):
        reach = quality.STALE if point.source == "aws" else gaps.LONGEST
        following = points[number + 1].at if number + 1 < len(points) else until
        start = max(point.at, since)
        end = min(point.at + reach, following, until)
        if end <= start:
            continue
        if found and found[-1].end == start and found[-1].price == point.price:
            start = found.pop().start
        found.append(Span(start, end, point.price))
    return found


def prices(
    pool_ids: Iterable[str], *, client_id: UUID | None, since: datetime, until: datetime
) -> dict[str, list[Span]]:
    """What each pool cost in the window, in order of time; one statement. Pools that nothing is known of
    are absent, times that nothing is known of are in no span.
    """
    series = queries.series_of(
        pool_ids, client_id=client_id, since=since - quality.STALE, until=until
    )
    found = {
        pool_id: of_series(points, since=since, until=until) for pool_id, points in series.items()
    }
    return {pool_id: spans for pool_id, spans in found.items() if spans}
