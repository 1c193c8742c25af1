"""Times on the wire: RFC 3339 in UTC with `Z`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import serializers


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-01-31T10:30:00Z`, with milliseconds where there are any; None stays None."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    spec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def milliseconds(span: timedelta) -> int:
    """A span as whole milliseconds, never below zero."""
    return max(0, round(span.total_seconds() * 1000))


class MomentField(serializers.Field[datetime, Any, str | None, Any]):
    """A moment: read as RFC 3339 with a zone, written with `Z`."""

    default_error_messages = {
        "format": "Not a time: write RFC 3339, such as 2026-01-31T10:30:00Z.",
        "zone": "The time has no zone: end it with Z, or with an offset such as +02:00.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Parse; refuses what has no zone."""
        if not isinstance(data, str) or len(data) > 40 or len(data) < 16:
            self.fail("format")
        try:
            moment = datetime.fromisoformat(data)
            if moment.tzinfo is None:
                self.fail("zone")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("format")

    def to_representation(self, value: datetime | None) -> str | None:
        """Write."""
        return rfc3339(value)
