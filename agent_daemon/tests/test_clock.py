"""Times on the wire."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from spotopt_agent import clock

NOON = datetime(2025, 11, 21, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-21T12:00:00Z", NOON),
        ("2025-11-21t12:00:00z", NOON),
        ("2025-11-21 12:00:00Z", NOON),
        ("2025-11-21T12:00:00+00:00", NOON),
        ("2025-11-21T14:30:00+02:30", NOON),
        ("2025-11-21T07:00:00-05:00", NOON),
        (" 2025-11-21T12:00:00Z\n", NOON),
        ("2025-11-21T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2025-11-21T12:00:00.123Z", NOON + timedelta(milliseconds=123)),
        ("2025-11-21T12:00:00.123456Z", NOON + timedelta(microseconds=123456)),
        ("2025-11-21T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
    ],
)
def test_reads_what_the_wire_may_have(text, expected):
    assert clock.parse(text) == expected
    assert clock.parse(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2025-11-21",
        "2025-11-21T12:00:00",  # no zone
        "2025-11-21T12:00Z",
        "2025-13-21T12:00:00Z",
        "2025-11-21T25:00:00Z",
        "2025-11-21T12:00:00.Z",
        "2025-11-21T12:00:00ZZ",
        "1763726400",
        None,
        1763726400,
        {"time": "2025-11-21T12:00:00Z"},
    ],
)
def test_refuses_what_is_no_time(text):
    with pytest.raises(ValueError):
        clock.parse(text)


def test_writes_utc_with_z():
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    assert clock.text(east) == "2025-11-21T12:00:00.000Z"
    assert clock.text(NOON, timespec="seconds") == "2025-11-21T12:00:00Z"


def test_what_is_written_is_read_again():
    now = clock.now()
    assert abs(clock.parse(clock.text(now)) - now) < timedelta(milliseconds=1)
    assert clock.parse(clock.text(now, timespec="microseconds")) == now
