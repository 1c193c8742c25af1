"""Times on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from spotopt.lib.times import MomentField, milliseconds, rfc3339

HALF_PAST_TEN = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T10:30:00Z",
        "2026-01-31T12:30:00+02:00",
        "2026-01-31T05:00:00-05:30",
        "2026-01-31T10:30:00.000Z",
        "2026-01-31 10:30:00Z",
    ],
)
def test_read(text):
    assert MomentField().to_internal_value(text) == HALF_PAST_TEN


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-01-31T10:30:00", "zone"),
        ("2026-01-31", "format"),
        ("yesterday, at about noon", "format"),
        ("2026-02-30T10:30:00Z", "format"),
        ("0001-01-01T00:00:00+14:00", "format"),
        ("9999-12-31T23:59:59-14:00", "format"),
        (1_700_000_000, "format"),
        (None, "format"),
        (["2026-01-31T10:30:00Z"], "format"),
        ("2" * 41, "format"),
    ],
)
def test_refused(text, code):
    with pytest.raises(ValidationError) as refusal:
        MomentField().to_internal_value(text)
    assert refusal.value.get_codes() == [code]


def test_written_in_utc():
    berlin = timezone(timedelta(hours=1))
    assert rfc3339(datetime(2026, 1, 31, 11, 30, tzinfo=berlin)) == "2026-01-31T10:30:00Z"
    assert rfc3339(HALF_PAST_TEN + timedelta(milliseconds=7)) == "2026-01-31T10:30:00.007Z"
    assert rfc3339(HALF_PAST_TEN + timedelta(microseconds=7)) == "2026-01-31T10:30:00Z"
    assert rfc3339(None) is None
    assert MomentField().to_representation(HALF_PAST_TEN) == "2026-01-31T10:30:00Z"


@given(st.datetimes(min_value=datetime(1000, 1, 2), timezones=st.just(UTC)))
def test_what_is_written_reads_back_to_the_millisecond(moment):
    text = rfc3339(moment)
    assert abs(MomentField().to_internal_value(text) - moment) < timedelta(milliseconds=1)


def test_milliseconds():
    assert milliseconds(timedelta(seconds=1.2346)) == 1235
    assert milliseconds(timedelta(seconds=-1)) == 0
