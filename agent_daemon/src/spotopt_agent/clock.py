"""Times as the wire has them: RFC 3339, UTC, ``Z``."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(timezone.utc)


def parse(text: object) -> datetime:
    """The moment written in ``text``, in UTC. Raises ValueError where it is no RFC 3339 time."""
    match = _RFC3339.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"not an RFC 3339 time with a zone: {text!r}")
    day, time, fraction, zone = match.groups()
    # datetime.fromisoformat of Python 3.9 knows neither Z nor a fraction of other than 3 or 6 digits.
    micros = ((fraction or "") + "000000")[:6]
    offset = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(f"{day}T{time}.{micros}{offset}").astimezone(timezone.utc)


def text(moment: datetime, *, timespec: str = "milliseconds") -> str:
    """``moment`` as the wire has it, for example ``2025-11-21T10:30:00.000Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")
