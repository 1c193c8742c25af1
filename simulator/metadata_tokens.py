"""Session tokens of the metadata service (IMDSv2)."""

from __future__ import annotations

import secrets
import time

LONGEST = 21_600


class BadTtl(ValueError):
    """The TTL is missing, no whole number, or outside 1..21600 seconds."""


class Tokens:
    """Tokens of one machine; they age in wall time."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def issue(self, ttl: str | None) -> tuple[str, int]:
        """A token and its TTL in seconds. Raises BadTtl."""
        if ttl is None or not ttl.isascii() or not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST:
            raise BadTtl(ttl)
        now = time.monotonic()
        self._ends = {token: end for token, end in self._ends.items() if end > now}
        token = secrets.token_urlsafe(40) + "=="
        self._ends[token] = now + int(ttl)
        return token, int(ttl)

    def left(self, token: str | None) -> int | None:
        """Whole seconds that a token still lives; None if it is unknown or has ended."""
        end = self._ends.get(token or "")
        seconds = (end or 0.0) - time.monotonic()
        return int(seconds) if end is not None and seconds > 0 else None
