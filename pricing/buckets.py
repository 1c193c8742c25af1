"""Time in steps of five minutes, counted from the epoch."""

from datetime import UTC, datetime, timedelta

CADENCE = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start(at: datetime, *, cadence: timedelta = CADENCE) -> datetime:
    """The start of the bucket that `at` lies in."""
    return at - (at - _EPOCH) % cadence
