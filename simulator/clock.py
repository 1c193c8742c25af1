"""Two clocks: the wall, which everybody shares, and simulated time, which can be moved on.

Bills and prices follow simulated time. Advancing it inserts a jump at the present moment;
the past is never rewritten, so a price once told for a wall time stays the price of that time.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from datetime import UTC, datetime
from threading import Lock


class Clock:
    """Maps wall time to simulated time and back. All times are Unix seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._walls: list[float] = []
        self._offsets: list[float] = []

    def wall(self) -> float:
        return time.time()

    def now(self) -> float:
        """Simulated time now."""
        return self.simulated(self.wall())

    def simulated(self, wall: float) -> float:
        """Simulated time at a wall time: the wall plus every jump made until then."""
        with self._lock:
            place = bisect_right(self._walls, wall)
            return wall + (self._offsets[place - 1] if place else 0.0)

    def wall_of(self, simulated: float) -> float:
        """The wall time at which a simulated moment was reached; a moment that a jump
        skipped was reached at the jump."""
        with self._lock:
            offset = 0.0
            for jump, total in zip(self._walls, self._offsets, strict=True):
                if simulated < jump + offset:
                    break
                if simulated < jump + total:
                    return jump
                offset = total
            return simulated - offset

    def advance(self, seconds: float) -> None:
        """Move simulated time on. Raises ValueError for a step that isn't forward."""
        if not seconds > 0:
            raise ValueError("seconds must be greater than zero")
        wall = self.wall()
        with self._lock:
            total = (self._offsets[-1] if self._offsets else 0.0) + seconds
            self._walls.append(wall)
            self._offsets.append(total)

    def reset(self) -> None:
        """Back to the wall: every jump is forgotten."""
        with self._lock:
            self._walls.clear()
            self._offsets.clear()

    @property
    def advanced(self) -> float:
        """Seconds by which simulated time is ahead of the wall."""
        with self._lock:
            return self._offsets[-1] if self._offsets else 0.0


def iso(moment: float) -> str:
    """RFC 3339 in UTC, whole seconds, as the AWS APIs print times."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise(moment: float) -> str:
    """RFC 3339 in UTC with milliseconds, for the control interface."""
    stamp = datetime.fromtimestamp(moment, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"
