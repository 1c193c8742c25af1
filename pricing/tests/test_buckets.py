from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pricing import buckets

MOMENTS = st.datetimes(
    datetime(1990, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


def test_a_bucket_starts_on_the_fifth_minute():
    at = datetime(2026, 5, 1, 12, 4, 59, 999999, tzinfo=UTC)
    assert buckets.start(at) == datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    assert buckets.start(datetime(2026, 5, 1, 12, 5, tzinfo=UTC)).minute == 5


@given(MOMENTS)
def test_every_moment_is_in_its_own_bucket(at):
    start = buckets.start(at)
    assert start <= at < start + buckets.CADENCE
    assert buckets.start(start) == start


def test_the_zone_it_is_written_in_does_not_matter():
    india = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 5, 1, 12, 4, tzinfo=india)
    assert buckets.start(at) == buckets.start(at.astimezone(UTC))
